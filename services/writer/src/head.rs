//! The fence: which upload of an asset is current. One ledger key, `head.<org>.<model>.<asset hash>`.

use heimdex_index::{Space, Version};
use heimdex_schemas::{AssetId, Lineage, ModelName, Org};
use heimdex_stage::Ledger;
use serde::{Deserialize, Serialize};

use crate::error::WriterError;
use crate::points::{Place, Points};
use crate::record;

/// How often the head may change while we act on it before we give the message back.
const ROUNDS: u32 = 16;

/// The newest complete upload of an asset. Only a complete upload with something to show becomes head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub version: Version,
    /// The collection of its points.
    pub space: String,
    pub dimension: u32,
}

/// One asset in one model's index.
pub(crate) struct Asset<'a> {
    pub(crate) org: &'a Org,
    pub(crate) model: &'a ModelName,
    pub(crate) id: &'a AssetId,
}

impl<'a> Asset<'a> {
    pub(crate) fn of(lineage: &'a Lineage) -> Self {
        Self { org: &lineage.org, model: &lineage.model, id: &lineage.asset_id }
    }

    fn key(&self) -> String {
        format!("head.{}.{}.{}", self.org, self.model, self.id.hash())
    }

    fn place(&self, head: &Head) -> Place {
        let space = Space { model: self.model.clone(), id: head.space.clone(), dimension: head.dimension };
        Place { org: self.org.clone(), space }
    }

    /// Makes `ours` the head unless a newer upload is; returns the head.
    pub(crate) async fn take(&self, ledger: &dyn Ledger, ours: Head) -> Result<Head, WriterError> {
        record::settle(ledger, &self.key(), ours, |found, ours| (ours.version > found.version).then(|| ours.clone()))
            .await
    }

    /// Brings the index in line with the head, whoever's it is: its points live first, then all older ones dead. The head
    /// is complete, so anyone may finish its work; that is what makes a writer harmless that slept between its
    /// decision and its flips. Returns the head once it did not change meanwhile.
    pub(crate) async fn align<P: Points>(
        &self,
        ledger: &dyn Ledger,
        points: &P,
        mut head: Head,
    ) -> Result<Head, WriterError> {
        for _ in 0..ROUNDS {
            let place = self.place(&head);
            points.make_live(&place, head.version.upload).await?;
            points.retire_older(&place, self.id, head.version).await?;
            match record::read::<Head>(ledger, &self.key()).await? {
                Some((_, now)) if now.version != head.version => head = now,
                _ => return Ok(head),
            }
        }
        Err(WriterError::Contended { key: self.key(), attempts: ROUNDS })
    }

    /// The exact count is a check, not a trigger: what it finds is for the operator.
    pub(crate) async fn check<P: Points>(&self, points: &P, head: &Head, expected: u32) -> Result<(), WriterError> {
        let live = points.count_live(&self.place(head), head.version.upload).await?;
        if live != u64::from(expected) {
            tracing::warn!(
                org = %self.org, asset = %self.id, upload = %head.version.upload, live, expected,
                "the index does not hold what was written, unless a newer upload came in between"
            );
        }
        Ok(())
    }
}
