//! The broker has no room: a state with a name that nothing is charged for, and that ends by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use heimdex_bus::{Options, Storage};
use heimdex_runtime::State;
use heimdex_schemas::{Lane, StageName};
use heimdex_stage::{BlobError, Blobs, Bucket};
use heimdex_testkit::nats::NatsConfig;
use heimdex_testkit::{NatsServer, eventually};
use support::{Obedient, SOON, Seen, World, config, document, options};
use tokio_util::sync::CancellationToken;

const LANE: Lane = Lane::Interactive;
/// Takes up room, in a stream that no stage of these tests writes.
const FILLER: &str = "heimdex.dlq.extractor.acme.filler";

fn seen() -> Arc<Seen> {
    Arc::new(Seen::default())
}

fn says_full(world: &World, component: &str) -> bool {
    match world.process.health.report().components.get(component) {
        Some(State::No(reason)) => reason.contains("storage_full"),
        _ => false,
    }
}

/// Until nothing more is taken.
async fn fill(world: &World) {
    let lump = Bytes::from(vec![0_u8; 200_000]);
    for _ in 0..200 {
        if world.bus().publish_raw(FILLER, &[], lump.clone()).await.is_err() {
            return;
        }
    }
    panic!("the broker has more room than this test needs");
}

#[tokio::test]
async fn at_its_limit_the_broker_says_so_and_work_goes_on_when_there_is_room() {
    let limited = NatsConfig { jetstream: "max_file_store: 4MB".to_owned(), ..NatsConfig::default() };
    let server = NatsServer::with(&limited);
    let options = options(&server.url());
    let world = World::on(server, options).await;
    let seen = seen();
    world.put(&document("a", 1, LANE, "ok")).await;
    fill(&world).await;
    let refused = world.bus().publisher().publish(StageName::Extractor, &document("b", 2, LANE, "ok"), None).await;
    assert_eq!(refused.unwrap_err().code(), "storage_full");
    let blob = world.bus().blobs().put(Bucket::Work, "acme/a/u", Bytes::from(vec![1_u8; 300_000])).await;
    assert!(matches!(blob, Err(BlobError::Full(_))), "{blob:?}");
    world.run(Obedient(Arc::clone(&seen)), config());
    eventually!(SOON, says_full(&world, "dependencies of chunker"));
    assert!(!world.process.health.report().ready);
    // The ledger has no room, either: nothing can be written down, and what cannot be explained is not touched again.
    eventually!(SOON, deliveries(&world).await > 4);
    world.bus().purge_stream("HEIMDEX_DLQ").await.unwrap();
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!((world.messages("HEIMDEX_CHUNKS").await, world.messages("HEIMDEX_DLQ").await), (1, 0));
    eventually!(SOON, world.process.health.report().ready);
    assert!(seen.count("a") < 5, "{seen:?}");
}

/// How often the stage got a message again.
async fn deliveries(world: &World) -> u64 {
    let text = world.process.metrics.encode().unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix("heimdex_stage_redeliveries_total{stage=\"chunker\"} "));
    line.map_or(0, |count| count.parse().unwrap())
}

/// A file system in memory, as large as a test needs it.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", size, "none"]).arg(folder).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(folder.to_owned()))
    }

    fn resize(&self, size: &str) {
        let resized = Command::new("mount").args(["-o", &format!("remount,{size}")]).arg(&self.0).status();
        assert!(resized.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may be on its way out.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A full disk is another thing than a limit: the broker must be started anew before it writes again.
#[tokio::test]
async fn a_full_disk_is_named_and_nothing_is_lost_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), "size=12m") else {
        eprintln!("skipped: this process may not mount a file system");
        return;
    };
    let server = NatsServer::with(&NatsConfig {
        store_dir: Some(folder.path().to_owned()),
        jetstream: "max_file_store: 1GB".to_owned(),
        ..NatsConfig::default()
    });
    let monitor = Some(server.monitor());
    let times = (Duration::from_millis(500), Duration::from_millis(500));
    let (request_timeout, publish_timeout) = times;
    let options = Options { monitor, request_timeout, publish_timeout, ..options(&server.url()) };
    let mut world = World::on(server, options).await;
    let stop = CancellationToken::new();
    let (watched, stopped) = (world.process.clone(), stop.clone());
    tokio::spawn(async move { watched.watch_broker(Duration::from_millis(50), stopped).await });
    let seen = seen();
    world.put(&document("a", 1, LANE, "ok")).await;
    fill(&world).await;
    eventually!(SOON, says_full(&world, "broker storage"));
    assert!(matches!(world.bus().storage().await, Storage::Full(_)));
    disk.resize("size=64m");
    world.server.restart();
    eventually!(SOON, world.bus().stream_messages("HEIMDEX_DOCUMENTS").await.is_ok());
    world.run(Obedient(Arc::clone(&seen)), config());
    eventually!(SOON, world.bus().stream_messages("HEIMDEX_DOCUMENTS").await.is_ok_and(|left| left == 0));
    assert_eq!(world.messages("HEIMDEX_CHUNKS").await, 1);
    eventually!(SOON, !says_full(&world, "broker storage"));
    stop.cancel();
}
