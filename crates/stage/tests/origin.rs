//! An uploader's event is kept as it was, and comes back as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use heimdex_schemas::{AssetUploaded, Content, Envelope, Lane, UploadId};
use heimdex_stage::memory::{MemoryBlobs, MemoryLedger};
use heimdex_stage::{BlobError, Bucket, Context, OriginError, Position, origin};
use tokio_util::sync::CancellationToken;

fn event(text: String) -> AssetUploaded {
    let content = Content::Text(text);
    AssetUploaded {
        asset_id: "a b".parse().unwrap(),
        content,
        org: None,
        title: None,
        source: None,
        model: None,
        password: None,
    }
}

/// As a stage sees it: attributes without data, and what a claim check or an operator added.
fn context(event: &AssetUploaded) -> (Context, Envelope, UploadId) {
    let sent = Envelope::wrap("/cms", "id 1", event).unwrap().with_extension("sequence", "7");
    let seen = sent.clone().with_data(Bytes::new()).with_extension("dataref", "nats-object://X/y");
    let org = "acme".parse().unwrap();
    let upload = UploadId::new(&org, "/cms", "id 1");
    let context = Context {
        envelope: seen.with_extension("heimdexreplay", "3"),
        org,
        lane: Lane::Bulk,
        position: Position { epoch: 1, sequence: 2, stored_at: DateTime::UNIX_EPOCH },
        blobs: Arc::new(MemoryBlobs::default()),
        ledger: Arc::new(MemoryLedger::default()),
        cancelled: CancellationToken::new(),
    };
    (context, sent, upload)
}

#[tokio::test]
async fn small_and_large_events_come_back_as_they_were() {
    for length in [10, origin::INLINE_BYTES + 1] {
        let event = event("x".repeat(length));
        let (ctx, sent, upload) = context(&event);
        let asset = Some(&event.asset_id);
        for _ in 0..2 {
            origin::keep(&ctx, asset, upload, &event).await.expect("twice is once");
        }
        let kept = origin::find(ctx.ledger.as_ref(), &ctx.org, asset, upload).await.unwrap().unwrap();
        assert_eq!(kept.blob().is_some(), length > origin::INLINE_BYTES);
        let found = kept.envelope(ctx.blobs.as_ref(), u64::MAX).await.unwrap();
        assert_eq!(found, sent, "without what belonged to the message alone");
        assert_eq!(ctx.ledger.list(&origin::prefix(&ctx.org, asset)).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_is_gone_is_told_apart_from_what_was_never_kept() {
    let event = event("x".repeat(origin::INLINE_BYTES));
    let (ctx, _, upload) = context(&event);
    let asset = Some(&event.asset_id);
    assert!(origin::find(ctx.ledger.as_ref(), &ctx.org, asset, upload).await.unwrap().is_none());
    origin::keep(&ctx, asset, upload, &event).await.unwrap();
    let kept = origin::find(ctx.ledger.as_ref(), &ctx.org, asset, upload).await.unwrap().unwrap();
    ctx.blobs.delete(Bucket::Originals, &kept.blob().unwrap().name).await.unwrap();
    let gone = kept.envelope(ctx.blobs.as_ref(), u64::MAX).await.unwrap_err();
    assert!(matches!(gone, OriginError::Blob(BlobError::Missing(_))), "{gone}");
}
