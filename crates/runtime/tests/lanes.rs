//! Lanes, crowds and full queues: who waits for whom.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use heimdex_bus::{Options, Pulled, Wait};
use heimdex_runtime::StageConfig;
use heimdex_schemas::{DocumentExtracted, Lane, Order, StageName, UploadId};
use heimdex_stage::{Acceptance, Ledger as _, accept};
use heimdex_testkit::{NatsServer, eventually};
use support::{Accepting, Obedient, SOON, Seen, World, config, document, options};

fn seen() -> Arc<Seen> {
    Arc::new(Seen::default())
}

/// As a stranger's client does it, which knows nothing of depths.
async fn upload(world: &World, org: &str, asset: &str) -> UploadId {
    let headers =
        [("ce-specversion", "1.0"), ("ce-id", asset), ("ce-source", "/cms"), ("ce-type", "heimdex.asset.uploaded.v1")];
    let body = Bytes::from(format!(r#"{{"asset_id":"{asset}","content":{{"text":"x"}}}}"#));
    let subject = format!("heimdex.asset.uploaded.interactive.{org}");
    world.bus().publish_raw(&subject, &headers, body).await.unwrap();
    UploadId::new(&org.parse().unwrap(), "/cms", asset)
}

async fn crowded_world(depth: u64) -> World {
    let server = NatsServer::start();
    let options = Options { org_interactive_depth: depth, ..options(&server.url()) };
    World::on(server, options).await
}

#[tokio::test]
async fn an_org_that_crowds_the_lane_makes_way_for_others() {
    let world = crowded_world(4).await;
    let (seen, mut crowd) = (seen(), Vec::new());
    for n in 0..40 {
        crowd.push(upload(&world, "crowd", &format!("many-{n:02}")).await);
    }
    upload(&world, "other", "few-0").await;
    upload(&world, "other", "few-1").await;
    world.run(Accepting(Arc::clone(&seen)), config());
    eventually!(SOON, seen.count("few-0") == 1 && seen.count("few-1") == 1);
    let before = seen.total() - 2;
    assert!(before <= 20, "{before} of the crowd were handled first");
    eventually!(SOON, seen.total() == 42);
    eventually!(SOON, world.messages("HEIMDEX_ASSETS").await == 0);
    assert_eq!(world.messages("HEIMDEX_DOCUMENTS").await, 42, "each once");
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 0);
    the_order_is_that_of_first_sight(&world, &crowd).await;
    assert!(of_lane(&world, Lane::Bulk).await >= 20, "what moved goes on in lane bulk");
}

async fn the_order_is_that_of_first_sight(world: &World, uploads: &[UploadId]) {
    let mut orders: Vec<Order> = Vec::new();
    for upload in uploads {
        let (_, value) = world.bus().ledger().get(&accept::key(*upload)).await.unwrap().unwrap();
        orders.push(serde_json::from_slice::<Acceptance>(&value).unwrap().order);
    }
    assert!(orders.is_sorted(), "{orders:?}");
}

/// Documents in one lane of the chunker's queue, all with the lane in their lineage.
async fn of_lane(world: &World, lane: Lane) -> usize {
    let mut puller = world.bus().puller(StageName::Chunker, lane).await.unwrap();
    let mut found = 0;
    while let Pulled::Message(delivery) = puller.pull(Wait::No).await {
        let incoming = delivery.decode(world.bus().blobs().as_ref(), u64::MAX).await.unwrap();
        let event: DocumentExtracted = incoming.envelope.data_as().unwrap();
        assert_eq!(event.lineage.lane, lane);
        found += 1;
    }
    found
}

#[tokio::test]
async fn an_org_within_its_depth_stays_where_it_is() {
    let world = crowded_world(4).await;
    let seen = seen();
    for n in 0..4 {
        upload(&world, "few", &format!("asset-{n}")).await;
    }
    world.run(Accepting(Arc::clone(&seen)), config());
    eventually!(SOON, world.messages("HEIMDEX_ASSETS").await == 0);
    assert_eq!((of_lane(&world, Lane::Interactive).await, of_lane(&world, Lane::Bulk).await), (4, 0));
}

/// A backfill that fills the queue below stops bulk work only.
#[tokio::test]
async fn a_full_bulk_lane_below_does_not_stop_interactive_work() {
    let world = World::new().await;
    let seen = seen();
    for n in 0..12 {
        world.put(&document(&format!("bulk-{n:02}"), n, Lane::Bulk, "slow 30")).await;
    }
    world.run(Obedient(Arc::clone(&seen)), StageConfig { downstream_mark: 2, ..config() });
    let open = || world.process.metrics.encode().unwrap();
    eventually!(SOON, blocked(&open()) > 0.3);
    let handled = seen.total();
    assert!((3..12).contains(&handled), "{handled} of the backfill went through");
    world.put(&document("urgent", 99, Lane::Interactive, "ok")).await;
    eventually!(SOON, seen.count("urgent") == 1);
    let before = blocked(&open());
    eventually!(SOON, blocked(&open()) > before + 0.3);
    assert!(seen.total() <= handled + 2, "the backfill waits");
    let mut below = BTreeMap::new();
    eventually!(SOON, {
        drain(&world, &mut below).await;
        below.values().sum::<usize>() == 13
    });
    assert_eq!(below, BTreeMap::from([(Lane::Interactive, 1), (Lane::Bulk, 12)]));
}

async fn drain(world: &World, taken: &mut BTreeMap<Lane, usize>) {
    for lane in [Lane::Interactive, Lane::Bulk] {
        let mut puller = world.bus().puller(StageName::Embedder, lane).await.unwrap();
        while let Pulled::Message(delivery) = puller.pull(Wait::For(Duration::from_millis(20))).await {
            delivery.ack().await.unwrap();
            *taken.entry(lane).or_default() += 1;
        }
    }
}

/// Seconds the stage did not pull everything it could for the queue below.
fn blocked(metrics: &str) -> f64 {
    let line = metrics.lines().find_map(|l| l.strip_prefix("heimdex_stage_blocked_seconds_total{stage=\"chunker\"} "));
    line.map_or(0.0, |value| value.parse().unwrap())
}
