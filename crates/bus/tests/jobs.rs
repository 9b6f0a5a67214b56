//! Jobs and the clock of receipts, against a real nats-server and what the stages would leave behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use heimdex_bus::jobs::{CancelError, Cancelled, JobOptions, Selection};
use heimdex_bus::{Bus, JobState, JobUpdate, Jobs, Options, Pulled, Wait};
use heimdex_schemas::{
    AssetUploaded, Content, Envelope, Failure, FailureClass, Lane, Order, Org, Progress, Receipt, ReceiptState,
    StageName, UploadId,
};
use heimdex_stage::{Acceptance, Ledger, accept};
use heimdex_testkit::{NatsServer, eventually};

const SOON: Duration = Duration::from_secs(20);

async fn bus(server: &NatsServer) -> Bus {
    let bus = Bus::connect(&server.url(), Options::default()).await.unwrap();
    bus.ensure().await.unwrap();
    bus
}

fn org() -> Org {
    "acme".parse().unwrap()
}

fn job(name: &str) -> UploadId {
    UploadId::new(&org(), "/cms", name)
}

fn receipt(name: &str, state: ReceiptState) -> Receipt {
    let failure = Failure {
        stage: StageName::Extractor,
        class: FailureClass::Rejected,
        code: "encrypted".to_owned(),
        message: "it is locked".to_owned(),
    };
    Receipt {
        org: org(),
        asset_id: Some(name.parse().unwrap()),
        upload: job(name),
        state,
        version: 0,
        order: Order::by_uploader(1),
        model: Some("tiny".parse().unwrap()),
        chunks: 3,
        pages: 2,
        format: None,
        language: None,
        warnings: Vec::new(),
        missing: Vec::new(),
        failures: if state == ReceiptState::Failed { vec![failure] } else { Vec::new() },
        reused: 0,
        truncated_tokens: 0,
        removed: 0,
        stages: Vec::new(),
        superseded_by: None,
        accepted_at: DateTime::UNIX_EPOCH,
        completed_at: Utc::now(),
    }
}

async fn finish(bus: &Bus, name: &str, state: ReceiptState) -> u64 {
    bus.publisher().publish(StageName::Writer, &receipt(name, state), None).await.unwrap().sequence
}

/// Publishes an upload and returns its sequence.
async fn upload(bus: &Bus, lane: Lane, name: &str) -> u64 {
    let event = AssetUploaded {
        asset_id: name.parse().unwrap(),
        content: Content::Text("text".to_owned()),
        org: None,
        title: None,
        source: None,
        model: None,
        password: None,
    };
    let envelope = Envelope::wrap("/cms", name, &event).unwrap();
    bus.publisher().publish_asset(&org(), lane, envelope).await.unwrap().sequence
}

async fn accepted(bus: &Bus, name: &str, sequence: u64) {
    let acceptance = Acceptance {
        org: org(),
        asset_id: Some(name.parse().unwrap()),
        model: Some("tiny".parse().unwrap()),
        lane: Lane::Interactive,
        order: Order::by_stream(1, sequence),
        position: Order::by_stream(1, sequence),
        accepted_at: DateTime::UNIX_EPOCH,
    };
    let value = Bytes::from(serde_json::to_vec(&acceptance).unwrap());
    bus.ledger().create(&accept::key(job(name)), value).await.unwrap().unwrap();
}

async fn report(bus: &Bus, name: &str, stage: StageName, (part, parts): (u32, u32), outputs: u32) {
    let at = Utc::now();
    let progress = Progress { org: org(), upload: job(name), stage, part, parts, outputs, sequence: Some(1), at };
    bus.progress(&progress).await;
    bus.flush().await.unwrap();
}

/// Messages that each stage has handled, of how many.
async fn counts(jobs: &Jobs, name: &str) -> Vec<(u32, Option<u32>)> {
    let found = jobs.get(&org(), job(name)).await.unwrap().unwrap();
    found.stages.iter().map(|status| (status.done, status.total)).collect()
}

/// Every job of the org, newest first.
async fn states(jobs: &Jobs, state: Option<JobState>) -> Vec<(UploadId, JobState)> {
    let selection = Selection { org: Some(org()), state, limit: 10 };
    jobs.list(&selection).await.unwrap().into_iter().map(|job| (job.job_id, job.state)).collect()
}

