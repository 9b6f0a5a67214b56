//! What the ledger knows of an upload.

use heimdex_bus::KvLedger;
use heimdex_schemas::{AssetId, Org, Receipt, ReceiptState, UploadId};
use heimdex_stage::{Acceptance, Done, Ledger as _, Revision, accept, done};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::KeeperError;

/// How an upload stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The ledger has neither its acceptance nor its receipt.
    Unknown,
    /// Accepted, without a receipt.
    Open(Box<Acceptance>),
    /// It has a receipt.
    Ended(Box<Receipt>),
}

impl Standing {
    /// Whether it has ended in one of the states that nothing brings back to search.
    pub fn has_left(&self) -> Option<&Receipt> {
        match self {
            Self::Ended(receipt) => match receipt.state {
                ReceiptState::Superseded | ReceiptState::Deleted | ReceiptState::Failed => Some(receipt),
                ReceiptState::Indexed | ReceiptState::Degraded => None,
            },
            Self::Unknown | Self::Open(_) => None,
        }
    }
}

/// As much of a part's record as the keeper needs. The writer's own.
#[derive(Debug, Deserialize)]
pub struct PartNote {
    /// How many parts its sender knew of.
    pub parts: u32,
    outcome: serde_json::Value,
}

impl PartNote {
    /// Whether points stand behind it, and not a failure.
    pub fn is_written(&self) -> bool {
        self.outcome.get("written").is_some()
    }
}

/// Reads the ledger.
#[derive(Clone, Copy)]
pub struct Books<'a> {
    ledger: &'a KvLedger,
}

impl<'a> Books<'a> {
    pub const fn new(ledger: &'a KvLedger) -> Self {
        Self { ledger }
    }

    /// A record and its revision.
    pub async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(Revision, T)>, KeeperError> {
        let Some((revision, value)) = self.ledger.get(key).await? else { return Ok(None) };
        Ok(Some((revision, parse(key, &value)?)))
    }

    pub async fn acceptance(&self, upload: UploadId) -> Result<Option<Acceptance>, KeeperError> {
        Ok(self.read(&accept::key(upload)).await?.map(|(_, accepted)| accepted))
    }

    /// The standing of an upload of which only the id is known.
    pub async fn standing(&self, upload: UploadId) -> Result<Standing, KeeperError> {
        match self.acceptance(upload).await? {
            None => Ok(Standing::Unknown),
            Some(accepted) => {
                let asset = accepted.asset_id.as_ref().map(AssetId::hash);
                match self.receipt(&accepted.org, asset.as_deref(), upload).await? {
                    Some(receipt) => Ok(Standing::Ended(Box::new(receipt))),
                    None => Ok(Standing::Open(Box::new(accepted))),
                }
            }
        }
    }

    /// The standing of an upload whose place is known.
    pub async fn standing_at(&self, org: &Org, asset: &str, upload: UploadId) -> Result<Standing, KeeperError> {
        match self.receipt(org, Some(asset), upload).await? {
            Some(receipt) => Ok(Standing::Ended(Box::new(receipt))),
            None => self.standing(upload).await,
        }
    }

    /// The receipt that stands for an upload; `asset` is its hash, `None` for the purge of an org.
    pub async fn receipt(
        &self,
        org: &Org,
        asset: Option<&str>,
        upload: UploadId,
    ) -> Result<Option<Receipt>, KeeperError> {
        let prefix = format!("{}.{}.{upload}", done::prefix(org, None), asset.unwrap_or("_"));
        let mut newest: Option<Receipt> = None;
        for (key, value) in self.ledger.list(&prefix).await? {
            let Done { receipt, .. } = parse(&key, &value)?;
            if newest.as_ref().is_none_or(|found| found.completed_at < receipt.completed_at) {
                newest = Some(receipt);
            }
        }
        Ok(newest)
    }

    /// The records of an upload's parts, by number.
    pub async fn parts(&self, upload: UploadId, model: &str) -> Result<Vec<(u32, PartNote)>, KeeperError> {
        let listed = self.ledger.list(&format!("part.{upload}.{model}")).await?;
        let part = |(key, value): &(String, bytes::Bytes)| {
            let number = key.rsplit('.').next().and_then(|last| last.parse().ok());
            let number = number.ok_or_else(|| record(key, "it ends in no part number"))?;
            Ok((number, parse(key, value)?))
        };
        listed.iter().map(part).collect()
    }
}

/// Reads one value.
pub fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, KeeperError> {
    serde_json::from_slice(value).map_err(|error| record(key, &error.to_string()))
}

pub fn record(key: &str, reason: &str) -> KeeperError {
    KeeperError::Record { key: key.to_owned(), reason: reason.to_owned() }
}
