//! The consume loop in a process of its own, killed at planned points and by its own messages.
//!
//! The program is its own child: started with `HEIMDEX_TEST_WORKER` set to a broker's URL it runs the stage until it is
//! told to stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use heimdex_bus::Bus;
use heimdex_runtime::{LogFormat, Process, Telemetry, failpoint, run_stage, signals};
use heimdex_schemas::{ChunksCreated, FailureClass, Lane, Outcome, StageName};
use heimdex_testkit::{Child, eventually};
use libtest_mimic::{Arguments, Failed, Trial};
use support::{Obedient, SOON, Seen, World, config, document, options};

const WORKER: &str = "HEIMDEX_TEST_WORKER";
const LANE: Lane = Lane::Interactive;

fn main() -> ExitCode {
    if let Ok(url) = std::env::var(WORKER) {
        return on_runtime(work(url));
    }
    let trials = [
        trial("crash_between_publish_and_ack", || on_runtime(crash_between_publish_and_ack())),
        trial("crash_between_dead_letter_and_consequence", || on_runtime(crash_between_dead_letter_and_consequence())),
        trial("crash_before_term", || on_runtime(crash_before_term())),
        trial("crash_before_the_mark", || on_runtime(crash_before_the_mark())),
        trial("a_message_that_aborts_is_poison", || on_runtime(a_message_that_kills_is_poison("abort"))),
        trial("a_message_that_segfaults_is_poison", || on_runtime(a_message_that_kills_is_poison("segfault"))),
        trial("a_message_that_overflows_is_poison", || on_runtime(a_message_that_kills_is_poison("overflow"))),
        trial("a_message_that_exhausts_memory_is_poison", || on_runtime(a_message_that_kills_is_poison("exhaust"))),
        trial("a_message_that_gets_killed_is_poison", || on_runtime(a_message_that_kills_is_poison("killed"))),
        trial("a_process_that_was_only_paused_did_not_die", || on_runtime(paused())),
        trial("sigterm_drains", || on_runtime(sigterm_drains())),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn trial(name: &str, run: fn()) -> Trial {
    Trial::test(name, move || {
        run();
        Ok::<(), Failed>(())
    })
}

fn on_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// The child.
async fn work(url: String) -> ExitCode {
    let _telemetry = Telemetry::start("worker", LogFormat::Text, "info", None).unwrap();
    let bus = Bus::connect(&url, options(&url)).await.unwrap();
    let shutdown = signals::shutdown().unwrap();
    let stage = Obedient(Arc::new(Seen::default()));
    match run_stage(stage, config(), &Process::new(bus), shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn worker(world: &World, failpoints: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(WORKER, world.server.url()).env(failpoint::VARIABLE, failpoints);
    Child::spawn(command).unwrap()
}

/// Runs a child into its planned crash.
fn crash(world: &World, failpoint: &str) {
    let mut child = worker(world, failpoint);
    let status = child.wait(SOON);
    assert!(!status.success(), "{}", child.output());
    assert!(child.output().contains("planned crash"), "{}", child.output());
}

async fn crash_between_publish_and_ack() {
    let world = World::new().await;
    world.put(&document("a", 1, LANE, "ok")).await;
    crash(&world, "chunker.after_publish");
    assert_eq!((world.messages("HEIMDEX_DOCUMENTS").await, world.messages("HEIMDEX_CHUNKS").await), (1, 1));
    let _child = worker(&world, "");
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!(world.messages("HEIMDEX_CHUNKS").await, 1, "the second copy was a duplicate");
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 0);
    let _: ChunksCreated = world.take(StageName::Embedder, LANE).await;
}

async fn crash_between_dead_letter_and_consequence() {
    let world = World::new().await;
    world.put(&document("a", 1, LANE, "permanent")).await;
    crash(&world, "chunker.after_dead_letter");
    assert_eq!((world.messages("HEIMDEX_DLQ").await, world.messages("HEIMDEX_VECTORS").await), (1, 0));
    let _child = worker(&world, "");
    assert_eq!(world.consequence().await.lineage.asset_id.as_str(), "a");
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 1);
}

async fn crash_before_term() {
    let world = World::new().await;
    world.put(&document("a", 1, LANE, "permanent")).await;
    crash(&world, "chunker.before_term");
    let _child = worker(&world, "");
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!((world.messages("HEIMDEX_DLQ").await, world.messages("HEIMDEX_VECTORS").await), (1, 1));
}

/// The third delivery without an outcome is marked before it is touched; a crash before that is nobody's death.
async fn crash_before_the_mark() {
    let world = World::new().await;
    world.put(&document("a", 1, LANE, "ok")).await;
    world.abandon().await;
    world.abandon().await;
    crash(&world, "chunker.before_ledger_attempt");
    assert!(world.attempts().await.is_empty());
    crash(&world, "chunker.after_ledger_attempt");
    assert!(world.attempts().await[0]["alone"].is_object());
    let _child = worker(&world, "");
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!((world.messages("HEIMDEX_CHUNKS").await, world.messages("HEIMDEX_DLQ").await), (1, 0));
    eventually!(SOON, world.attempts().await.is_empty());
}

/// A suspect's process sleeps past its lease and its mark. Another takes over; the first wakes up and does no harm.
async fn paused() {
    let world = World::new().await;
    world.put(&document("a", 1, LANE, "slow 1500")).await;
    world.abandon().await;
    world.abandon().await;
    let first = worker(&world, "");
    eventually!(SOON, first.output().contains("in hand"));
    first.signal(libc::SIGSTOP);
    let second = worker(&world, "");
    eventually!(SOON, second.output().contains("in hand"));
    first.signal(libc::SIGCONT);
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!((world.messages("HEIMDEX_CHUNKS").await, world.messages("HEIMDEX_DLQ").await), (1, 0));
    eventually!(SOON, world.attempts().await.is_empty());
}

/// Four deaths: twice in company, then twice alone. The neighbours come through.
async fn a_message_that_kills_is_poison(how: &str) {
    let world = World::new().await;
    world.put(&document("killer", 1, LANE, how)).await;
    for n in 2..6 {
        world.put(&document(&format!("innocent-{n}"), n, LANE, "slow 100")).await;
    }
    let mut deaths = 0;
    let mut child = worker(&world, "");
    eventually!(Duration::from_secs(30), {
        if !child.is_running() {
            deaths += 1;
            child = worker(&world, "");
        }
        world.messages("HEIMDEX_DOCUMENTS").await == 0
    });
    assert_eq!(deaths, 4);
    let dead = world.consequence().await;
    assert_eq!(dead.lineage.asset_id.as_str(), "killer");
    let Outcome::Failed(failure) = dead.outcome else { panic!("an outcome") };
    assert_eq!(failure.class, FailureClass::Poison);
    assert_eq!(world.dead_letter().await["Heimdex-Class"], "poison");
    assert_eq!(world.messages("HEIMDEX_CHUNKS").await, 4, "every innocent came through");
}

async fn sigterm_drains() {
    let world = World::new().await;
    let mut child = worker(&world, "");
    eventually!(SOON, child.output().contains("consuming"));
    world.put(&document("a", 1, LANE, "slow 400")).await;
    eventually!(SOON, child.output().contains("in hand"));
    child.terminate();
    assert!(child.wait(SOON).success(), "{}", child.output());
    assert_eq!((world.messages("HEIMDEX_DOCUMENTS").await, world.messages("HEIMDEX_CHUNKS").await), (0, 1));
}
