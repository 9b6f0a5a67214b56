//! Replaying, against a real nats-server: nothing lost, nothing twice, wherever it is interrupted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use heimdex_bus::dead_letter::header;
use heimdex_redrive::replay::{Intent, LetterResult, Planned, RunState, Sent, Skipped, Step};
use heimdex_redrive::{Destination, Filter, Replay};
use heimdex_schemas::{AssetUploaded, Content, Envelope, Lane, Order, Org, StageName, UploadId};
use heimdex_stage::{Acceptance, Ledger as _, accept};
use heimdex_testkit::eventually;
use support::{SOON, SUBJECT, World, at_once, message};
use tokio::sync::Notify;

fn silent(_: Step<'_>) {}

/// What each letter's replay is called.
fn names(letters: &[LetterResult]) -> Vec<(u64, Option<String>, Option<String>)> {
    letters.iter().map(|letter| (letter.sequence, letter.subject.clone(), letter.msg_id.clone())).collect()
}

#[tokio::test]
async fn a_message_goes_back_as_it_was() {
    let world = World::new().await;
    let letter = world.die("first", "bad").await;
    let report = world.redrive.replay(at_once(Filter::default()), silent).await.unwrap();
    assert_eq!((report.state, report.counts.sent, world.letters().await), (RunState::Finished, 1, 0));
    let delivery = message(&mut world.puller().await).await;
    assert_eq!((delivery.subject(), delivery.payload()), (SUBJECT, &Bytes::from_static(b"noise of first")));
    let expected = format!("redrive-{}-1", letter.id());
    for (name, value) in [
        ("X-Own", "kept: as it was"),
        ("Nats-Msg-Id", expected.as_str()),
        (header::REPLAY, "1"),
        (header::REPLAYED_FROM, &letter.id()),
    ] {
        assert_eq!(delivery.header(name), Some(value), "{name}");
    }
    assert!(delivery.header("Heimdex-Code").is_none(), "what was said of its death is not the message's");
}

/// Trap 4: the first copy's Msg-Id is still in the broker's window.
#[tokio::test]
async fn a_replay_inside_the_dedupe_window_is_stored() {
    let world = World::new().await;
    world.die("again", "bad").await;
    let report = world.redrive.replay(at_once(Filter::default()), silent).await.unwrap();
    assert_eq!(report.counts.duplicates, 0);
    assert_eq!(world.queued().await, 1);
}

#[tokio::test]
async fn replaying_twice_changes_nothing() {
    let world = World::new().await;
    world.die("one", "bad").await;
    let keep = Replay { keep: true, ..at_once(Filter::default()) };
    assert_eq!(world.redrive.replay(keep.clone(), silent).await.unwrap().counts.sent, 1);
    let again = world.redrive.replay(keep, silent).await.unwrap();
    assert_eq!((again.counts.sent, again.counts.skipped[&Skipped::AlreadyReplayed]), (0, 1));
    assert_eq!((world.queued().await, world.letters().await), (1, 1));
    let forced = Replay { force: true, ..at_once(Filter::default()) };
    let forced = world.redrive.replay(forced, silent).await.unwrap();
    assert_eq!((forced.counts.sent, forced.letters[0].replay), (1, 2));
    let none = world.redrive.replay(at_once(Filter::default()), silent).await.unwrap();
    assert_eq!((none.counts.selected, world.queued().await, world.letters().await), (0, 2, 0));
}

#[tokio::test]
async fn a_crash_between_any_two_steps_sends_once() {
    let world = World::new().await;
    for step in 0..3 {
        let letter = world.die(&format!("m{step}"), "bad").await;
        let planned = Planned {
            subject: SUBJECT.to_owned(),
            msg_id: format!("redrive-{}-1", letter.id()),
            replay: 1,
            letter: letter.clone(),
        };
        assert_eq!(world.redrive.intend(&planned, "crashed", false).await.unwrap(), Intent::Send);
        if step > 0 {
            world.redrive.send(&planned, &letter).await.unwrap();
        }
        if step > 1 {
            world.redrive.confirm(&planned).await.unwrap();
        }
    }
    let report = world.redrive.replay(at_once(Filter::default()), silent).await.unwrap();
    let results: Vec<_> = report.letters.iter().map(|letter| letter.result.clone()).collect();
    assert!(matches!(results[0], Sent::Sent { duplicate: false, .. }), "marked only: {results:?}");
    assert!(matches!(results[1], Sent::Sent { duplicate: true, .. }), "sent and not confirmed: {results:?}");
    assert_eq!(results[2], Sent::Skipped { reason: Skipped::AlreadyReplayed }, "only not removed");
    assert_eq!((world.queued().await, world.letters().await), (3, 0));
}

#[tokio::test]
async fn an_interrupted_run_is_resumed_where_it_was() {
    let world = World::new().await;
    for n in 0..6 {
        world.die(&format!("m{n}"), "bad").await;
    }
    let (third, mut run, mut sent) = (Notify::new(), String::new(), 0);
    let request = Replay { in_flight: 1, ..at_once(Filter::default()) };
    let observe = |step: Step<'_>| match step {
        Step::Started { run: id, .. } => id.clone_into(&mut run),
        Step::Letter(_) => {
            sent += 1;
            if sent == 3 {
                third.notify_one();
            }
        }
        _ => {}
    };
    tokio::select! {
        biased;
        () = third.notified() => {}
        ended = world.redrive.replay(request, observe) => panic!("it was to be interrupted: {ended:?}"),
    }
    assert_eq!(world.redrive.run(&run).await.unwrap().unwrap().state, RunState::Running, "as a crash leaves it");
    let resumed = world.redrive.resume(&run, silent).await.unwrap();
    assert_eq!((resumed.run.as_deref(), resumed.state), (Some(run.as_str()), RunState::Finished));
    assert_eq!((world.queued().await, world.letters().await), (6, 0), "each once");
    assert!(world.redrive.resume(&run, silent).await.is_err(), "it has come to its end");
    assert!(world.redrive.resume("nobody", silent).await.is_err());
}

