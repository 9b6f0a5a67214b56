//! A dead-letter stream that takes no more: the stage stops, loudly, loses nothing, and goes on by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::sync::Arc;

use heimdex_bus::Bus;
use heimdex_runtime::{Process, State};
use heimdex_schemas::{Lane, StageName};
use heimdex_testkit::{NatsServer, eventually};
use support::{Obedient, SOON, Seen, World, config, document, options};
use tokio_util::sync::CancellationToken;

const COMPONENT: &str = "dependencies of chunker";

async fn world(dead_letters: i64) -> World {
    let server = NatsServer::start();
    let mut options = options(&server.url());
    options.limits.dead_letters = dead_letters;
    let bus = Bus::connect(&server.url(), options).await.unwrap();
    bus.ensure().await.unwrap();
    World { server, process: Process::new(bus), shutdown: CancellationToken::new() }
}

#[tokio::test]
async fn a_full_dead_letter_stream_stops_the_stage_until_there_is_room() {
    let world = world(1).await;
    let seen = Arc::new(Seen::default());
    for n in 1..=3 {
        world.put(&document(&format!("bad-{n}"), n, Lane::Interactive, "permanent")).await;
    }
    world.run(Obedient(Arc::clone(&seen)), config());
    let state = || world.process.health.report().components.get(COMPONENT).cloned();
    eventually!(SOON, matches!(state(), Some(State::No(reason)) if reason.contains("the dead-letter stream is full")));
    assert!(!world.process.health.report().ready);
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 1);
    assert_eq!(world.messages("HEIMDEX_DOCUMENTS").await, 2, "those that found no room wait where they were");
    let letters = world.bus().dead_letters();
    for left in [1, 0] {
        let state = letters.state().await.unwrap();
        let oldest = letters.get(state.first_sequence).await.unwrap().unwrap();
        letters.remove(&oldest).await.unwrap();
        eventually!(SOON, world.messages("HEIMDEX_DOCUMENTS").await == left);
    }
    eventually!(SOON, state() == Some(State::Yes));
    assert_eq!(world.messages("HEIMDEX_DLQ").await, 1);
    assert_eq!(world.messages("HEIMDEX_VECTORS").await, 3, "each has its consequence");
    assert_eq!(world.bus().queue_state(StageName::Chunker).await.unwrap().orphans(), 0);
    world.shutdown.cancel();
}
