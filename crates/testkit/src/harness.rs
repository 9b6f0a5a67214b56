//! Runs a stage without a broker: a made-up context, a ledger and blobs in memory.

use std::sync::Arc;

use chrono::DateTime;
use heimdex_schemas::{AssetId, Envelope, Event, Lane, Lineage, ModelName, Order, Org, UploadId};
use heimdex_stage::memory::{MemoryBlobs, MemoryLedger};
use heimdex_stage::{Blobs, Context, Ledger, Position, Stage};
use tokio_util::sync::CancellationToken;

/// A stage and what it works with.
pub struct StageHarness<S> {
    pub stage: S,
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<dyn Blobs>,
    pub cancelled: CancellationToken,
    pub org: Org,
    pub lane: Lane,
    /// Of the next message; grows by one each.
    pub sequence: u64,
}

impl<S: Stage> StageHarness<S> {
    /// Org `acme`, interactive lane, everything empty.
    #[must_use]
    pub fn new(stage: S) -> Self {
        Self {
            stage,
            ledger: Arc::new(MemoryLedger::default()),
            blobs: Arc::new(MemoryBlobs::default()),
            cancelled: CancellationToken::new(),
            org: "acme".parse().unwrap(),
            lane: Lane::Interactive,
            sequence: 1,
        }
    }

    /// The context that a delivery of `envelope` would have.
    #[must_use]
    pub fn context(&self, envelope: &Envelope) -> Context {
        let stored_at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        Context {
            envelope: envelope.clone(),
            org: self.org.clone(),
            lane: self.lane,
            position: Position { epoch: 1_790_000_000, sequence: self.sequence, stored_at },
            blobs: Arc::clone(&self.blobs),
            ledger: Arc::clone(&self.ledger),
            cancelled: self.cancelled.clone(),
        }
    }

    /// Handles `input` as the next message.
    pub async fn handle(&mut self, input: S::In) -> Result<Vec<S::Out>, S::Error> {
        let envelope = envelope(&input);
        self.deliver(&envelope, input).await
    }

    /// Handles `input` that arrived in `envelope`; the same envelope again is a redelivery.
    pub async fn deliver(&mut self, envelope: &Envelope, input: S::In) -> Result<Vec<S::Out>, S::Error> {
        let context = self.context(envelope);
        self.sequence += 1;
        self.stage.handle(&context, input).await
    }
}

/// An envelope as its publisher would make it, with a fresh event id.
#[must_use]
pub fn envelope<E: Event>(event: &E) -> Envelope {
    Envelope::wrap("/test", &uuid::Uuid::new_v4().to_string(), event).unwrap()
}

/// The lineage of a made-up upload of asset `asset` in org `acme`; the `sequence`th of its stream.
#[must_use]
pub fn lineage(asset: &str, sequence: u64) -> Lineage {
    let org: Org = "acme".parse().unwrap();
    let asset_id: AssetId = asset.parse().unwrap();
    let model: ModelName = "all-minilm-l6-v2".parse().unwrap();
    Lineage {
        upload: UploadId::new(&org, "/test", &format!("{asset}-{sequence}")),
        org,
        asset_id,
        order: Order::by_stream(1_790_000_000, sequence),
        position: Order::by_stream(1_790_000_000, sequence),
        lane: Lane::Interactive,
        model,
        replay: 0,
        accepted_at: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        title: None,
        source: None,
        traceparent: None,
        trail: Vec::new(),
    }
}