#[tokio::test]
async fn a_canary_that_comes_back_stops_the_run_and_resuming_goes_on() {
    let world = World::new().await;
    for n in 0..3 {
        world.die(&format!("m{n}"), "the same").await;
    }
    let stage = world.stage("the same", true);
    let mut run = String::new();
    let observe = |step: Step<'_>| {
        if let Step::Started { run: id, .. } = step {
            id.clone_into(&mut run);
        }
    };
    let request = Replay { rate: 0.0, ..Replay::default() };
    let stopped = world.redrive.replay(request, observe).await.unwrap();
    assert!(matches!(stopped.state, RunState::Stopped { .. }), "{:?}", stopped.state);
    assert_eq!((stopped.counts.sent, stopped.counts.came_back), (1, 1));
    assert_eq!(world.letters().await, 3, "two that were not sent, and the one that is back");
    stage.is_broken.store(false, Ordering::SeqCst);
    let resumed = world.redrive.resume(&run, silent).await.unwrap();
    assert_eq!((resumed.state, resumed.counts.sent, resumed.counts.came_through), (RunState::Finished, 3, 1));
    assert_eq!(world.letters().await, 1, "what came back is of after the start");
    eventually!(SOON, stage.seen.load(Ordering::SeqCst) == 3);
}

#[tokio::test]
async fn too_many_of_the_same_stop_a_run_under_way() {
    let world = World::new().await;
    for n in 0..40 {
        world.die(&format!("m{n}"), "the same").await;
    }
    let _stage = world.stage("the same", true);
    let request = Replay { canary: 0, rate: 20.0, stop_after: 2, ..Replay::default() };
    let report = world.redrive.replay(request, silent).await.unwrap();
    assert!(matches!(report.state, RunState::Stopped { .. }), "{:?}", report.state);
    assert!(report.counts.sent < 40 && report.counts.came_back >= 2, "{:?}", report.counts);
    eventually!(SOON, world.letters().await == 40);
}

#[tokio::test]
async fn what_comes_back_counts_its_replays_and_is_left_alone_in_the_end() {
    let world = World::new().await;
    let first = world.die("m", "the same").await;
    let _stage = world.stage("the same", true);
    for round in 1..=3 {
        let report = world.redrive.replay(at_once(Filter::default()), silent).await.unwrap();
        assert_eq!((report.counts.sent, report.letters[0].replay), (1, round));
        eventually!(SOON, world.letters().await == 1);
    }
    let tired = world.redrive.replay(at_once(Filter::default()), silent).await.unwrap();
    assert_eq!((tired.counts.sent, tired.counts.skipped[&Skipped::ReplayedTooOften]), (0, 1));
    let last = world.redrive.letters().state().await.unwrap().last_sequence;
    let shown = world.redrive.show(last).await.unwrap();
    assert_eq!((shown.letter.replay, shown.letter.first_position()), (3, (first.origin.epoch, first.origin.sequence)));
    assert_eq!(shown.letter.first_failed_at, first.first_failed_at);
    assert_eq!(shown.timeline.len(), 7, "it died four times and was replayed three times: {:?}", shown.timeline);
}

