//! The promise of the redo log: the program is killed while an optimization runs and acknowledged writes stream in;
//! after the restart the collection is exactly what was acknowledged. The request in flight may have happened or not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ::qdrant_client::Qdrant;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use support::model::{Model, Writers, check_all, info, is_optimizing, load};
use support::{Spawned, client, folder, redo_bytes};

const ROUNDS: u64 = 4;
const DUPLICATING_ROUNDS: u64 = 3;
const SETTINGS: [(&str, &str); 4] = [
    ("HEIMDEX_STORE_OPTIMIZE_EVERY_POINTS", "1000"),
    ("HEIMDEX_STORE_OPTIMIZER_THREADS", "1"),
    ("HEIMDEX_STORE_IDLE_MS", "50"),
    ("HEIMDEX_STORE_REDO_SEGMENT_BYTES", "4000000"),
];
/// Checkpoints come often, most of them beside an optimization.
const BESIDE: [(&str, &str); 2] =
    [("HEIMDEX_STORE_REDO_SEGMENT_BYTES", "30000"), ("HEIMDEX_LOG", "info,heimdex_store=debug,qdrant_edge=error")];

fn seed() -> u64 {
    let seed = std::env::var("HEIMDEX_STORE_CRASH_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("seed {seed}");
    seed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_an_optimization_loses_nothing_acknowledged() {
    let seed = seed();
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("log");
    let settings = |round| if round % 2 == 0 { SETTINGS.to_vec() } else { [&SETTINGS[..], &BESIDE].concat() };
    let mut store = Spawned::start_logged(data.path(), &settings(0), &log);
    let mut model = load(&client(&store.address)).await;
    let (mut killed_while_optimizing, mut cut_beside) = (0, 0);
    for round in 0..ROUNDS {
        let reader = client(&store.address);
        let mut writers = Writers::start(&store.address, &model, seed + round);
        writers.until_optimizing(&reader).await;
        let cuts = || fs::read_to_string(&log).unwrap().matches(" checkpoint ").count();
        let before = cuts();
        writers.acknowledge(StdRng::seed_from_u64(seed + round).random_range(20..150)).await;
        let optimizing = is_optimizing(&reader).await;
        killed_while_optimizing += u64::from(optimizing);
        cut_beside += u64::from(optimizing && cuts() > before + 1);
        store.kill();
        let written = writers.ended().await;
        store = Spawned::start_logged(data.path(), &settings(round + 1), &log);
        model = check_all(&client(&store.address), &written, &format!("round {round}")).await;
    }
    assert!(killed_while_optimizing > 0, "no kill hit an optimization: nothing was tested");
    assert!(cut_beside > 0, "no log was cut while an optimization ran: nothing was tested");
    assert!(store.terminate());
}

/// The folders of the segments of the only collection.
fn segments(data: &Path) -> BTreeSet<PathBuf> {
    let segments = fs::read_dir(folder(data).join("engine/segments")).unwrap();
    segments.map(|entry| entry.unwrap().path()).collect()
}

/// Waits for the moment in which an optimized segment has arrived and those that it replaces are still there.
async fn arrival(data: &Path, writers: &mut Writers, reader: &Qdrant) {
    writers.until_optimizing(reader).await;
    writers.acknowledge(1).await;
    let before = segments(data);
    while is_optimizing(reader).await && segments(data).is_subset(&before) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_that_leaves_points_twice_is_repaired_at_the_start() {
    let seed = seed();
    let data = tempfile::tempdir().unwrap();
    let mut store = Spawned::start(data.path(), &SETTINGS);
    let mut model = load(&client(&store.address)).await;
    let mut repaired = 0;
    for round in 0..DUPLICATING_ROUNDS {
        let reader = client(&store.address);
        let mut writers = Writers::start(&store.address, &model, 100 * seed + round);
        arrival(data.path(), &mut writers, &reader).await;
        store.kill();
        let written = writers.ended().await;
        let log = data.path().join(format!("log-{round}"));
        store = Spawned::start_logged(data.path(), &SETTINGS, &log);
        model = check_all(&client(&store.address), &written, &format!("round {round}")).await;
        repaired += u64::from(fs::read_to_string(log).unwrap().contains("stored points again"));
    }
    assert!(repaired > 0, "no kill left a point twice: nothing was tested");
    assert!(store.terminate());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_segment_twice_is_repaired_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    let store = Spawned::start(data.path(), &SETTINGS);
    let model = load(&client(&store.address)).await;
    let mut writers = Writers::start(&store.address, &model, seed());
    assert!(writers.acknowledge(50).await);
    writers.stop();
    let written = writers.ended().await;
    // A log that names the points would repair them before anyone looks.
    let reader = client(&store.address);
    while redo_bytes(data.path()) > 0 || is_optimizing(&reader).await {
        info(&reader).await;
    }
    store.kill();
    for segment in segments(data.path()) {
        copy(&segment, &segment.with_file_name(uuid::Uuid::new_v4().to_string()));
    }
    let log = data.path().join("log");
    let store = Spawned::start_logged(data.path(), &SETTINGS, &log);
    check_all(&client(&store.address), &written, "copied segments").await;
    assert!(fs::read_to_string(&log).unwrap().contains("stored points again"));
    store.kill();
    let store = Spawned::start(data.path(), &SETTINGS);
    check_all(&client(&store.address), &written, "killed after the repair").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_each_named_point_loses_nothing_acknowledged() {
    let data = tempfile::tempdir().unwrap();
    let store = Spawned::start(data.path(), &SETTINGS);
    let mut model: Model = load(&client(&store.address)).await;
    assert!(store.terminate());
    // Checkpoints come with the length of the log, and no optimization delays them.
    let steady = [("HEIMDEX_STORE_OPTIMIZE_EVERY_POINTS", "1000000"), ("HEIMDEX_STORE_REDO_SEGMENT_BYTES", "100000")];
    let points =
        ["before_append:40", "after_append:40", "after_apply:40", "before_cut:3", "inside_cut:3", "after_cut:3"];
    for (seed, point) in (0..).zip(points) {
        let armed = format!("store_{point}");
        let settings = [&steady[..], &[("HEIMDEX_FAILPOINTS", armed.as_str())]].concat();
        let store = Spawned::start(data.path(), &settings);
        let written = Writers::start(&store.address, &model, seed).ended().await;
        assert!(store.was_aborted(), "{point} was not reached");
        let store = Spawned::start(data.path(), &SETTINGS);
        model = check_all(&client(&store.address), &written, point).await;
        assert!(store.terminate());
    }
}
