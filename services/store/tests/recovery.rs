//! Optimizations that fail, panic or outlast the process: the store serves on, says so, repairs itself and loses nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ::qdrant_client::qdrant::CollectionStatus;
use support::model::{Writers, check_all, info, is_optimizing, load, until};
use support::{Spawned, client, folder, redo_bytes};

const SETTINGS: [(&str, &str); 4] = [
    ("HEIMDEX_STORE_OPTIMIZE_EVERY_POINTS", "1000"),
    ("HEIMDEX_STORE_OPTIMIZER_THREADS", "1"),
    ("HEIMDEX_STORE_IDLE_MS", "50"),
    ("HEIMDEX_STORE_RETRY_MS", "300"),
];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&SETTINGS[..], more].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_optimization_that_panics_is_shown_and_tried_again() {
    let data = tempfile::tempdir().unwrap();
    let store = Spawned::start(data.path(), &SETTINGS);
    let model = load(&client(&store.address)).await;
    assert!(store.terminate());
    // What is wrong stays visible until the next try.
    let settings = [("HEIMDEX_FAILPOINTS", "store_optimization"), ("HEIMDEX_STORE_RETRY_MS", "3000")];
    let store = Spawned::start(data.path(), &with(&settings));
    let reader = client(&store.address);
    let mut writers = Writers::start(&store.address, &model, 1);
    let shown = loop {
        let shown = info(&reader).await.optimizer_status.unwrap_or_default().error;
        if !shown.is_empty() {
            break shown;
        }
        assert!(writers.acknowledge(1).await, "a write failed");
    };
    assert!(shown.contains("an optimization failed") && shown.contains("planned panic"), "{shown}");
    assert!(writers.acknowledge(50).await, "a write failed after the panic");
    writers.stop();
    let written = writers.ended().await;
    assert_eq!(until(&reader, CollectionStatus::Green).await, "");
    check_all(&reader, &written, "after the panic").await;
    assert!(info(&reader).await.indexed_vectors_count.unwrap_or_default() > 0, "the optimization was not tried again");
    store.kill();
    let store = Spawned::start(data.path(), &SETTINGS);
    check_all(&client(&store.address), &written, "restarted").await;
}

/// A file where the engine wants a folder for its work makes every optimization fail.
fn block(data: &Path) {
    let temp = folder(data).join("engine/temp_segments");
    if temp.is_dir() {
        fs::remove_dir_all(&temp).unwrap();
    }
    fs::write(temp, b"").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_optimization_that_fails_loses_no_delete_and_is_tried_again() {
    let data = tempfile::tempdir().unwrap();
    let store = Spawned::start(data.path(), &with(&[("HEIMDEX_STORE_OPTIMIZE_EVERY_POINTS", "1000000")]));
    let reader = client(&store.address);
    let model = load(&reader).await;
    until(&reader, CollectionStatus::Green).await;
    assert!(store.terminate());
    let store = Spawned::start(data.path(), &SETTINGS);
    let reader = client(&store.address);
    reader.health_check().await.unwrap();
    block(data.path());
    let mut writers = Writers::start(&store.address, &model, 2);
    let shown = loop {
        let shown = info(&reader).await.optimizer_status.unwrap_or_default().error;
        if !shown.is_empty() {
            break shown;
        }
        assert!(writers.acknowledge(1).await, "a write failed");
    };
    assert!(shown.contains("an optimization failed"), "{shown}");
    assert!(writers.acknowledge(50).await, "a write failed while optimizations fail");
    writers.stop();
    let written = writers.ended().await;
    check_all(&reader, &written, "while optimizations fail").await;
    fs::remove_file(folder(data.path()).join("engine/temp_segments")).unwrap();
    assert_eq!(until(&reader, CollectionStatus::Green).await, "");
    check_all(&reader, &written, "after one that succeeded").await;
    store.kill();
    let store = Spawned::start(data.path(), &SETTINGS);
    check_all(&client(&store.address), &written, "restarted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_an_optimization() {
    let data = tempfile::tempdir().unwrap();
    let hurried = with(&[("HEIMDEX_STORE_STOP_WAIT_MS", "0"), ("HEIMDEX_STORE_DRAIN_MS", "200")]);
    let mut store = Spawned::start(data.path(), &hurried);
    let mut model = load(&client(&store.address)).await;
    let mut cut_short = 0;
    for round in 0..3 {
        let reader = client(&store.address);
        let mut writers = Writers::start(&store.address, &model, 10 + round);
        writers.until_optimizing(&reader).await;
        writers.acknowledge(10).await;
        let optimizing = is_optimizing(&reader).await;
        drop(reader);
        let started = Instant::now();
        assert!(store.terminate(), "an orderly stop ends with success");
        let spent = started.elapsed();
        assert!(spent < Duration::from_secs(5), "the stop took {spent:?}");
        cut_short += u64::from(optimizing && redo_bytes(data.path()) > 0);
        let written = writers.ended().await;
        store = Spawned::start(data.path(), &hurried);
        model = check_all(&client(&store.address), &written, &format!("round {round}")).await;
    }
    assert!(cut_short > 0, "no stop met an optimization: nothing was tested");
}
