//! The ledger is tidied of what nobody asks for again, and of nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use heimdex_keeper::Settings;
use heimdex_keeper::records::Tidier;
use heimdex_schemas::{Lane, ReceiptState};
use heimdex_stage::{Ledger as _, done, origin, tombstone};
use serde_json::json;
use support::{MODEL, Scene, Upload, org, settings};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn tidy(scene: &Scene, settings: Settings) {
    Tidier::default().round(&scene.desk(settings).await).await.unwrap();
}

/// All that the ledger has of an upload.
async fn all_records(scene: &Scene, upload: &Upload, state: Option<ReceiptState>) -> Vec<String> {
    let id = upload.id();
    let kept = origin::key(&org(), Some(&upload.asset), id);
    let mut keys = vec![format!("accepted.{id}"), format!("part.{id}.{MODEL}.0"), kept];
    scene.put(&keys[0], &upload.acceptance()).await;
    scene.put(&keys[1], &json!({"parts": 1, "replay": 0, "outcome": {"written": {}}})).await;
    scene.put(&keys[2], &json!({"headers": [], "data": {"json": "{}"}})).await;
    if let Some(state) = state {
        keys.push(done::key(&scene.conclude(upload, state, 1).await));
    }
    keys
}

async fn left(scene: &Scene, keys: &[String]) -> Vec<String> {
    let mut left = Vec::new();
    for key in keys {
        if scene.has(key).await {
            left.push(key.split('.').next().unwrap().to_owned());
        }
    }
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_have_left_go_and_current_ones_keep_what_they_need() {
    let scene = Scene::start().await;
    let mut uploads = Vec::new();
    for (name, state) in [
        ("open", None),
        ("indexed", Some(ReceiptState::Indexed)),
        ("superseded", Some(ReceiptState::Superseded)),
        ("deleted", Some(ReceiptState::Deleted)),
        ("failed", Some(ReceiptState::Failed)),
    ] {
        uploads.push((name, all_records(&scene, &Upload::new(name, 1), state).await));
    }
    let patient = Settings { keep_parts: DAY, keep_originals: DAY, keep_records: DAY, ..settings() };
    tidy(&scene, patient).await;
    for (name, keys) in &uploads {
        assert_eq!(left(&scene, keys).await.len(), keys.len(), "{name}: nothing is due");
    }
    // What dead letters need goes first, what answers for the past much later.
    tidy(&scene, Settings { keep_records: DAY, ..settings() }).await;
    let expected = |name: &str| match name {
        "open" => vec!["accepted", "part", "origin"],
        "indexed" => vec!["accepted", "origin", "done"],
        _ => vec!["accepted", "done"],
    };
    for (name, keys) in &uploads {
        assert_eq!(left(&scene, keys).await, expected(name), "{name}");
    }
    tidy(&scene, settings()).await;
    for (name, keys) in &uploads {
        let expected = if ["open", "indexed"].contains(name) { expected(name) } else { vec![] };
        assert_eq!(left(&scene, keys).await, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_goes_with_its_message() {
    let scene = Scene::start().await;
    let sent = scene.bus.publisher().publish_asset(&org(), Lane::Interactive, Upload::new("a", 1).envelope()).await;
    let epoch = scene.bus.stream_epoch("HEIMDEX_ASSETS").await.unwrap();
    let sequence = sent.unwrap().sequence;
    let keys = [
        format!("attempt.extractor.{epoch}-{sequence}"),
        format!("attempt.extractor.{epoch}-{}", sequence + 1),
        format!("attempt.extractor.{}-{sequence}", epoch - 1),
        format!("attempt.chunker.{epoch}-{sequence}"),
    ];
    for key in &keys {
        scene.put(key, &json!({"accounted": 1})).await;
    }
    tidy(&scene, Settings { keep_attempts: DAY, ..settings() }).await;
    assert_eq!(left(&scene, &keys).await.len(), 4);
    tidy(&scene, settings()).await;
    assert!(scene.has(&keys[0]).await, "its message is still in the queue");
    assert_eq!(left(&scene, &keys).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_stay() {
    let scene = Scene::start().await;
    let key = tombstone::key(&org(), Some(&Upload::new("a", 1).asset));
    scene.put(&key, &json!({})).await;
    tidy(&scene, settings()).await;
    assert!(scene.has(&key).await);
}

/// A record that is written anew between the look and the deletion stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_changed_meanwhile_stays() {
    let scene = Scene::start().await;
    let ledger = scene.bus.ledger();
    let seen = scene.put("attempt.extractor.1-1", &json!({"accounted": 1})).await;
    let again = ledger.compare_and_set("attempt.extractor.1-1", seen, "{}".into()).await.unwrap();
    assert!(!ledger.delete("attempt.extractor.1-1", seen).await.unwrap());
    assert!(ledger.delete("attempt.extractor.1-1", again.unwrap()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_removes_nothing() {
    let scene = Scene::start().await;
    let keys = all_records(&scene, &Upload::new("a", 1), Some(ReceiptState::Deleted)).await;
    tidy(&scene, Settings { dry_run: true, ..settings() }).await;
    assert_eq!(left(&scene, &keys).await.len(), keys.len());
}
