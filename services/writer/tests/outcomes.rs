//! What becomes of an upload, case by case, over a real store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use heimdex_index::{Index, IndexError, State, Version};
use heimdex_schemas::{
    AssetId, DocumentFacts, Lineage, Org, Outcome, Receipt, ReceiptState, UploadId, Vectors, Warning,
};
use heimdex_stage::memory::MemoryLedger;
use heimdex_stage::{Class, Classify};
use heimdex_writer::{Place, Points, Writer, WriterError};
use support::Brings::{Failure, Points as Some_, PointsButOne};
use support::{Bench, Store, Upload, failure};
use tokio::sync::Notify;

fn acme() -> Org {
    "acme".parse().unwrap()
}

fn only(receipts: &[Receipt]) -> &Receipt {
    assert_eq!(receipts.len(), 1, "one receipt");
    &receipts[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_part_makes_the_document_searchable_at_once() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let upload = Upload::new(&acme(), "a", 1, &[Some_(2), Some_(3)]);
    let points = store.points(&acme()).await;
    assert!(bench.handle(upload.event(1)).await.unwrap().is_empty());
    assert_eq!(points.count_all(State::Live).await.unwrap(), 0);
    let receipts = bench.handle(upload.event(0)).await.unwrap();
    let receipt = only(&receipts);
    assert_eq!((receipt.state, receipt.chunks, receipt.version), (ReceiptState::Indexed, 5, 0));
    assert_eq!((receipt.pages, receipt.format.as_deref(), receipt.language.as_deref()), (3, Some("pdf"), Some("en")));
    assert_eq!(points.count(upload.lineage.upload, State::Live).await.unwrap(), 5);
    for part in [0, 1, 0] {
        assert_eq!(bench.handle(upload.event(part)).await.unwrap(), receipts, "a redelivery says the same again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_upload_replaces_and_an_older_one_is_superseded() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let points = store.points(&acme()).await;
    let [first, second, third] = [1, 2, 3].map(|n| Upload::new(&acme(), "a", n, &[Some_(2), Some_(1)]));
    let early = bench.deliver(&first).await;
    assert_eq!(only(&bench.deliver(&third).await).state, ReceiptState::Indexed);
    let late = bench.deliver(&second).await;
    assert_eq!((only(&late).state, only(&late).chunks), (ReceiptState::Superseded, 0));
    assert_eq!(only(&late).superseded_by, Some(third.lineage.upload));
    assert_eq!(points.count_all(State::Live).await.unwrap(), 3);
    assert_eq!(points.count(third.lineage.upload, State::Live).await.unwrap(), 3);
    assert_eq!(points.count_all(State::Staged).await.unwrap(), 0);
    assert_eq!(bench.handle(first.event(0)).await.unwrap(), early, "what was indexed then was indexed then");
    assert_eq!(points.count(third.lineage.upload, State::Live).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upload_leaves_the_old_version_in_place() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let points = store.points(&acme()).await;
    let good = Upload::new(&acme(), "a", 1, &[Some_(2)]);
    bench.deliver(&good).await;
    for (sequence, parts) in [(2, vec![Failure]), (3, vec![PointsButOne(0)]), (4, vec![Failure, PointsButOne(0)])] {
        let receipts = bench.deliver(&Upload::new(&acme(), "a", sequence, &parts)).await;
        let receipt = only(&receipts);
        assert_eq!((receipt.state, receipt.chunks), (ReceiptState::Failed, 0), "{parts:?}");
        assert!(!receipt.failures.is_empty() || !receipt.missing.is_empty());
    }
    assert_eq!(points.count(good.lineage.upload, State::Live).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_listed_and_the_rest_is_searchable() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let receipts = bench.deliver(&Upload::new(&acme(), "a", 1, &[Some_(2), Failure, PointsButOne(1)])).await;
    let receipt = only(&receipts);
    assert_eq!((receipt.state, receipt.chunks), (ReceiptState::Degraded, 3));
    assert_eq!((receipt.missing.len(), receipt.failures.as_slice()), (1, [failure("poison")].as_slice()));
    assert_eq!(store.points(&acme()).await.count_all(State::Live).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_document_replaces_its_old_text_with_nothing_and_says_so() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    bench.deliver(&Upload::new(&acme(), "a", 1, &[Some_(2)])).await;
    let mut scan = Upload::new(&acme(), "a", 2, &[Some_(0)]);
    let message = "page 1 has no text".to_owned();
    scan.warnings = vec![Warning { code: "needs_ocr".to_owned(), message, pages: vec![1] }];
    let receipts = bench.deliver(&scan).await;
    assert_eq!((only(&receipts).state, only(&receipts).chunks), (ReceiptState::Degraded, 0));
    assert_eq!(store.points(&acme()).await.count_all(State::Live).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replaying_a_dead_part_makes_the_next_receipt() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let broken = Upload::new(&acme(), "a", 1, &[Some_(2), Failure]);
    let degraded = bench.deliver(&broken).await;
    assert_eq!((only(&degraded).state, only(&degraded).version), (ReceiptState::Degraded, 0));
    let mut mended = Upload::new(&acme(), "a", 1, &[Some_(2), Some_(4)]);
    mended.lineage.replay = 1;
    let indexed = bench.handle(mended.event(1)).await.unwrap();
    let receipt = only(&indexed);
    assert_eq!((receipt.state, receipt.version, receipt.chunks), (ReceiptState::Indexed, 1, 6));
    assert_eq!(bench.handle(broken.event(1)).await.unwrap(), indexed, "the old failure takes nothing back");
    assert_eq!(store.points(&acme()).await.count_all(State::Live).await.unwrap(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_knew_of_one_part_waits_for_the_real_ones() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let upload = Upload::new(&acme(), "a", 1, &[Some_(1), Some_(1), Some_(1)]);
    let mut early = upload.event(0);
    (early.parts, early.document, early.outcome) = (1, None, Outcome::Failed(failure("poison")));
    assert!(bench.handle(upload.event(1)).await.unwrap().is_empty());
    assert!(bench.handle(early).await.unwrap().is_empty(), "two more parts are known to exist");
    assert!(bench.handle(upload.event(0)).await.unwrap().is_empty());
    let receipts = bench.handle(upload.event(2)).await.unwrap();
    assert_eq!((only(&receipts).state, only(&receipts).chunks), (ReceiptState::Indexed, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_contract_is_permanent() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let upload = Upload::new(&acme(), "a", 1, &[Some_(1)]);
    let mut beyond = upload.event(0);
    beyond.part = 1;
    let mut unknown = upload.event(0);
    unknown.document = None;
    let mut forged = upload.event(0);
    if let Outcome::Embedded(vectors) = &mut forged.outcome {
        vectors.chunks[0].chunk.ordinal = 8;
    }
    for (event, code) in [(beyond, "bad_part"), (unknown, "document_missing"), (forged, "point_id_mismatch")] {
        let refused: WriterError = bench.handle(event).await.unwrap_err();
        assert_eq!((refused.class(), refused.code()), (Class::Permanent, code));
    }
}

/// Holds one upload's flip until told to go on.
struct Sleeper(Arc<Gate>);

struct Gate {
    index: Index,
    held: UploadId,
    arrived: Notify,
    go_on: Notify,
}

#[async_trait]
impl Points for Sleeper {
    async fn stage(&self, p: &Place, l: &Lineage, f: &DocumentFacts, v: &Vectors) -> Result<u32, IndexError> {
        self.0.index.stage(p, l, f, v).await
    }

    async fn make_live(&self, place: &Place, upload: UploadId) -> Result<(), IndexError> {
        if upload == self.0.held {
            self.0.arrived.notify_one();
            self.0.go_on.notified().await;
        }
        self.0.index.make_live(place, upload).await
    }

    async fn retire_older(&self, place: &Place, asset: &AssetId, newest: Version) -> Result<(), IndexError> {
        self.0.index.retire_older(place, asset, newest).await
    }

    async fn count_live(&self, place: &Place, upload: UploadId) -> Result<u64, IndexError> {
        self.0.index.count_live(place, upload).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_slept_between_its_decision_and_its_flip_does_no_harm() {
    let store = Store::start().await;
    let points = store.points(&acme()).await;
    let [old, new] = [1, 2].map(|n| Upload::new(&acme(), "a", n, &[Some_(2)]));
    let gate =
        Gate { index: store.index.clone(), held: old.lineage.upload, arrived: Notify::new(), go_on: Notify::new() };
    let gate = Arc::new(gate);
    let ledger = Arc::new(MemoryLedger::default());
    let sleeper = Bench { writer: Writer::new(Sleeper(Arc::clone(&gate))), ledger: ledger.clone() };
    let awake = Bench { writer: Writer::new(store.index.clone()), ledger };
    let event = old.event(0);
    let asleep = tokio::spawn(async move { sleeper.handle(event).await });
    gate.arrived.notified().await;
    assert_eq!(only(&awake.deliver(&new).await).state, ReceiptState::Indexed);
    gate.go_on.notify_one();
    let late = asleep.await.unwrap().unwrap();
    assert_eq!((only(&late).state, only(&late).superseded_by), (ReceiptState::Superseded, Some(new.lineage.upload)));
    assert_eq!(points.count(new.lineage.upload, State::Live).await.unwrap(), 2);
    assert_eq!(points.count_all(State::Live).await.unwrap(), 2);
}
