//! Work that nobody wants any more is ended early, and its upload is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use heimdex_schemas::{ChunksEmbedded, FailureClass, Lane, Order, Outcome, StageName, UploadId};
use heimdex_stage::{Ledger as _, Tombstone, tombstone};
use heimdex_testkit::eventually;
use support::{Obedient, SOON, Seen, World, config, document};

const LANE: Lane = Lane::Interactive;

fn seen() -> Arc<Seen> {
    Arc::new(Seen::default())
}

async fn write(world: &World, key: &str, value: impl Into<Bytes>) {
    assert!(world.bus().ledger().create(key, value.into()).await.unwrap().is_some());
}

fn failure(event: ChunksEmbedded) -> (FailureClass, String) {
    let Outcome::Failed(failure) = event.outcome else { panic!("an outcome") };
    (failure.class, failure.code)
}

/// What happens while it runs is heard of, too: the stage goes on until a message of the kind was ended.
async fn run_until_learned(world: &World, seen: &Arc<Seen>) {
    world.run(Obedient(Arc::clone(seen)), config());
    world.put(&document("before", 1, LANE, "ok")).await;
    eventually!(SOON, seen.count("before") == 1);
}

#[tokio::test]
async fn a_cancelled_job_ends_in_a_cancelled_dead_letter() {
    let world = World::new().await;
    let (seen, event) = (seen(), document("a", 7, LANE, "ok"));
    write(&world, &format!("cancelled.{}", event.lineage.upload), "{}").await;
    run_until_learned(&world, &seen).await;
    world.put(&event).await;
    eventually!(SOON, world.messages("HEIMDEX_DLQ").await == 1);
    assert_eq!(failure(world.consequence().await), (FailureClass::Cancelled, "job_cancelled".to_owned()));
    assert_eq!(world.dead_letter().await["Heimdex-Class"], "cancelled");
    assert_eq!(seen.count("a"), 0);
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
}

#[tokio::test]
async fn work_of_a_deleted_asset_ends_without_a_dead_letter() {
    let world = World::new().await;
    let (seen, old, new) = (seen(), document("a", 7, LANE, "ok"), document("a", 9, LANE, "ok"));
    run_until_learned(&world, &seen).await;
    let position = Order::by_stream(1_790_000_000, 8);
    let (org, job) = (&old.lineage.org, UploadId::new(&old.lineage.org, "/cms", "deletion"));
    let deleted = Tombstone::of_asset(position, position, job, DateTime::UNIX_EPOCH);
    let key = tombstone::key(org, Some(&old.lineage.asset_id));
    write(&world, &key, serde_json::to_vec(&deleted).unwrap()).await;
    // The change travels by itself: what is put before it has arrived is handled, which the writer would undo.
    let mut ended = None;
    eventually!(SOON, {
        let mut again = old.clone();
        again.lineage.replay += 1 + seen.count("a");
        world.put(&again).await;
        eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
        if world.messages("HEIMDEX_VECTORS").await > 0 {
            ended = Some(failure(world.consequence().await));
        }
        ended.is_some()
    });
    assert_eq!(ended, Some((FailureClass::Cancelled, "asset_deleted".to_owned())));
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 0);
    let handled = seen.count("a");
    world.put(&new).await;
    eventually!(SOON, seen.count("a") == handled + 1);
}

#[tokio::test]
async fn a_purge_of_the_org_ends_what_came_before_it() {
    let world = World::new().await;
    let seen = seen();
    let position = Order::by_stream(1_790_000_000, 8);
    let event = document("b", 7, LANE, "ok");
    let job = UploadId::new(&event.lineage.org, "/cms", "purge");
    let purged = Tombstone::of_org(position, job, DateTime::UNIX_EPOCH);
    write(&world, "tombstone.acme", serde_json::to_vec(&purged).unwrap()).await;
    world.put(&event).await;
    world.put(&document("after", 9, LANE, "ok")).await;
    // The watch may start after the first message was taken; then it went on as any other.
    world.run(Obedient(Arc::clone(&seen)), config());
    eventually!(SOON, seen.count("after") == 1);
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 0);
    if seen.count("b") == 0 {
        let told: ChunksEmbedded = world.take(StageName::Writer, LANE).await;
        assert_eq!(failure(told), (FailureClass::Cancelled, "org_purged".to_owned()));
    }
}
