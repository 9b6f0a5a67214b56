//! A volume that is full: writes are refused with a typed error, reads go on, the state is visible, nothing acknowledged is
//! lost, and all of it passes when there is space again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod support;

use ::qdrant_client::qdrant::*;
use ::qdrant_client::{Qdrant, QdrantError};
use serde_json::json;
use support::disk::Disk;
use support::model::{self, NAME, Writers, check_all, info, load, until};
use support::{Spawned, client, collection, point, redo_bytes};
use tonic::{Code, Status};

const MIB: u64 = 1 << 20;
/// Room for the engine's preallocated files and some thousand points.
const SIZE: u64 = 512 * MIB;
const RESERVE: u64 = 64 * MIB;
const QUICK: [(&str, &str); 3] =
    [("HEIMDEX_STORE_IDLE_MS", "50"), ("HEIMDEX_STORE_RETRY_MS", "50"), ("HEIMDEX_STORE_OPTIMIZER_THREADS", "1")];

fn settings(reserve: &str) -> Vec<(&str, &str)> {
    [&QUICK[..], &[("HEIMDEX_STORE_MIN_FREE_BYTES", reserve)]].concat()
}

/// A volume of [`SIZE`]; where the machine lets nobody mount one, the test of the limit on file sizes is what is left.
fn volume() -> Option<Disk> {
    let disk = Disk::mount(SIZE);
    if disk.is_none() {
        eprintln!("not tested: this machine lets us mount nothing");
    }
    disk
}

async fn upsert(client: &Qdrant, id: u64, text: &str) -> Result<(), Status> {
    let point = point(id, vec![1.0; model::SIZE as usize], &[(1, 1.0)], json!({"text": text}));
    match client.upsert_points(UpsertPointsBuilder::new(NAME, vec![point]).wait(true)).await {
        Ok(_) => Ok(()),
        Err(QdrantError::ResponseError { status }) => Err(status),
        Err(other) => panic!("{other}"),
    }
}

async fn count(client: &Qdrant) -> u64 {
    client.count(CountPointsBuilder::new(NAME).exact(true)).await.unwrap().result.unwrap().count
}

