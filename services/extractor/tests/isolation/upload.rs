//! An upload as the stage meets it, with blobs and a ledger in memory.

use std::sync::Arc;

use chrono::Utc;
use heimdex_schemas::{AssetUploaded, Content, Envelope, Lane};
use heimdex_stage::memory::{MemoryBlobs, MemoryLedger};
use heimdex_stage::{Context, Position};

pub fn context(event: &AssetUploaded) -> Context {
    Context {
        envelope: Envelope::wrap("urn:test:uploader", "event-1", event).unwrap(),
        org: "acme".parse().unwrap(),
        lane: Lane::Interactive,
        position: Position { epoch: 1, sequence: 1, stored_at: Utc::now() },
        blobs: Arc::new(MemoryBlobs::default()),
        ledger: Arc::new(MemoryLedger::default()),
        cancelled: tokio_util::sync::CancellationToken::new(),
    }
}

pub fn upload(content: Content) -> AssetUploaded {
    let asset_id = "handbook".parse().unwrap();
    AssetUploaded {
        asset_id,
        content,
        org: None,
        title: None,
        source: Some("handbook.pdf".to_owned()),
        model: None,
        password: None,
    }
}
