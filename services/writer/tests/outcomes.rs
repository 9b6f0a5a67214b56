//! What becomes of an upload, case by case, over a real store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use heimdex_index::{Index, IndexError, Space, State, StoredUpload, Version};
use heimdex_schemas::{
    AssetId, DocumentFacts, Lineage, Org, Outcome, Receipt, ReceiptState, StageName, StageTime, UploadId, Vectors,
    Warning,
};
use heimdex_stage::memory::MemoryLedger;
use heimdex_stage::{Class, Classify};
use heimdex_writer::{Place, Points, WriterError};
use support::Brings::{Failure, Points as Some_, PointsButOne};
use support::{Bench, Store, Upload, failure, of};
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
async fn a_receipt_adds_up_what_its_parts_say() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let upload = Upload::new(&acme(), "a", 1, &[Some_(2), Some_(3)]);
    let mut receipts = Vec::new();
    for (part, reused) in [(0, 1), (1, 2)] {
        let mut event = upload.event(part);
        let Outcome::Embedded(vectors) = &mut event.outcome else { panic!("points") };
        vectors.reused = reused;
        event.lineage.trail =
            vec![passed(StageName::Extractor, 5), passed(StageName::Embedder, 10 + i64::from(reused))];
        receipts = bench.handle(event).await.unwrap();
    }
    let receipt = only(&receipts);
    assert_eq!((receipt.reused, receipt.truncated_tokens, receipt.removed), (3, 0, 0));
    let stages: Vec<_> = receipt.stages.iter().map(|time| (time.stage, time.messages)).collect();
    assert_eq!(stages, [(StageName::Extractor, 1), (StageName::Embedder, 2), (StageName::Writer, 2)]);
    let embedder = &receipt.stages[1];
    assert_eq!((embedder.queued_at.timestamp(), embedder.finished_at.timestamp()), (11, 14));
    assert_eq!(bench.handle(upload.event(1)).await.unwrap(), receipts, "a redelivery adds nothing");
}

/// A stage that had a message in hand two seconds after it was queued `at`, counted from the epoch.
fn passed(stage: StageName, at: i64) -> StageTime {
    let second = |n| DateTime::from_timestamp(n, 0).unwrap();
    StageTime { stage, queued_at: second(at), started_at: second(at + 1), finished_at: second(at + 2), messages: 1 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_upload_replaces_and_an_older_one_is_superseded() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let points = store.points(&acme()).await;
    let [first, second, third] = [1, 2, 3].map(|n| Upload::new(&acme(), "a", n, &[Some_(2), Some_(1)]));
    assert_eq!(only(&bench.deliver(&first).await).state, ReceiptState::Indexed);
    let both = bench.deliver(&third).await;
    assert_eq!(of(&both, third.lineage.upload).state, ReceiptState::Indexed);
    let replaced = of(&both, first.lineage.upload);
    assert_eq!((replaced.state, replaced.version, replaced.chunks), (ReceiptState::Superseded, 1, 0));
    assert_eq!(replaced.superseded_by, Some(third.lineage.upload));
    let late = bench.deliver(&second).await;
    assert_eq!((only(&late).state, only(&late).chunks), (ReceiptState::Superseded, 0));
    assert_eq!(only(&late).superseded_by, Some(third.lineage.upload));
    assert_eq!(points.count_all(State::Live).await.unwrap(), 3);
    assert_eq!(points.count(third.lineage.upload, State::Live).await.unwrap(), 3);
    assert_eq!(points.count_all(State::Staged).await.unwrap(), 0);
    assert_eq!(only(&bench.handle(first.event(0)).await.unwrap()), replaced, "a redelivery does not bring it back");
    let again = bench.handle(third.event(0)).await.unwrap();
    let mut all = both.iter().chain(&late);
    assert!(again.len() == 3 && all.all(|receipt| again.contains(receipt)), "it tells of what it replaced, too");
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
    let points = store.points(&acme()).await;
    assert_eq!(points.count_all(State::Live).await.unwrap(), 3);
    let missing = receipt.missing[0].ordinal;
    let stored = points.audit().await.unwrap();
    assert!(stored.iter().all(|found| found.point.document.ordinal != missing), "exactly the chunk that is not there");
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
    let receipt = of(&receipts, scan.lineage.upload);
    assert_eq!((receipt.state, receipt.chunks), (ReceiptState::Degraded, 0));
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
#[derive(Clone)]
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

    async fn revive(&self, place: &Place, upload: UploadId) -> Result<(), IndexError> {
        self.0.index.revive(place, upload).await
    }

    async fn count_live(&self, place: &Place, upload: UploadId) -> Result<u64, IndexError> {
        self.0.index.count_live(place, upload).await
    }

    async fn spaces(&self) -> Result<Vec<Space>, IndexError> {
        self.0.index.spaces().await
    }

    async fn uploads(&self, place: &Place, asset: Option<&AssetId>) -> Result<Vec<StoredUpload>, IndexError> {
        self.0.index.uploads(place, asset).await
    }

    async fn remove(&self, place: &Place, uploads: &[UploadId]) -> Result<(), IndexError> {
        self.0.index.remove(place, uploads).await
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
    let sleeper = Bench::over(Sleeper(Arc::clone(&gate)), ledger.clone());
    let awake = Bench::over(store.index.clone(), ledger);
    let event = old.event(0);
    let asleep = tokio::spawn(async move { sleeper.handle(event).await });
    gate.arrived.notified().await;
    assert_eq!(of(&awake.deliver(&new).await, new.lineage.upload).state, ReceiptState::Indexed);
    gate.go_on.notify_one();
    let late = asleep.await.unwrap().unwrap();
    assert_eq!((only(&late).state, only(&late).superseded_by), (ReceiptState::Superseded, Some(new.lineage.upload)));
    assert_eq!(points.count(new.lineage.upload, State::Live).await.unwrap(), 2);
    assert_eq!(points.count_all(State::Live).await.unwrap(), 2);
}
