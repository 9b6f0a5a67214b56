//! What becomes of a deletion and of what it deletes, case by case, over a real store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use heimdex_index::State;
use heimdex_schemas::{AssetDeleted, AssetUploaded, Content, Envelope, Org, Receipt, ReceiptState, StageName};
use heimdex_stage::memory::MemoryLedger;
use heimdex_stage::{Blobs, Bucket, Class, Classify, Head, Stage, accept, head, origin};
use support::Brings::{Failure, Points as Some_};
use support::{Bench, Deletion, Faults, FlakyLedger, FlakyPoints, Store, Upload, of};

fn acme() -> Org {
    "acme".parse().unwrap()
}

fn prefix(upload: &Upload) -> String {
    let lineage = &upload.lineage;
    format!("{}/{}/{}", lineage.org, lineage.asset_id.hash(), lineage.upload)
}

async fn leave_blobs<P>(bench: &Bench<P>, upload: &Upload) {
    for bucket in [Bucket::Originals, Bucket::Work] {
        bench.blobs.put(bucket, &prefix(upload), Bytes::from_static(b"bytes")).await.unwrap();
    }
}

async fn blobs_of<P>(bench: &Bench<P>, upload: &Upload) -> usize {
    let mut found = 0;
    for bucket in [Bucket::Originals, Bucket::Work] {
        found += bench.blobs.list(bucket, &prefix(upload)).await.unwrap().len();
    }
    found
}

/// All points of the org, whatever their state.
async fn points(store: &Store, org: &Org) -> u64 {
    store.points(org).await.uploads(None).await.unwrap().iter().map(|stored| stored.points).sum()
}

