//! A source's list against the index: what differs is found and mended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use heimdex_keeper::reconcile::{Action, Drift, Manifest, Reconciliation, Tally};
use heimdex_schemas::{AssetDeleted, AssetUploaded, ReceiptState, StageName};
use heimdex_stage::Bucket;
use support::{Scene, Upload, org};

fn reconciliation(scene: &Scene) -> Reconciliation {
    Reconciliation { bus: scene.bus.clone(), index: scene.index.clone(), org: org(), model: None }
}

/// An upload as the whole pipeline leaves it: accepted, kept, concluded, with `found` of its `points` in the index.
async fn indexed(scene: &Scene, upload: &Upload, points: u32, found: u32) {
    scene.extract(upload, true).await;
    scene.live(upload, found).await;
    scene.conclude(upload, ReceiptState::Indexed, points).await;
}

async fn drifted(scene: &Scene) -> Manifest {
    indexed(scene, &Upload::new("good", 3), 2, 2).await;
    indexed(scene, &Upload::new("lost", 1), 4, 0).await;
    indexed(scene, &Upload::new("torn", 1), 4, 3).await;
    indexed(scene, &Upload::new("old", 1), 1, 1).await;
    indexed(scene, &Upload::new("extra", 1), 2, 2).await;
    let failed = Upload::new("old", 2);
    scene.extract(&failed, true).await;
    scene.conclude(&failed, ReceiptState::Failed, 0).await;
    scene.bus.purge_stream("HEIMDEX_DOCUMENTS").await.unwrap();
    Manifest::parse("asset_id,version\ngood,3\nlost,1\ntorn,1\nold,2\nnever,1\n").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_drift_is_reported_and_nothing_is_touched() {
    let scene = Scene::start().await;
    let manifest = drifted(&scene).await;
    let report = reconciliation(&scene).compare(&manifest).await.unwrap();
    assert_eq!(report.drift, Tally { missing: 2, extra: 1, older_version: 1, incomplete: 1 });
    assert_eq!((report.listed, report.indexed), (5, 4));
    assert_eq!(scene.bus.stream_messages("HEIMDEX_ASSETS").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_publishes_what_will_mend_it() {
    let scene = Scene::start().await;
    let manifest = drifted(&scene).await;
    let (_, repairs) = reconciliation(&scene).repair(&manifest).await.unwrap();
    let action = |name: &str| &repairs.iter().find(|repair| repair.finding.asset_id.as_str() == name).unwrap().action;
    for (name, sequence) in [("lost", 1), ("torn", 1), ("old", 2)] {
        assert_eq!(*action(name), Action::Redriven { job: Upload::new(name, sequence).id() }, "{name}");
    }
    assert!(matches!(action("never"), Action::Nothing { .. }));
    assert!(matches!(action("extra"), Action::Deleted { .. }));

    let deletions = scene.take(StageName::Eraser).await;
    let deleted: Vec<AssetDeleted> = deletions.iter().map(|envelope| envelope.data_as().unwrap()).collect();
    assert_eq!(deleted.iter().map(|event| event.asset_id.as_str()).collect::<Vec<_>>(), ["extra"]);
    let uploads = scene.take(StageName::Extractor).await;
    let mut again: Vec<String> =
        uploads.iter().map(|envelope| envelope.data_as::<AssetUploaded>().unwrap().asset_id.to_string()).collect();
    again.sort();
    assert_eq!(again, ["lost", "old", "torn"]);
    assert!(uploads.iter().all(|envelope| envelope.replay() == 1));

    reconciliation(&scene).repair(&manifest).await.unwrap();
    assert_eq!(scene.take(StageName::Eraser).await.len(), 0, "the same deletion is one deletion");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_compared_where_the_source_knows_its_digest() {
    let scene = Scene::start().await;
    let upload = Upload::new("a", 1);
    indexed(&scene, &upload, 1, 1).await;
    let digest = heimdex_stage::BlobRef::of(Bucket::Work, "", upload.text.as_bytes()).sha256;
    let line = |sha256: &str| Manifest::parse(&format!("asset_id,sha256\na,{sha256}\n")).unwrap();
    let same = reconciliation(&scene).compare(&line(&digest)).await.unwrap();
    assert_eq!((same.findings.len(), same.unverified), (0, 0));
    let other = reconciliation(&scene).compare(&line(&"0".repeat(64))).await.unwrap();
    assert_eq!(other.findings[0].drift, Drift::OlderVersion);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_orgs_are_not_looked_at() {
    let scene = Scene::start().await;
    indexed(&scene, &Upload::new("a", 1), 1, 1).await;
    let elsewhere = Reconciliation { org: "other".parse().unwrap(), ..reconciliation(&scene) };
    let report = elsewhere.compare(&Manifest::parse("asset_id\nb\n").unwrap()).await.unwrap();
    assert_eq!((report.indexed, report.drift), (0, Tally { missing: 1, ..Tally::default() }));
}
