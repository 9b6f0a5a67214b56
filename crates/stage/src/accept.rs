//! Acceptance: an upload's identity and order, decided once in the ledger at first sight and the same ever after.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, Lineage, ModelName, Order, UploadId};
use serde::{Deserialize, Serialize};

use crate::{Class, Classify, Context, Ledger, LedgerError};

/// What stands in the ledger for an accepted upload, under `accepted.<upload>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    pub asset_id: AssetId,
    pub order: Order,
    pub accepted_at: DateTime<Utc>,
}

/// Why an upload could not be accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("the `sequence` extension {0:?} is not a whole number from 0 to 2^64-1")]
    Sequence(String),
    #[error("event id {event_id:?} of source {event_source:?} was already used for asset {used:?}, now for {asked:?}")]
    Reused { event_source: String, event_id: String, used: AssetId, asked: AssetId },
    #[error("the accepted upload in the ledger cannot be read: {0}")]
    Ledger(serde_json::Error),
    #[error(transparent)]
    Unavailable(#[from] LedgerError),
}

impl Classify for AcceptError {
    fn class(&self) -> Class {
        match self {
            Self::Sequence(_) | Self::Reused { .. } | Self::Ledger(_) => Class::Permanent,
            Self::Unavailable(_) => Class::Unavailable,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Sequence(_) => "bad_sequence",
            Self::Reused { .. } => "event_id_reused",
            Self::Ledger(_) => "ledger_corrupt",
            Self::Unavailable(_) => "ledger_unavailable",
        }
    }
}

/// Records the upload of `ctx`'s event, or finds the record an earlier delivery made.
pub async fn accept(ctx: &Context, asset_id: &AssetId, model: &ModelName) -> Result<Lineage, AcceptError> {
    let upload = UploadId::new(&ctx.org, ctx.envelope.source(), ctx.envelope.id());
    let seen = Acceptance { asset_id: asset_id.clone(), order: order(ctx)?, accepted_at: ctx.position.stored_at };
    let fixed = first_sight(ctx.ledger.as_ref(), upload, seen).await?;
    if fixed.asset_id != *asset_id {
        return Err(AcceptError::Reused {
            event_source: ctx.envelope.source().to_owned(),
            event_id: ctx.envelope.id().to_owned(),
            used: fixed.asset_id,
            asked: asset_id.clone(),
        });
    }
    Ok(Lineage {
        org: ctx.org.clone(),
        asset_id: fixed.asset_id,
        upload,
        order: fixed.order,
        lane: ctx.lane,
        model: model.clone(),
        replay: ctx.envelope.replay(),
        accepted_at: fixed.accepted_at,
        title: None,
        source: None,
        traceparent: ctx.envelope.traceparent().map(str::to_owned),
    })
}

fn order(ctx: &Context) -> Result<Order, AcceptError> {
    match ctx.envelope.sequence() {
        None => Ok(Order::by_stream(ctx.position.epoch, ctx.position.sequence)),
        Some(text) => text.parse().map(Order::by_uploader).map_err(|_| AcceptError::Sequence(text.to_owned())),
    }
}

async fn first_sight(ledger: &dyn Ledger, upload: UploadId, seen: Acceptance) -> Result<Acceptance, AcceptError> {
    let key = format!("accepted.{upload}");
    let value = serde_json::to_vec(&seen).map_err(AcceptError::Ledger)?;
    if ledger.create(&key, Bytes::from(value)).await?.is_some() {
        return Ok(seen);
    }
    match ledger.get(&key).await? {
        Some((_, recorded)) => serde_json::from_slice(&recorded).map_err(AcceptError::Ledger),
        None => Err(LedgerError::Unavailable(format!("{key} exists but cannot be read yet")).into()),
    }
}
