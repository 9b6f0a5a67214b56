//! Two processes that consume the same stage: who may say that the other died.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_runtime::{Process, run_stage};
use heimdex_schemas::Lane;
use heimdex_stage::Ledger as _;
use heimdex_testkit::eventually;
use serde_json::json;
use support::{Obedient, SOON, Seen, World, config, document};
use uuid::Uuid;

const LANE: Lane = Lane::Interactive;
/// What a mark's holder may be silent at an `ack_wait` of one second.
const PATIENCE: Duration = Duration::from_millis(1250);

fn seen() -> Arc<Seen> {
    Arc::new(Seen::default())
}

/// Another process has it in hand alone: its mark in the ledger, renewed at `at`.
async fn hold(world: &World, key: &str, holder: Uuid, at: DateTime<Utc>) {
    let ledger = world.bus().ledger();
    let record = json!({"accounted": 2, "attempts": 0, "alone": {"holder": holder, "at": at}, "died": []});
    let value = Bytes::from(record.to_string());
    match ledger.get(key).await.unwrap() {
        None => assert!(ledger.create(key, value).await.unwrap().is_some()),
        Some((revision, _)) => assert!(ledger.compare_and_set(key, revision, value).await.unwrap().is_some()),
    }
}

#[tokio::test]
async fn a_suspect_that_a_living_process_holds_is_left_alone() {
    let world = World::new().await;
    world.put(&document("a", 1, LANE, "ok")).await;
    world.abandon().await;
    let key = world.abandon().await;
    let (other, seen) = (Uuid::new_v4(), seen());
    // As one would see it that renews its mark all the time.
    hold(&world, &key, other, Utc::now() + Duration::from_secs(3600)).await;
    world.run(Obedient(Arc::clone(&seen)), config());
    let start = Instant::now();
    eventually!(SOON, start.elapsed() > 3 * PATIENCE);
    assert_eq!(seen.total(), 0, "it is in the other's hand");
    let renewed = Instant::now();
    hold(&world, &key, other, Utc::now()).await;
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert!(renewed.elapsed() >= PATIENCE, "only silence says that the other died");
    assert_eq!((seen.total(), world.messages("HEIMDEX_DLQ").await), (1, 0));
    eventually!(SOON, world.attempts().await.is_empty());
}

#[tokio::test]
async fn two_silent_processes_make_poison_and_one_of_them_does_not() {
    let world = World::new().await;
    world.put(&document("a", 1, LANE, "ok")).await;
    world.abandon().await;
    let key = world.abandon().await;
    let ledger = world.bus().ledger();
    let long_ago = Utc::now() - PATIENCE * 2;
    let record = json!({"accounted": 2, "alone": {"holder": Uuid::new_v4(), "at": long_ago}, "died": [Uuid::new_v4()]});
    ledger.create(&key, Bytes::from(record.to_string())).await.unwrap().unwrap();
    let seen = seen();
    world.run(Obedient(Arc::clone(&seen)), config());
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!(seen.total(), 0, "it is not touched again");
    assert_eq!(world.dead_letter().await["Heimdex-Class"], "poison");
    eventually!(SOON, world.attempts().await.is_empty());
}

/// Both work at the same time, nothing is handled twice while leases hold, and a suspect costs nobody.
#[tokio::test]
async fn two_processes_share_a_queue() {
    let world = World::new().await;
    let (first, second) = (seen(), seen());
    world.put(&document("suspect", 1, LANE, "slow 1800")).await;
    world.abandon().await;
    world.abandon().await;
    for n in 2..20 {
        world.put(&document(&format!("a-{n}"), n, LANE, "slow 100")).await;
    }
    world.run(Obedient(Arc::clone(&first)), config());
    let other = Process::new(world.bus().clone());
    let (stage, shutdown) = (Obedient(Arc::clone(&second)), world.shutdown.clone());
    tokio::spawn(async move { run_stage(stage, config(), &other, shutdown).await });
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert!(first.total() + second.total() >= 19, "{first:?} {second:?}");
    assert!(first.total() > 0 && second.total() > 0);
    let left = (world.messages("HEIMDEX_CHUNKS").await, world.messages("HEIMDEX_DLQ").await);
    assert_eq!(left, (19, 0), "each output once, also where a busy machine lost a lease");
}
