//! Acceptance: the identity and order of an upload or a deletion, decided once in the ledger at first sight and the same
//! ever after.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, Lane, Lineage, ModelName, Order, Org, UploadId};
use serde::{Deserialize, Serialize};

use crate::{Class, Classify, Context, Ledger, LedgerError};

/// What stands in the ledger for an accepted event of an uploader, under `accepted.<upload>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    pub org: Org,
    /// Absent for the purge of an org.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<AssetId>,
    /// Absent for a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    pub lane: Lane,
    pub order: Order,
    /// Where the broker stored the event first.
    pub position: Order,
    pub accepted_at: DateTime<Utc>,
}

/// Why an event could not be accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("the `sequence` extension {0:?} is not a whole number from 0 to 2^64-1")]
    Sequence(String),
    #[error("event id {event_id:?} of source {event_source:?} was already used for {used}, now for {asked}")]
    Reused { event_source: String, event_id: String, used: String, asked: String },
    #[error("the accepted upload in the ledger cannot be read: {0}")]
    Ledger(serde_json::Error),
    #[error(transparent)]
    Unavailable(#[from] LedgerError),
}

impl Classify for AcceptError {
    fn class(&self) -> Class {
        match self {
            Self::Sequence(_) | Self::Reused { .. } | Self::Ledger(_) => Class::Permanent,
            Self::Unavailable(error) => error.class(),
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Sequence(_) => "bad_sequence",
            Self::Reused { .. } => "event_id_reused",
            Self::Ledger(_) => "ledger_corrupt",
            Self::Unavailable(error) => error.code(),
        }
    }
}

impl Acceptance {
    fn concerns(&self) -> String {
        match (&self.asset_id, &self.model) {
            (Some(asset), Some(_)) => format!("an upload of asset {:?}", asset.as_str()),
            (Some(asset), None) => format!("the deletion of asset {:?}", asset.as_str()),
            (None, _) => format!("the purge of org {}", self.org),
        }
    }

    fn is_same_wish(&self, other: &Self) -> bool {
        self.asset_id == other.asset_id && self.model.is_some() == other.model.is_some()
    }
}

/// The ledger key of an accepted event.
#[must_use]
pub fn key(upload: UploadId) -> String {
    format!("accepted.{upload}")
}

/// Records the upload of `ctx`'s event, or finds the record an earlier delivery made.
pub async fn accept(ctx: &Context, asset_id: &AssetId, model: &ModelName) -> Result<Lineage, AcceptError> {
    let (upload, fixed) = record(ctx, Some(asset_id), Some(model)).await?;
    Ok(Lineage {
        org: ctx.org.clone(),
        asset_id: asset_id.clone(),
        upload,
        order: fixed.order,
        position: fixed.position,
        lane: ctx.lane,
        model: model.clone(),
        replay: ctx.envelope.replay(),
        accepted_at: fixed.accepted_at,
        title: None,
        source: None,
        traceparent: ctx.envelope.traceparent().map(str::to_owned),
        trail: Vec::new(),
    })
}

/// As [`accept`], for the deletion of one asset, or of all that the org has. The id is that of the deletion's job.
pub async fn accept_deletion(ctx: &Context, asset_id: Option<&AssetId>) -> Result<(UploadId, Acceptance), AcceptError> {
    record(ctx, asset_id, None).await
}

async fn record(
    ctx: &Context,
    asset_id: Option<&AssetId>,
    model: Option<&ModelName>,
) -> Result<(UploadId, Acceptance), AcceptError> {
    let upload = UploadId::new(&ctx.org, ctx.envelope.source(), ctx.envelope.id());
    let seen = Acceptance {
        org: ctx.org.clone(),
        asset_id: asset_id.cloned(),
        model: model.cloned(),
        lane: ctx.lane,
        order: order(ctx)?,
        position: position(ctx),
        accepted_at: ctx.position.stored_at,
    };
    let fixed = first_sight(ctx.ledger.as_ref(), upload, &seen).await?;
    if !fixed.is_same_wish(&seen) {
        return Err(AcceptError::Reused {
            event_source: ctx.envelope.source().to_owned(),
            event_id: ctx.envelope.id().to_owned(),
            used: fixed.concerns(),
            asked: seen.concerns(),
        });
    }
    Ok((upload, fixed))
}

fn position(ctx: &Context) -> Order {
    Order::by_stream(ctx.position.epoch, ctx.position.sequence)
}

fn order(ctx: &Context) -> Result<Order, AcceptError> {
    match ctx.envelope.sequence() {
        None => Ok(position(ctx)),
        Some(text) => text.parse().map(Order::by_uploader).map_err(|_| AcceptError::Sequence(text.to_owned())),
    }
}

async fn first_sight(ledger: &dyn Ledger, upload: UploadId, seen: &Acceptance) -> Result<Acceptance, AcceptError> {
    let key = key(upload);
    let value = serde_json::to_vec(seen).map_err(AcceptError::Ledger)?;
    if ledger.create(&key, Bytes::from(value)).await?.is_some() {
        return Ok(seen.clone());
    }
    match ledger.get(&key).await? {
        Some((_, recorded)) => serde_json::from_slice(&recorded).map_err(AcceptError::Ledger),
        None => Err(LedgerError::Unavailable(format!("{key} exists but cannot be read yet")).into()),
    }
}