fn is_full(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted && status.message().starts_with("storage full")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_reserve_writes_are_refused_and_all_else_goes_on() {
    let Some(disk) = volume() else { return };
    let reserve = RESERVE.to_string();
    let store = Spawned::start(disk.path(), &settings(&reserve));
    let client = client(&store.address);
    let model = load(&client).await;
    let writers = Writers::start(&store.address, &model, 1);
    disk.fill(RESERVE / 4 * 3);
    let written = writers.ended().await;
    let refused = upsert(&client, 1, "").await.unwrap_err();
    assert!(is_full(&refused), "{refused}");
    let volume = disk.path().to_str().unwrap();
    for part in [volume, "Free space", "HEIMDEX_STORE_MIN_FREE_BYTES"] {
        assert!(refused.message().contains(part), "{refused}");
    }
    let shown = until(&client, CollectionStatus::Red).await;
    assert!(shown.contains(volume), "{shown}");
    assert!(client.health_check().await.unwrap().title.contains(volume));
    check_all(&client, &written, "full").await;
    disk.empty();
    assert_eq!(until(&client, CollectionStatus::Green).await, "");
    let mut writers = Writers::start(&store.address, &check_all(&client, &written, "space again").await, 2);
    assert!(writers.acknowledge(20).await);
    store.kill();
    let written = writers.ended().await;
    let store = Spawned::start(disk.path(), &settings(&reserve));
    check_all(&support::client(&store.address), &written, "restarted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_byte_left_a_write_is_refused_until_there_is_space() {
    let Some(disk) = volume() else { return };
    // Neither a reserve nor a checkpoint: only the write meets the full volume.
    let patient = [("HEIMDEX_STORE_IDLE_MS", "600000"), ("HEIMDEX_STORE_RETRY_MS", "50")];
    let store = Spawned::start(disk.path(), &patient);
    let client = client(&store.address);
    client.create_collection(collection(NAME, model::SIZE, 10_000)).await.unwrap();
    for id in 0..10 {
        upsert(&client, id, "kept").await.unwrap();
    }
    let durable = redo_bytes(disk.path());
    disk.fill(0);
    let refused = upsert(&client, 10, &"x".repeat(100_000)).await.unwrap_err();
    assert!(is_full(&refused), "{refused}");
    assert_eq!(redo_bytes(disk.path()), durable);
    assert_eq!(info(&client).await.status(), CollectionStatus::Red);
    assert_eq!(count(&client).await, 10);
    disk.empty();
    upsert(&client, 10, "after").await.unwrap();
    assert_eq!(until(&client, CollectionStatus::Green).await, "");
    store.kill();
    let store = Spawned::start(disk.path(), &patient);
    assert_eq!(count(&support::client(&store.address)).await, 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_that_finds_no_space_is_made_when_there_is_some() {
    let Some(disk) = volume() else { return };
    let reserve = RESERVE.to_string();
    let store = Spawned::start(disk.path(), &settings(&reserve));
    let client = client(&store.address);
    let model = load(&client).await;
    let mut writers = Writers::start(&store.address, &model, 3);
    assert!(writers.acknowledge(20).await);
    // Less than half of the reserve, and enough for an optimization that has begun.
    disk.fill(RESERVE / 4);
    let written = writers.ended().await;
    until(&client, CollectionStatus::Red).await;
    check_all(&client, &written, "full").await;
    disk.empty();
    assert_eq!(until(&client, CollectionStatus::Green).await, "");
    let model = check_all(&client, &written, "space again").await;
    while redo_bytes(disk.path()) > 0 {
        info(&client).await;
    }
    let mut writers = Writers::start(&store.address, &model, 4);
    assert!(writers.acknowledge(20).await);
    store.kill();
    let written = writers.ended().await;
    let store = Spawned::start(disk.path(), &settings(&reserve));
    check_all(&support::client(&store.address), &written, "restarted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_space_and_says_so() {
    let Some(disk) = volume() else { return };
    let reserve = RESERVE.to_string();
    let store = Spawned::start(disk.path(), &settings(&reserve));
    let model = load(&client(&store.address)).await;
    let mut writers = Writers::start(&store.address, &model, 5);
    assert!(writers.acknowledge(20).await);
    store.kill();
    let written = writers.ended().await;
    disk.fill(RESERVE / 4);
    let store = Spawned::start(disk.path(), &settings(&reserve));
    let waiting = client(&store.address);
    let refused = waiting.health_check().await.unwrap_err();
    let QdrantError::ResponseError { status } = refused else { panic!("{refused}") };
    assert!(is_full(&status), "{status}");
    disk.empty();
    while waiting.health_check().await.is_err() {}
    check_all(&waiting, &written, "started").await;
    assert!(store.terminate());
    disk.fill(RESERVE / 4);
    let store = Spawned::start(disk.path(), &settings(&reserve));
    client(&store.address).health_check().await.unwrap_err();
    assert!(store.terminate(), "a store that waits for space can be stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_on_file_sizes_is_met_like_a_full_disk() {
    let data = tempfile::tempdir().unwrap();
    // No checkpoint cuts the log before it has met the limit.
    let patient = [("HEIMDEX_STORE_IDLE_MS", "600000"), ("HEIMDEX_STORE_RETRY_MS", "50")];
    // Larger than any file of the engine, so that only the log meets it.
    let store = Spawned::start_limited(data.path(), &patient, 40 * 1024);
    let client = client(&store.address);
    client.create_collection(collection(NAME, model::SIZE, 1_000_000)).await.unwrap();
    let text = "x".repeat(3 << 20);
    let (mut stored, mut durable) = (0, 0);
    let refused = loop {
        match upsert(&client, stored, &text).await {
            Ok(()) => (stored, durable) = (stored + 1, redo_bytes(data.path())),
            Err(status) => break status,
        }
        assert!(stored < 30, "the limit was not met");
    };
    assert!(is_full(&refused), "{refused}");
    assert_eq!(redo_bytes(data.path()), durable, "part of a frame was left behind");
    assert_eq!(count(&client).await, stored);
    store.kill();
    // The checkpoint of the start cuts the log and so makes room.
    let store = Spawned::start_limited(data.path(), &patient, 40 * 1024);
    let client = support::client(&store.address);
    assert_eq!(count(&client).await, stored);
    upsert(&client, stored, &text).await.unwrap();
    assert_eq!(count(&client).await, stored + 1);
}
