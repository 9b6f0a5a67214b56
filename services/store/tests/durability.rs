//! What must be there after a restart, and how a store that cannot keep that promise says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use ::qdrant_client::qdrant::*;
use ::qdrant_client::{Payload, Qdrant, QdrantError};
use heimdex_store::{Config, Error, RedoError};
use serde_json::json;
use support::{Served, Spawned, client, collection, config, folder, point};
use tonic::Code;

const NAME: &str = "chunks";

async fn upsert(client: &Qdrant, ids: std::ops::Range<u64>) -> Result<(), QdrantError> {
    let points: Vec<_> = ids.map(|id| point(id, vec![1.0, id as f32], &[(1, 1.0)], json!({"n": id}))).collect();
    client.upsert_points(UpsertPointsBuilder::new(NAME, points).wait(true)).await.map(drop)
}

async fn count(client: &Qdrant) -> u64 {
    client.count(CountPointsBuilder::new(NAME).exact(true)).await.unwrap().result.unwrap().count
}

/// The redo segments of the only collection, oldest first.
fn redo_files(data: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder(data).join("redo")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A killed store with two acknowledged upserts in its redo log.
async fn killed_with_two_upserts(data: &Path) {
    let store = Spawned::start(data, &[("HEIMDEX_STORE_IDLE_MS", "600000")]);
    let client = client(&store.address);
    client.create_collection(collection(NAME, 2, 10_000)).await.unwrap();
    upsert(&client, 0..3).await.unwrap();
    upsert(&client, 3..5).await.unwrap();
    store.kill();
}

#[tokio::test]
async fn collections_aliases_indexes_and_points_outlive_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let store = Spawned::start(data.path(), &[]);
    let first = client(&store.address);
    first.create_collection(collection(NAME, 2, 10_000)).await.unwrap();
    first.create_collection(collection("gone", 2, 10_000)).await.unwrap();
    first.create_alias(CreateAliasBuilder::new(NAME, "live")).await.unwrap();
    first.create_alias(CreateAliasBuilder::new("gone", "past")).await.unwrap();
    let keyword = CreateFieldIndexCollectionBuilder::new(NAME, "org", FieldType::Keyword);
    first.create_field_index(keyword.clone()).await.unwrap();
    upsert(&first, 0..3).await.unwrap();
    first.delete_collection("gone").await.unwrap();
    store.kill();
    let store = Spawned::start(data.path(), &[("HEIMDEX_STORE_DRAIN_MS", "300")]);
    let second = client(&store.address);
    let names = second.list_collections().await.unwrap().collections;
    assert_eq!(names.into_iter().map(|c| c.name).collect::<Vec<_>>(), [NAME]);
    assert_eq!(second.list_aliases().await.unwrap().aliases.len(), 1);
    let info = second.collection_info("live").await.unwrap().result.unwrap();
    assert_eq!((info.points_count, info.payload_schema.contains_key("org")), (Some(3), true));
    assert_eq!(fs::read_dir(data.path().join("collections")).unwrap().count(), 1);
    // This thread waits for the program, so the client's connection stays open and silent.
    assert!(store.terminate());
}

#[tokio::test]
async fn an_orderly_stop_leaves_an_empty_log() {
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(config(data.path())).await;
    served.client.create_collection(collection(NAME, 2, 10_000)).await.unwrap();
    upsert(&served.client, 0..100).await.unwrap();
    served.stop().await.unwrap();
    let bytes: u64 = redo_files(data.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(bytes, 0);
    let served = Served::start(config(data.path())).await;
    assert_eq!(count(&served.client).await, 100);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_torn_tail_is_forgotten() {
    let data = tempfile::tempdir().unwrap();
    killed_with_two_upserts(data.path()).await;
    // The engine has both upserts in files it never synced; only the log decides what is replayed over them.
    let newest = redo_files(data.path()).pop().unwrap();
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, [bytes.as_slice(), &bytes[..10]].concat()).unwrap();
    let served = Served::start(config(data.path())).await;
    assert_eq!(count(&served.client).await, 5);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_damaged_log_stops_the_start_with_a_typed_error() {
    let data = tempfile::tempdir().unwrap();
    killed_with_two_upserts(data.path()).await;
    let newest = redo_files(data.path()).pop().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    bytes[40] ^= 1;
    fs::write(&newest, &bytes).unwrap();
    let refused = Served::start(config(data.path())).await.stop().await.unwrap_err();
    assert!(matches!(refused, Error::Redo(RedoError::Corrupt { offset: 0, .. })), "{refused}");
    bytes[40] ^= 1;
    fs::write(&newest, &bytes).unwrap();
    let served = Served::start(config(data.path())).await;
    assert_eq!(count(&served.client).await, 5);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_is_served_once() {
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(config(data.path())).await;
    served.client.health_check().await.unwrap();
    let refused = Served::start(config(data.path())).await.stop().await.unwrap_err();
    assert!(matches!(refused, Error::Locked(_)), "{refused}");
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(Config { max_message_bytes: 10_000, ..config(data.path()) }).await;
    served.client.create_collection(collection(NAME, 2, 10_000)).await.unwrap();
    let text = "x".repeat(20_000);
    let large = PointStruct::new(1, vec![1.0, 0.0], Payload::try_from(json!({"text": text})).unwrap());
    let refused = served.client.upsert_points(UpsertPointsBuilder::new(NAME, vec![large])).await.unwrap_err();
    let QdrantError::ResponseError { status } = refused else { panic!("{refused}") };
    assert_eq!(status.code(), Code::OutOfRange);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn writes_from_many_clients_share_syncs_and_all_arrive() {
    let data = tempfile::tempdir().unwrap();
    let served = Served::start(config(data.path())).await;
    served.client.create_collection(collection(NAME, 2, 10_000)).await.unwrap();
    let writes = (0..32u64).map(|n| {
        let client = served.client.clone();
        tokio::spawn(async move {
            for step in 0..5 {
                let first = n * 100 + step * 10;
                upsert(&client, first..first + 10).await.unwrap();
            }
        })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    assert_eq!(count(&served.client).await, 32 * 50);
    served.stop().await.unwrap();
}