#[tokio::test]
async fn a_job_is_known_from_its_event_to_its_receipt() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let jobs = bus.jobs();
    assert_eq!(jobs.get(&org(), job("a")).await.unwrap(), None);
    let sequence = upload(&bus, Lane::Interactive, "a").await;
    let waiting = jobs.get(&org(), job("a")).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.asset_id.unwrap().as_str()), (JobState::Queued, "a"));
    assert_eq!((waiting.queue.unwrap().ahead, waiting.estimate_seconds), (0, None));

    accepted(&bus, "a", sequence).await;
    report(&bus, "a", StageName::Extractor, (0, 1), 1).await;
    report(&bus, "a", StageName::Chunker, (0, 1), 4).await;
    for part in [3, 1, 3] {
        report(&bus, "a", StageName::Embedder, (part, 4), 1).await;
    }
    let model = "tiny";
    bus.ledger().create(&format!("part.{}.{model}.3", job("a")), Bytes::from_static(b"{}")).await.unwrap();
    let expected = [(1, Some(1)), (1, Some(1)), (2, Some(4)), (1, Some(4))];
    eventually!(SOON, counts(&jobs, "a").await == expected);
    let running = jobs.get(&org(), job("a")).await.unwrap().unwrap();
    assert_eq!((running.state, running.chunks), (JobState::Running, None));

    let sequence = finish(&bus, "a", ReceiptState::Indexed).await;
    let over = jobs.get(&org(), job("a")).await.unwrap().unwrap();
    assert_eq!((over.state, over.chunks, over.pages), (JobState::Indexed, Some(3), Some(2)));
    assert_eq!((over.sequence, over.queue, over.estimate_seconds), (Some(sequence), None, None));
    assert_eq!(jobs.get(&"globex".parse().unwrap(), job("a")).await.unwrap(), None);
}

#[tokio::test]
async fn the_place_in_the_queue_counts_what_is_before_it_in_its_lane() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    for name in ["a", "b", "c"] {
        upload(&bus, Lane::Interactive, name).await;
    }
    upload(&bus, Lane::Bulk, "d").await;
    let ahead = |name: &'static str| {
        let jobs = bus.jobs();
        async move { jobs.get(&org(), job(name)).await.unwrap().unwrap().queue.map(|queue| queue.ahead) }
    };
    assert_eq!([ahead("a").await, ahead("b").await, ahead("c").await], [Some(0), Some(1), Some(2)]);
    // The other lane's messages stand between, but its own has one only.
    assert_eq!(ahead("d").await, Some(0));
    let mut puller = bus.puller(StageName::Extractor, Lane::Interactive).await.unwrap();
    let Pulled::Message(_held) = puller.pull(Wait::For(SOON)).await else { panic!("no message") };
    assert_eq!([ahead("a").await, ahead("b").await, ahead("c").await], [None, Some(0), Some(1)]);
    // Who looks no further than one message does not find the last one.
    let short = bus.jobs().with_options(JobOptions { scan_waiting: 1, ..JobOptions::default() });
    assert_eq!(short.get(&org(), job("c")).await.unwrap(), None);
}

#[tokio::test]
async fn an_estimate_needs_work_in_the_last_minute() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let sequence = upload(&bus, Lane::Interactive, "a").await;
    accepted(&bus, "a", sequence).await;
    assert_eq!(bus.jobs().get(&org(), job("a")).await.unwrap().unwrap().estimate_seconds, None);
    for stage in [StageName::Extractor, StageName::Chunker, StageName::Embedder, StageName::Writer] {
        for other in ["x", "y", "z"] {
            report(&bus, other, stage, (0, 1), 1).await;
        }
    }
    eventually!(SOON, bus.stream_messages("HEIMDEX_PROGRESS").await.unwrap() == 12);
    let estimate = bus.jobs().get(&org(), job("a")).await.unwrap().unwrap().estimate_seconds.unwrap();
    assert!((0.1..60.0).contains(&estimate), "{estimate}");
}