fn deleted(receipt: &Receipt, by: Option<&Deletion>) {
    assert_eq!((receipt.state, receipt.chunks), (ReceiptState::Deleted, 0));
    assert_eq!(receipt.superseded_by, by.map(Deletion::job));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_removes_every_upload_and_proves_it() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let uploads = [1, 2].map(|n| Upload::new(&acme(), "a", n, &[Some_(2), Some_(1)]));
    for upload in &uploads {
        leave_blobs(&bench, upload).await;
        bench.deliver(upload).await;
    }
    let other = Upload::new(&acme(), "b", 1, &[Some_(4)]);
    leave_blobs(&bench, &other).await;
    bench.deliver(&other).await;

    let deletion = Deletion::of(&acme(), "a", 10);
    let receipts = bench.delete(&deletion).await;
    let own = of(&receipts, deletion.job());
    deleted(own, None);
    assert_eq!((own.removed, own.model.as_ref(), own.stages[0].stage), (6, None, StageName::Eraser));
    for (upload, version) in uploads.iter().zip([2, 1]) {
        let receipt = of(&receipts, upload.lineage.upload);
        deleted(receipt, Some(&deletion));
        assert_eq!(receipt.version, version, "indexed, superseded and deleted are three things");
        assert_eq!(blobs_of(&bench, upload).await, 0);
    }
    assert_eq!((points(&store, &acme()).await, blobs_of(&bench, &other).await), (4, 2), "the other asset is untouched");
    let head = head::key(&acme(), &"tiny".parse().unwrap(), &"a".parse().unwrap());
    assert!(bench.ledger.get(&head).await.unwrap().is_none());
    assert_eq!(bench.bin.0.lock().unwrap().as_slice(), [(acme(), deletion.asset.clone())]);
    assert_eq!(bench.delete(&deletion).await, receipts, "a redelivery says the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_again_or_what_never_was_is_fine() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let never = Deletion::of(&acme(), "a", 1);
    let receipts = bench.delete(&never).await;
    assert_eq!((receipts.len(), receipts[0].removed), (1, 0));
    deleted(&receipts[0], None);
    let upload = Upload::new(&acme(), "a", 2, &[Some_(2)]);
    bench.deliver(&upload).await;
    let [first, second] = [3, 4].map(|place| Deletion::of(&acme(), "a", place));
    assert_eq!(of(&bench.delete(&first).await, first.job()).removed, 2);
    let again = bench.delete(&second).await;
    assert_eq!((again.len(), again[0].removed), (1, 0), "the upload was deleted by the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_takes_what_is_older_and_nothing_newer() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let [old, late, new] = [3, 5, 8].map(|n| Upload::new(&acme(), "a", n, &[Some_(2)]));
    bench.deliver(&old).await;
    bench.deliver(&new).await;
    let deletion = Deletion::of(&acme(), "a", 4).sequence(6);
    let receipts = bench.delete(&deletion).await;
    deleted(of(&receipts, old.lineage.upload), Some(&deletion));
    assert_eq!(of(&receipts, deletion.job()).removed, 2);
    let too_late = bench.deliver(&late).await;
    deleted(of(&too_late, late.lineage.upload), Some(&deletion));
    assert_eq!(points(&store, &acme()).await, 2);
    let live = store.points(&acme()).await.count(new.lineage.upload, State::Live).await.unwrap();
    assert_eq!(live, 2);
    let after = Upload::new(&acme(), "a", 9, &[Some_(1)]);
    assert_eq!(of(&bench.deliver(&after).await, after.lineage.upload).state, ReceiptState::Indexed);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_in_flight_are_dropped_when_they_arrive() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let upload = Upload::new(&acme(), "a", 1, &[Some_(2), Failure, Some_(3)]);
    leave_blobs(&bench, &upload).await;
    assert!(bench.handle(upload.event(0)).await.unwrap().is_empty());
    let deletion = Deletion::of(&acme(), "a", 10);
    assert_eq!(of(&bench.delete(&deletion).await, deletion.job()).removed, 2);
    for part in [1, 2, 0] {
        let receipts = bench.handle(upload.event(part)).await.unwrap();
        deleted(of(&receipts, upload.lineage.upload), Some(&deletion));
        assert_eq!((receipts.len(), points(&store, &acme()).await), (1, 0));
    }
    assert_eq!(blobs_of(&bench, &upload).await, 0, "gone with the last part");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_still_before_the_writer_gets_its_receipt_with_the_deletion() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let asset = "a".parse().unwrap();
    let content = Content::Text("secret".to_owned());
    let event = AssetUploaded {
        asset_id: "a".parse().unwrap(),
        content,
        org: None,
        title: None,
        source: None,
        model: None,
        password: None,
    };
    let envelope = Envelope::wrap("/cms", "upload", &event).unwrap();
    let ctx = bench.context(envelope, &acme(), 5);
    let lineage = accept::accept(&ctx, &asset, &"tiny".parse().unwrap()).await.unwrap();
    origin::keep(&ctx, Some(&asset), lineage.upload, &event).await.unwrap();
    let deletion = Deletion::of(&acme(), "a", 10);
    let receipts = bench.delete(&deletion).await;
    deleted(of(&receipts, lineage.upload), Some(&deletion));
    assert!(bench.ledger.list("origin").await.unwrap().is_empty(), "the kept event holds the text");
    let upload = Upload { lineage, parts: vec![Some_(2)], warnings: Vec::new() };
    assert_eq!(bench.deliver(&upload).await, [of(&receipts, upload.lineage.upload).clone()], "the same receipt");
    assert_eq!(points(&store, &acme()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_takes_all_of_an_org_that_came_before_it() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let globex: Org = "globex".parse().unwrap();
    // The sequences of uploads say nothing to a purge.
    let before: Vec<Upload> =
        ["a", "b", "c"].map(|asset| Upload::new(&acme(), asset, 900, &[Some_(2)]).stored_at(3)).to_vec();
    let after = Upload::new(&acme(), "a", 1, &[Some_(3)]).stored_at(7);
    let foreign = Upload::new(&globex, "a", 1, &[Some_(1)]);
    for upload in before.iter().chain([&foreign]) {
        leave_blobs(&bench, upload).await;
        bench.deliver(upload).await;
    }
    let purge = Deletion::of_org(&acme(), 5);
    let receipts = bench.delete(&purge).await;
    assert_eq!((receipts.len(), of(&receipts, purge.job()).removed), (4, 6));
    assert_eq!(of(&receipts, purge.job()).asset_id, None);
    for upload in &before {
        deleted(of(&receipts, upload.lineage.upload), Some(&purge));
        assert_eq!(blobs_of(&bench, upload).await, 0);
    }
    assert_eq!((points(&store, &acme()).await, points(&store, &globex).await), (0, 1));
    assert_eq!(blobs_of(&bench, &foreign).await, 2);
    assert_eq!(of(&bench.deliver(&after).await, after.lineage.upload).state, ReceiptState::Indexed);
    let again = bench.delete(&purge).await;
    assert!(receipts.iter().all(|receipt| again.contains(receipt)), "a redelivery says the same");
    assert_eq!(of(&again, after.lineage.upload).state, ReceiptState::Indexed, "what came after stays");
    assert_eq!(points(&store, &acme()).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_deleted_one_had_replaced_comes_back() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let points = store.points(&acme()).await;
    // By its sequence the first is newer, by its place the second is: only the first came before the deletion.
    let first = Upload::new(&acme(), "a", 100, &[Some_(2)]).stored_at(10);
    let second = Upload::new(&acme(), "a", 50, &[Some_(3)]).stored_at(30);
    bench.deliver(&first).await;
    let replaced = bench.deliver(&second).await;
    assert_eq!(of(&replaced, second.lineage.upload).state, ReceiptState::Superseded);
    let deletion = Deletion::of(&acme(), "a", 20);
    let receipts = bench.delete(&deletion).await;
    let back = of(&receipts, second.lineage.upload);
    assert_eq!((back.state, back.version, back.chunks, back.superseded_by), (ReceiptState::Indexed, 1, 3, None));
    assert_eq!(points.count(second.lineage.upload, State::Live).await.unwrap(), 3);
    assert_eq!(bench.delete(&deletion).await, receipts);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_a_deleted_upload_took_for_older_ones_come_back_too() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let first = Upload::new(&acme(), "a", 100, &[Some_(2)]).stored_at(10);
    let second = Upload::new(&acme(), "a", 50, &[Some_(3), Some_(1)]).stored_at(30);
    // The first becomes head while the second is half written, and retires that half.
    assert!(bench.handle(second.event(0)).await.unwrap().is_empty());
    bench.deliver(&first).await;
    bench.delete(&Deletion::of(&acme(), "a", 20)).await;
    let receipts = bench.handle(second.event(1)).await.unwrap();
    let receipt = of(&receipts, second.lineage.upload);
    assert_eq!((receipt.state, receipt.chunks), (ReceiptState::Indexed, 4));
    let live = store.points(&acme()).await.count(second.lineage.upload, State::Live).await.unwrap();
    assert_eq!(live, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_collection_is_searched_for_what_is_to_go() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    for (n, model) in [(1, "tiny"), (2, "other")] {
        let mut upload = Upload::new(&acme(), "a", n, &[Some_(2)]);
        upload.lineage.model = model.parse().unwrap();
        bench.deliver(&upload).await;
    }
    let deletion = Deletion::of(&acme(), "a", 10);
    let receipts = bench.delete(&deletion).await;
    assert_eq!((receipts.len(), of(&receipts, deletion.job()).removed), (3, 4));
    assert!(bench.ledger.list("head").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_a_newer_upload_that_failed_are_kept() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    bench.deliver(&Upload::new(&acme(), "a", 1, &[Some_(1)])).await;
    bench.deliver(&Upload::new(&acme(), "b", 1, &[Some_(1)])).await;
    bench.deliver(&Upload::new(&acme(), "a", 9, &[Failure])).await;
    bench.delete(&Deletion::of(&acme(), "a", 5).sequence(5)).await;
    assert!(bench.bin.0.lock().unwrap().is_empty());
    bench.delete(&Deletion::of_org(&acme(), 6)).await;
    assert_eq!(bench.bin.0.lock().unwrap().as_slice(), [(acme(), Some("b".parse().unwrap()))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_counted_once_whatever_call_fails() {
    let store = Store::start().await;
    let mut struck = 0;
    for call in 0..60 {
        for after in [false, true] {
            let org: Org = format!("org-{call}-{after}").parse().unwrap();
            let ledger = Arc::new(MemoryLedger::default());
            let calm = Bench::over(store.index.clone(), ledger.clone());
            for n in [1, 2] {
                calm.deliver(&Upload::new(&org, "a", n, &[Some_(3)])).await;
            }
            let faults = Faults::planned(BTreeMap::from([(call, after)]));
            drop(calm);
            let ledger = FlakyLedger(Arc::into_inner(ledger).unwrap(), Arc::clone(&faults));
            let bench = Bench::over(FlakyPoints(store.index.clone(), Arc::clone(&faults)), Arc::new(ledger));
            let deletion = Deletion::of(&org, "a", 10);
            let receipts = match bench.try_delete(&deletion).await {
                Ok(receipts) => receipts,
                Err(_) => bench.delete(&deletion).await,
            };
            let own = of(&receipts, deletion.job());
            assert_eq!((own.removed, own.chunks, receipts.len()), (6, 0, 3), "call {call} failed, after: {after}");
            assert_eq!(points(&store, &org).await, 0);
            struck += faults.struck.load(std::sync::atomic::Ordering::SeqCst);
        }
    }
    assert!(struck > 40, "only {struck} calls failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_contract_is_permanent() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let event = AssetDeleted { asset_id: "a".parse().unwrap(), org: Some("globex".parse().unwrap()), reason: None };
    let envelope = Envelope::wrap("/cms", "1", &event).unwrap();
    let foreign = bench.eraser.handle(&bench.context(envelope.clone(), &acme(), 1), event.clone()).await.unwrap_err();
    let event = AssetDeleted { org: None, ..event };
    let odd = envelope.clone().with_extension("sequence", "last");
    let odd = bench.eraser.handle(&bench.context(odd, &acme(), 1), event.clone()).await.unwrap_err();
    bench.eraser.handle(&bench.context(envelope.clone(), &acme(), 1), event.clone()).await.unwrap();
    let other = AssetDeleted { asset_id: "b".parse().unwrap(), ..event };
    let reused = bench.eraser.handle(&bench.context(envelope, &acme(), 2), other).await.unwrap_err();
    for (refused, code) in [(foreign, "org_mismatch"), (odd, "bad_sequence"), (reused, "event_id_reused")] {
        assert_eq!((refused.class(), refused.code()), (Class::Permanent, code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_says_where_its_upload_is() {
    let store = Store::start().await;
    let bench = Bench::new(&store);
    let upload = Upload::new(&acme(), "a", 1, &[Some_(1)]);
    bench.deliver(&upload).await;
    let key = head::key(&acme(), &upload.lineage.model, &upload.lineage.asset_id);
    let (_, value) = bench.ledger.get(&key).await.unwrap().unwrap();
    let head: Head = serde_json::from_slice(&value).unwrap();
    let expected = Head {
        upload: upload.lineage.upload,
        order: upload.lineage.order,
        position: upload.lineage.position,
        space: support::SPACE.to_owned(),
        dimension: 2,
    };
    assert_eq!(head, expected);
}
