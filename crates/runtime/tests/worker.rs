//! The consume loop against a real nats-server, in one process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use heimdex_bus::{Bus, Options, Pulled, Wait};
use heimdex_runtime::{Process, RunError, StageConfig, State, http};
use heimdex_schemas::{ChunksCreated, FailureClass, Lane, Outcome, StageName, UploadId};
use heimdex_testkit::nats::NatsConfig;
use heimdex_testkit::{NatsServer, eventually};
use support::{Obedient, Refusing, SOON, Seen, World, config, document};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

const LANE: Lane = Lane::Interactive;

fn seen() -> Arc<Seen> {
    Arc::new(Seen::default())
}

#[tokio::test]
async fn outputs_are_published_and_inputs_are_gone() {
    let world = World::new().await;
    let seen = seen();
    let running = world.run(Obedient(Arc::clone(&seen)), config());
    world.put(&document("a", 1, LANE, "ok")).await;
    let output: ChunksCreated = world.take(StageName::Embedder, LANE).await;
    assert_eq!(output.lineage.asset_id.as_str(), "a");
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    world.shutdown.cancel();
    running.await.unwrap().unwrap();
    let text = world.process.metrics.encode().unwrap();
    assert!(text.contains("heimdex_stage_in_total{stage=\"chunker\"} 1"), "{text}");
    assert!(text.contains("heimdex_stage_out_total{stage=\"chunker\"} 1"), "{text}");
    assert!(text.contains("heimdex_stage_in_flight{stage=\"chunker\"} 0"), "{text}");
}

/// Trap 7: nothing waits in a buffer while its lease runs out, and a slow handler keeps its lease.
#[tokio::test]
async fn slow_work_is_handled_once_and_never_beyond_the_permits() {
    let world = World::new().await;
    let seen = seen();
    world.put(&document("slowest", 1, LANE, "slow 2500")).await;
    for n in 2..12 {
        world.put(&document(&format!("slow-{n}"), n, LANE, "slow 250")).await;
    }
    world.run(Obedient(Arc::clone(&seen)), config());
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!(seen.total(), 11, "each once: {:?}", seen.handled);
    assert_eq!(seen.most.load(Ordering::SeqCst), 2, "as many as there are permits");
    assert!(world.process.metrics.encode().unwrap().contains("heimdex_stage_redeliveries_total{stage=\"chunker\"} 0"));
}

/// Traps 3 and 5: delayed naks do not hold up others, and nothing becomes invisible to the broker.
#[tokio::test]
async fn what_waits_for_another_try_does_not_hold_up_the_rest() {
    let world = World::new().await;
    let seen = seen();
    for n in 1..=4 {
        world.put(&document(&format!("bad-{n}"), n, LANE, "transient")).await;
    }
    world.put(&document("good", 9, LANE, "ok")).await;
    let patient = StageConfig { backoff_base: Duration::from_secs(3600), ..config() };
    world.run(Obedient(Arc::clone(&seen)), patient);
    let output: ChunksCreated = world.take(StageName::Embedder, LANE).await;
    assert_eq!(output.lineage.asset_id.as_str(), "good");
    eventually!(SOON, seen.total() == 5);
    let state = world.bus().queue_state(StageName::Chunker).await.unwrap();
    assert_eq!((state.messages, state.orphans()), (4, 0));
}

#[tokio::test]
async fn attempts_are_charged_until_exhausted() {
    let world = World::new().await;
    let seen = seen();
    world.put(&document("a", 1, LANE, "transient")).await;
    world.run(Obedient(Arc::clone(&seen)), config());
    let dead = world.consequence().await;
    let Outcome::Failed(failure) = &dead.outcome else { panic!("{dead:?}") };
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Exhausted, "asked"));
    assert_eq!(failure.stage, StageName::Chunker);
    assert_eq!((dead.part, dead.parts, dead.lineage.asset_id.as_str()), (0, 1, "a"));
    assert_eq!(seen.count("a"), 3);
    let letter = world.dead_letter().await;
    assert_eq!((letter["Heimdex-Class"].as_str(), letter["Heimdex-Attempts"].as_str()), ("exhausted", "3"));
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!(world.bus().queue_state(StageName::Chunker).await.unwrap().orphans(), 0);
}