#[tokio::test]
async fn lists_show_the_newest_first_and_tell_states_apart() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let jobs = bus.jobs();
    for name in ["a", "b"] {
        finish(&bus, name, ReceiptState::Indexed).await;
    }
    finish(&bus, "c", ReceiptState::Failed).await;
    let sequence = upload(&bus, Lane::Interactive, "d").await;
    accepted(&bus, "d", sequence).await;
    report(&bus, "d", StageName::Extractor, (0, 1), 1).await;
    upload(&bus, Lane::Bulk, "e").await;
    // A report of a job that is over makes it no running one.
    report(&bus, "a", StageName::Writer, (0, 1), 1).await;
    eventually!(SOON, bus.stream_messages("HEIMDEX_PROGRESS").await.unwrap() == 2);

    assert_eq!(states(&jobs, Some(JobState::Running)).await, [(job("d"), JobState::Running)]);
    assert_eq!(states(&jobs, Some(JobState::Queued)).await, [(job("e"), JobState::Queued)]);
    assert_eq!(states(&jobs, Some(JobState::Failed)).await, [(job("c"), JobState::Failed)]);
    let all = states(&jobs, None).await;
    assert_eq!(all.len(), 5, "{all:?}");
    assert_eq!(all.last().unwrap().0, job("a"));
    let everyone = Selection { org: None, state: None, limit: 2 };
    let newest = jobs.list(&everyone).await.unwrap();
    assert_eq!(newest.iter().map(|job| job.job_id).collect::<Vec<_>>(), [job("e"), job("d")]);
    let stranger = Selection { org: Some("globex".parse().unwrap()), state: None, limit: 10 };
    assert!(jobs.list(&stranger).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_goes_back_until_it_has_enough() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    finish(&bus, "rare", ReceiptState::Indexed).await;
    let other: Org = "globex".parse().unwrap();
    for n in 0..40 {
        let name = format!("n-{n}");
        let receipt = Receipt { org: other.clone(), ..receipt(&name, ReceiptState::Indexed) };
        bus.publisher().publish(StageName::Writer, &receipt, None).await.unwrap();
    }
    let selection = Selection { org: Some(org()), state: None, limit: 1 };
    assert_eq!(bus.jobs().list(&selection).await.unwrap()[0].job_id, job("rare"));
}

#[tokio::test]
async fn cancelling_leaves_a_wish_in_the_ledger() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let jobs = bus.jobs();
    let wish = Cancelled { org: org(), at: Utc::now(), by: "test".to_owned(), reason: Some("a mistake".to_owned()) };
    let unknown = jobs.cancel(&org(), job("a"), &wish).await;
    assert!(matches!(unknown, Err(CancelError::Unknown { .. })), "{unknown:?}");
    upload(&bus, Lane::Interactive, "a").await;
    let stranger = jobs.cancel(&"globex".parse().unwrap(), job("a"), &wish).await;
    assert!(matches!(stranger, Err(CancelError::Unknown { .. })), "{stranger:?}");
    jobs.cancel(&org(), job("a"), &wish).await.unwrap();
    jobs.cancel(&org(), job("a"), &wish).await.unwrap();
    let (_, value) = bus.ledger().get(&format!("cancelled.{}", job("a"))).await.unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<Cancelled>(&value).unwrap(), wish);
    assert!(jobs.get(&org(), job("a")).await.unwrap().unwrap().cancel_requested);
    finish(&bus, "a", ReceiptState::Indexed).await;
    let over = jobs.cancel(&org(), job("a"), &wish).await;
    assert!(matches!(over, Err(CancelError::Over { state: JobState::Indexed, .. })), "{over:?}");
}

#[tokio::test]
async fn watching_a_job_begins_with_what_has_happened() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    report(&bus, "a", StageName::Extractor, (0, 1), 1).await;
    report(&bus, "b", StageName::Extractor, (0, 1), 1).await;
    let mut updates = bus.jobs().watch(&org(), Some(job("a"))).await.unwrap();
    let JobUpdate::Progress(first) = updates.next().await.unwrap().unwrap() else { panic!("no report") };
    assert_eq!((first.upload, first.stage), (job("a"), StageName::Extractor));
    finish(&bus, "b", ReceiptState::Indexed).await;
    let sequence = finish(&bus, "a", ReceiptState::Indexed).await;
    let JobUpdate::Receipt(last) = updates.next().await.unwrap().unwrap() else { panic!("no receipt") };
    assert_eq!((last.sequence, last.receipt.upload), (sequence, job("a")));
}

#[tokio::test]
async fn the_clock_follows_the_receipts_across_a_restart_of_the_broker() {
    let mut server = NatsServer::start();
    let bus = bus(&server).await;
    let before = finish(&bus, "a", ReceiptState::Indexed).await;
    let clock = bus.receipts().clock().await.unwrap();
    assert_eq!((clock.now(), clock.reached(before).await), (before, before));
    let waiting = tokio::spawn({
        let clock = clock.clone();
        async move { clock.reached(before + 2).await }
    });
    finish(&bus, "b", ReceiptState::Indexed).await;
    server.restart();
    eventually!(
        SOON,
        bus.publisher().publish(StageName::Writer, &receipt("c", ReceiptState::Indexed), None).await.is_ok()
    );
    assert!(tokio::time::timeout(SOON, waiting).await.unwrap().unwrap() >= before + 2);
    // The same upload again replaces its receipt, with a later sequence.
    let again = Receipt { version: 1, ..receipt("a", ReceiptState::Indexed) };
    let newest = bus.publisher().publish(StageName::Writer, &again, None).await.unwrap().sequence;
    assert_eq!(tokio::time::timeout(SOON, clock.reached(newest)).await.unwrap(), newest);
}
