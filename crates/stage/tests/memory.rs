//! The in-memory ledger and blobs keep the rules; acceptance is decided once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use heimdex_schemas::{AssetUploaded, Content, Envelope, Lane};
use heimdex_stage::memory::{MemoryBlobs, MemoryLedger};
use heimdex_stage::{AcceptError, BlobError, BlobRef, Blobs, Bucket, Context, Position, accept, conformance};
use tokio_util::sync::CancellationToken;

fn context(sequence: u64, event_id: &str) -> Context {
    let content = Content::Text("x".to_owned());
    let asset = AssetUploaded {
        asset_id: "a".parse().unwrap(),
        content,
        org: None,
        title: None,
        source: None,
        model: None,
        password: None,
    };
    Context {
        envelope: Envelope::wrap("/cms", event_id, &asset).unwrap(),
        org: "acme".parse().unwrap(),
        lane: Lane::Interactive,
        position: Position { epoch: 1, sequence, stored_at: DateTime::UNIX_EPOCH },
        blobs: Arc::new(MemoryBlobs::default()),
        ledger: Arc::new(MemoryLedger::default()),
        cancelled: CancellationToken::new(),
    }
}

#[tokio::test]
async fn memory_ledger_conforms() {
    conformance::ledger(&MemoryLedger::default(), "test").await.unwrap();
}

#[tokio::test]
async fn blobs_are_verified_on_read() {
    let blobs = MemoryBlobs::default();
    let blob = blobs.put(Bucket::Work, "acme/1/2", Bytes::from_static(b"text")).await.unwrap();
    assert_eq!(blobs.get(&blob, 4).await.unwrap(), "text");
    assert!(matches!(blobs.get(&blob, 3).await, Err(BlobError::TooLarge { .. })));
    let foreign = BlobRef { sha256: "0".repeat(64), ..blob.clone() };
    assert!(matches!(blobs.get(&foreign, 4).await, Err(BlobError::Corrupt { .. })));
    let absent = BlobRef { name: "acme/none".to_owned(), ..blob };
    assert!(matches!(blobs.get(&absent, 4).await, Err(BlobError::Missing(_))));
}

#[tokio::test]
async fn the_order_of_an_upload_is_fixed_at_first_sight() {
    let ctx = context(7, "1");
    let model = "m".parse().unwrap();
    let first = accept::accept(&ctx, &"a".parse().unwrap(), &model).await.unwrap();
    let again = Context { position: Position { epoch: 2, sequence: 900, ..ctx.position }, ..ctx.clone() };
    let second = accept::accept(&again, &"a".parse().unwrap(), &model).await.unwrap();
    assert_eq!(first, second, "a redelivery from a recreated stream is the same upload in the same order");
}

#[tokio::test]
async fn an_event_id_names_one_asset() {
    let ctx = context(7, "1");
    let model = "m".parse().unwrap();
    accept::accept(&ctx, &"a".parse().unwrap(), &model).await.unwrap();
    let reused = accept::accept(&ctx, &"b".parse().unwrap(), &model).await.unwrap_err();
    assert!(matches!(reused, AcceptError::Reused { .. }), "{reused}");
}

#[tokio::test]
async fn the_uploaders_sequence_decides_and_must_be_a_number() {
    let model = "m".parse().unwrap();
    let with = |sequence: &str, id: &str| {
        let ctx = context(7, id);
        Context { envelope: ctx.envelope.clone().with_extension("sequence", sequence), ..ctx }
    };
    let older = accept::accept(&with("9", "1"), &"a".parse().unwrap(), &model).await.unwrap();
    let newer = accept::accept(&with("10", "2"), &"a".parse().unwrap(), &model).await.unwrap();
    assert!(older.order < newer.order);
    let bad = accept::accept(&with("ten", "3"), &"a".parse().unwrap(), &model).await.unwrap_err();
    assert!(matches!(bad, AcceptError::Sequence(_)), "{bad}");
}