#[tokio::test]
async fn a_panic_costs_attempts_and_not_the_process() {
    let world = World::new().await;
    let seen = seen();
    world.put(&document("bad", 1, LANE, "panic")).await;
    world.put(&document("good", 2, LANE, "ok")).await;
    world.run(Obedient(Arc::clone(&seen)), config());
    let dead = world.consequence().await;
    let Outcome::Failed(failure) = dead.outcome else { panic!("an outcome") };
    assert_eq!((failure.code.as_str(), failure.message.as_str()), ("panic", "as asked"));
    assert_eq!((seen.count("bad"), seen.count("good")), (3, 1));
}

#[tokio::test]
async fn permanent_failures_are_dead_at_once_and_told_to_the_writer() {
    let world = World::new().await;
    let seen = seen();
    let event = document("a", 1, LANE, "permanent");
    world.put(&event).await;
    world.run(Obedient(Arc::clone(&seen)), config());
    let mut dead = world.consequence().await;
    let passed = dead.lineage.trail.pop().unwrap();
    assert_eq!((passed.stage, passed.messages), (StageName::Chunker, 1));
    assert!(passed.queued_at <= passed.started_at && passed.started_at <= passed.finished_at, "{passed:?}");
    assert_eq!(dead.lineage, event.lineage);
    let Outcome::Failed(failure) = dead.outcome else { panic!("an outcome") };
    assert_eq!(failure.class, FailureClass::Rejected);
    assert_eq!(seen.count("a"), 1);
    let letter = world.dead_letter().await;
    assert_eq!(letter["Heimdex-Class"], "rejected");
    assert_eq!(letter["Heimdex-Stream"], "HEIMDEX_DOCUMENTS");
    assert_eq!(letter["ce-type"], "heimdex.document.extracted.v1", "original headers are kept");
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
}

async fn upload(world: &World, headers: &[(&str, &str)], body: &'static str) {
    let subject = "heimdex.asset.uploaded.interactive.acme";
    world.bus().publish_raw(subject, headers, body.into()).await.unwrap();
}

const STRANGER: [(&str, &str); 4] =
    [("ce-specversion", "1.0"), ("ce-id", "0001"), ("ce-source", "/cms"), ("ce-type", "heimdex.asset.uploaded.v1")];