#[tokio::test]
async fn the_rate_is_kept() {
    let world = World::new().await;
    for n in 0..10 {
        world.die(&format!("m{n}"), "bad").await;
    }
    let start = Instant::now();
    let request = Replay { rate: 20.0, ..at_once(Filter::default()) };
    assert_eq!(world.redrive.replay(request, silent).await.unwrap().counts.sent, 10);
    assert!(start.elapsed() >= Duration::from_millis(450), "ten messages at 20 a second: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_dry_run_names_exactly_what_is_sent() {
    let world = World::new().await;
    for n in 0..6 {
        world.die(&format!("m{n}"), if n % 2 == 0 { "even" } else { "odd" }).await;
    }
    let fingerprint = world.redrive.letters().get(1).await.unwrap().unwrap().fingerprint;
    let filter = Filter { fingerprints: vec![fingerprint], ..Filter::default() };
    let request = Replay { destination: Destination::Lane(Lane::Bulk), ..at_once(filter) };
    let plan = world.redrive.preview(&request).await.unwrap();
    assert_eq!((plan.counts.sent, plan.run.as_ref(), world.letters().await), (3, None, 6));
    let done = world.redrive.replay(request, silent).await.unwrap();
    assert_eq!(names(&plan.letters), names(&done.letters));
    assert_eq!(world.letters().await, 3);
    let mut bulk = world.bus.puller(StageName::Extractor, Lane::Bulk).await.unwrap();
    let mut sent = Vec::new();
    for _ in &plan.letters {
        sent.push(message(&mut bulk).await.header("Nats-Msg-Id").map(str::to_owned));
    }
    let mut planned: Vec<_> = plan.letters.iter().map(|letter| letter.msg_id.clone()).collect();
    // Several are on their way at once.
    sent.sort();
    planned.sort();
    assert_eq!(sent, planned);
}

fn upload(event_id: &str) -> Envelope {
    let event = AssetUploaded {
        asset_id: "資料/a b".parse().unwrap(),
        content: Content::Text("text".to_owned()),
        org: None,
        title: None,
        source: None,
        model: None,
        password: None,
    };
    Envelope::wrap("/cms", event_id, &event).unwrap()
}

/// An upload that died before anybody had accepted it must not be newer than one that came after it.
#[tokio::test]
async fn a_replayed_upload_keeps_its_place() {
    let world = World::new().await;
    let org: Org = "acme".parse().unwrap();
    world.bus.publisher().publish_asset(&org, Lane::Interactive, upload("old")).await.unwrap();
    let delivery = message(&mut world.puller().await).await;
    let old = world.bury(&delivery, "killed its worker").await;
    world.bus.publisher().publish_asset(&org, Lane::Interactive, upload("new")).await.unwrap();
    assert_eq!(old.asset.as_ref().unwrap().as_str(), "資料/a b");
    assert_eq!(old.upload, Some(UploadId::new(&org, "/cms", "old")));
    let report = world.redrive.replay(at_once(Filter::default()), silent).await.unwrap();
    let Sent::Sent { sequence, .. } = report.letters[0].result else { panic!("{report:?}") };
    assert!(sequence > 2, "behind the newer upload");
    let key = accept::key(UploadId::new(&org, "/cms", "old"));
    let (_, value) = world.bus.ledger().get(&key).await.unwrap().expect("accepted by the replay");
    let accepted: Acceptance = serde_json::from_slice(&value).unwrap();
    assert_eq!(accepted.order, Order::by_stream(old.origin.epoch, 1), "where it was stored first");
}

#[tokio::test]
async fn a_run_leaves_an_audit() {
    let world = World::new().await;
    world.die("m", "bad").await;
    // In a task of its own, as a server runs it.
    let redrive = world.redrive.clone();
    let replay = tokio::spawn(async move { redrive.replay(at_once(Filter::default()), silent).await });
    let report = replay.await.unwrap().unwrap();
    let run = report.run.clone().unwrap();
    let record = world.redrive.run(&run).await.unwrap().unwrap();
    assert_eq!((record.by.as_str(), record.counts.sent, record.state), ("tester@here", 1, RunState::Finished));
    let pages = world.bus.ledger().list(&format!("redrive.{run}.letters")).await.unwrap();
    let letters: Vec<LetterResult> = serde_json::from_slice(&pages[0].1).unwrap();
    assert_eq!(letters, report.letters);
}
