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
        trial("a_message_that_kills_is_poison", || on_runtime(a_message_that_kills_is_poison())),
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
    crash(&world, "after_publish_before_ack");
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
    crash(&world, "after_dead_letter");
    assert_eq!((world.messages("HEIMDEX_DLQ").await, world.messages("HEIMDEX_VECTORS").await), (1, 0));
    let _child = worker(&world, "");
    assert_eq!(world.consequence().await.lineage.asset_id.as_str(), "a");
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 1);
}

async fn crash_before_term() {
    let world = World::new().await;
    world.put(&document("a", 1, LANE, "permanent")).await;
    crash(&world, "before_term");
    let _child = worker(&world, "");
    eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == 0);
    assert_eq!((world.messages("HEIMDEX_DLQ").await, world.messages("HEIMDEX_VECTORS").await), (1, 1));
}

/// Three deaths: in company, then twice alone. The neighbours come through.
async fn a_message_that_kills_is_poison() {
    let world = World::new().await;
    world.put(&document("killer", 1, LANE, "abort")).await;
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
    assert_eq!(deaths, 3);
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