#[tokio::test]
async fn a_refused_upload_ends_in_a_failed_part_of_its_job() {
    let world = World::new().await;
    upload(&world, &STRANGER, r#"{"asset_id":"handbook","content":{"text":"x"},"model":"other-model"}"#).await;
    world.run(Refusing, config());
    let dead = world.consequence().await;
    assert_eq!(dead.lineage.upload, UploadId::new(&"acme".parse().unwrap(), "/cms", "0001"));
    assert_eq!((dead.lineage.asset_id.as_str(), dead.lineage.model.as_str()), ("handbook", "other-model"));
    assert_eq!((dead.part, dead.parts), (0, 1));
}

#[tokio::test]
async fn an_upload_that_cannot_be_read_still_ends_its_job() {
    let world = World::new().await;
    upload(&world, &STRANGER, r#"{"asset_id":"handbook","content":{"carrier_pigeon":7}}"#).await;
    world.run(Refusing, config());
    let dead = world.consequence().await;
    assert_eq!(dead.lineage.upload, UploadId::new(&"acme".parse().unwrap(), "/cms", "0001"));
    assert_eq!(dead.lineage.asset_id.as_str(), "handbook");
    let Outcome::Failed(failure) = dead.outcome else { panic!("an outcome") };
    assert_eq!(failure.code, "event_data");
}

#[tokio::test]
async fn noise_is_dead_lettered_without_a_consequence() {
    let world = World::new().await;
    upload(&world, &[], "noise").await;
    world.run(Refusing, config());
    eventually!(SOON, world.messages("HEIMDEX_ASSETS").await == 0);
    assert_eq!(world.dead_letter().await["Heimdex-Code"], "envelope_attribute_missing");
    assert_eq!(world.messages("HEIMDEX_VECTORS").await, 0);
}

#[tokio::test]
async fn an_event_id_used_for_another_asset_leaves_the_first_job_alone() {
    let world = World::new().await;
    upload(&world, &STRANGER, r#"{"asset_id":"first","content":{"text":"x"}}"#).await;
    world.run(Refusing, config());
    assert_eq!(world.consequence().await.lineage.asset_id.as_str(), "first");
    upload(&world, &STRANGER, r#"{"asset_id":"second","content":{"text":"x"}}"#).await;
    eventually!(SOON, world.messages("HEIMDEX_DLQ").await == 2);
    eventually!(SOON, world.messages("HEIMDEX_ASSETS").await == 0);
    assert_eq!(world.messages("HEIMDEX_VECTORS").await, 0);
}

#[tokio::test]
async fn an_event_of_a_newer_major_is_parked() {
    let world = World::new().await;
    let mut newer = STRANGER;
    newer[3].1 = "heimdex.asset.uploaded.v2";
    upload(&world, &newer, r#"{"asset":{}}"#).await;
    world.run(Refusing, config());
    let parked = "heimdex_stage_failed_total{stage=\"extractor\",class=\"parked\"} 1";
    eventually!(SOON, world.process.metrics.encode().unwrap().contains(parked));
    assert_eq!((world.messages("HEIMDEX_ASSETS").await, world.messages("HEIMDEX_DLQ").await), (1, 0));
}

#[tokio::test]
async fn an_outage_charges_nothing_and_pauses_pulling() {
    let world = World::new().await;
    let seen = seen();
    seen.outage.store(true, Ordering::SeqCst);
    for n in 1..=6 {
        world.put(&document(&format!("a-{n}"), n, LANE, "unavailable")).await;
    }
    world.run(Obedient(Arc::clone(&seen)), config());
    // Many more failures than attempts are allowed.
    eventually!(SOON, seen.total() >= 8);
    let paused =
        || matches!(world.process.health.report().components.get("dependencies of chunker"), Some(State::No(_)));
    eventually!(SOON, paused());
    let records = world.attempts().await;
    assert!(!records.is_empty(), "what is given back is explained");
    for record in records {
        assert_eq!((&record["attempts"], &record["died"]), (&0.into(), &serde_json::json!([])), "{record}");
    }
    seen.outage.store(false, Ordering::SeqCst);
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 0);
    assert_eq!(world.messages("HEIMDEX_CHUNKS").await, 6);
    eventually!(SOON, world.attempts().await.is_empty());
}

#[tokio::test]
async fn an_upload_does_not_wait_behind_a_backfill() {
    let world = World::new().await;
    let seen = seen();
    for n in 0..8 {
        world.put(&document(&format!("bulk-{n}"), n, Lane::Bulk, "slow 700")).await;
    }
    world.run(Obedient(Arc::clone(&seen)), config());
    eventually!(SOON, seen.total() >= 1);
    let start = Instant::now();
    world.put(&document("urgent", 99, LANE, "ok")).await;
    let output: ChunksCreated = world.take(StageName::Embedder, LANE).await;
    assert_eq!(output.lineage.asset_id.as_str(), "urgent");
    assert!(start.elapsed() < Duration::from_millis(700), "{:?}", start.elapsed());
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
}

#[tokio::test]
async fn a_stage_stops_pulling_while_the_next_queue_is_long() {
    let world = World::new().await;
    let seen = seen();
    for n in 0..4 {
        let made = document(&format!("below-{n}"), n, LANE, "ok");
        world.put(&made).await;
    }
    let narrow = StageConfig { downstream_mark: 2, ..config() };
    world.run(Obedient(Arc::clone(&seen)), narrow);
    eventually!(SOON, world.messages("HEIMDEX_CHUNKS").await >= 3);
    // Longer than any pull that was under way when the gate closed.
    eventually!(SOON, blocked(&world) > 0.8);
    world.put(&document("waits", 50, LANE, "ok")).await;
    let before = blocked(&world);
    eventually!(SOON, blocked(&world) > before + 0.5);
    assert_eq!(seen.count("waits"), 0, "the gate is closed");
    let mut below = world.bus().puller(StageName::Embedder, LANE).await.unwrap();
    eventually!(SOON, {
        if let Pulled::Message(delivery) = below.pull(Wait::No).await {
            delivery.ack().await.unwrap();
        }
        seen.count("waits") == 1
    });
}

/// Seconds the stage did not pull for the queue below.
fn blocked(world: &World) -> f64 {
    let text = world.process.metrics.encode().unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix("heimdex_stage_blocked_seconds_total{stage=\"chunker\"} "));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn a_suspect_is_handled_alone() {
    let world = World::new().await;
    let seen = seen();
    world.put(&document("suspect", 1, LANE, "slow 300")).await;
    world.abandon().await;
    world.abandon().await;
    for n in 2..12 {
        world.put(&document(&format!("other-{n}"), n, LANE, "slow 200")).await;
    }
    world.run(Obedient(Arc::clone(&seen)), config());
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!(seen.count("suspect"), 1);
    let together = seen.together.lock().unwrap().clone();
    assert!(!together.is_empty() && !together.contains(&"suspect".to_owned()), "{together:?}");
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 0);
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_hand() {
    let world = World::new().await;
    let seen = seen();
    world.put(&document("a", 1, LANE, "slow 500")).await;
    let running = world.run(Obedient(Arc::clone(&seen)), config());
    eventually!(SOON, seen.total() == 1);
    world.shutdown.cancel();
    world.put(&document("late", 2, LANE, "ok")).await;
    running.await.unwrap().unwrap();
    assert_eq!(world.messages("HEIMDEX_CHUNKS").await, 1);
    assert_eq!(world.messages("HEIMDEX_DOCUMENTS").await, 1, "only what came after the stop is left");
    assert_eq!(seen.count("late"), 0);
}

#[tokio::test]
async fn what_outlasts_the_grace_is_given_back_unsuspected() {
    let world = World::new().await;
    let (first, second) = (seen(), seen());
    world.put(&document("a", 1, LANE, "slow 3000")).await;
    let hasty = StageConfig { grace: Duration::from_millis(50), ..config() };
    let running = world.run(Obedient(Arc::clone(&first)), hasty);
    eventually!(SOON, first.total() == 1);
    world.shutdown.cancel();
    running.await.unwrap().unwrap();
    world.put(&document("b", 2, LANE, "slow 3000")).await;
    let next = World { shutdown: CancellationToken::new(), ..world };
    next.run(Obedient(Arc::clone(&second)), config());
    eventually!(SOON, second.most.load(Ordering::SeqCst) == 2);
    assert_eq!((second.count("a"), second.count("b")), (1, 1), "given back at once and not handled alone");
}

/// Trap 8: the end of deliveries is not the end of work.
#[tokio::test]
async fn a_deleted_consumer_is_unhealthy() {
    let world = World::new().await;
    let running = world.run(Obedient(seen()), config());
    let component = "stage chunker";
    eventually!(SOON, world.process.health.report().components.get(component) == Some(&State::Yes));
    world.bus().delete_consumer(StageName::Chunker, LANE).await.unwrap();
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, RunError::ConsumerGone { .. }), "{error}");
    assert!(!world.process.health.is_alive());
}

#[tokio::test]
async fn work_goes_on_after_the_broker_was_killed() {
    let mut world = World::new().await;
    let seen = seen();
    for n in 0..6 {
        world.put(&document(&format!("a-{n}"), n, LANE, "slow 200")).await;
    }
    world.run(Obedient(Arc::clone(&seen)), config());
    eventually!(SOON, seen.total() >= 1);
    world.server.restart();
    eventually!(SOON, world.bus().stream_messages("HEIMDEX_DOCUMENTS").await.is_ok_and(|left| left == 0));
    assert_eq!(world.messages("HEIMDEX_CHUNKS").await, 6, "each output once");
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 0);
}

async fn durability(server: &NatsServer, monitor: Option<String>) -> (bool, Option<State>) {
    let options = Options { monitor, ..Options::default() };
    let process = Process::new(Bus::connect(&server.url(), options).await.unwrap());
    let stop = CancellationToken::new();
    stop.cancel();
    process.watch_broker(Duration::from_millis(10), stop).await;
    let report = process.health.report();
    (report.ready, report.components.get("durability").cloned())
}

/// Trap 6: only "no" blocks.
#[tokio::test]
async fn readiness_knows_yes_no_and_unknown() {
    let synced = NatsServer::start();
    assert_eq!(durability(&synced, Some(synced.monitor())).await, (true, Some(State::Yes)));
    assert!(matches!(durability(&synced, None).await, (true, Some(State::Unknown(_)))));
    let lax = NatsServer::with(&NatsConfig { sync_always: false, ..NatsConfig::default() });
    assert!(matches!(durability(&lax, Some(lax.monitor())).await, (false, Some(State::No(_)))));
}

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn health_and_metrics_are_served() {
    let (health, metrics) = (heimdex_runtime::Health::default(), heimdex_runtime::Metrics::default());
    metrics.stage(StageName::Writer).received.inc();
    let stop = CancellationToken::new();
    let router = http::router(health.clone(), metrics);
    let (address, task) = http::serve(([127, 0, 0, 1], 0).into(), router, stop.clone()).await.unwrap();
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    health.set("broker", State::No("not connected".to_owned()));
    let ready = get(address, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.contains(r#""broker":{"state":"no","reason":"not connected"}"#), "{ready}");
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    health.set("stage writer", State::Failed("its consumer was deleted".to_owned()));
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 503"));
    assert!(get(address, "/metrics").await.contains("heimdex_stage_in_total{stage=\"writer\"} 1"));
    stop.cancel();
    task.await.unwrap().unwrap();
}
