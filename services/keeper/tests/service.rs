//! The keeper as a service: one works, another waits and takes over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use heimdex_index::State;
use heimdex_keeper::{Kind, Settings};
use heimdex_testkit::eventually;
use support::{SOON, Scene, Upload, settings};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_works_and_the_other_takes_over() {
    let scene = Scene::start().await;
    let brisk = Settings { lease: Duration::from_millis(900), points_every: Duration::from_millis(50), ..settings() };
    let keepers = [scene.keeper(brisk.clone()), scene.keeper(brisk)];
    let metrics = keepers.each_ref().map(|keeper| keeper.metrics.clone());
    let stops = [CancellationToken::new(), CancellationToken::new()];
    let mut tasks = Vec::new();
    for (keeper, stop) in keepers.into_iter().zip(stops.clone()) {
        tasks.push(tokio::spawn(keeper.run(stop)));
    }
    eventually!(SOON, metrics.iter().map(|m| m.holds.get()).sum::<i64>() == 1);
    let first = metrics.iter().position(|m| m.holds.get() == 1).unwrap();
    let second = 1 - first;

    let old = Upload::new("a", 1);
    scene.live(&old, 3).await;
    scene.retire(&old).await;
    eventually!(SOON, scene.count(State::Dead).await == 0);
    assert_eq!(metrics[second].removed(Kind::DeadPoint), 0, "the other only waits");

    stops[first].cancel();
    tasks.remove(first).await.unwrap();
    eventually!(SOON, metrics[second].holds.get() == 1);
    assert_eq!((metrics[first].holds.get(), metrics[second].term.get()), (0, 2));
    scene.live(&Upload::new("b", 1), 2).await;
    scene.retire(&Upload::new("b", 1)).await;
    eventually!(SOON, scene.count(State::Dead).await == 0);
    stops[second].cancel();
    tasks.remove(0).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_outlives_its_broker() {
    let mut scene = Scene::start().await;
    let brisk = Settings { lease: Duration::from_secs(2), points_every: Duration::from_millis(50), ..settings() };
    let keeper = scene.keeper(brisk);
    let (metrics, stop) = (keeper.metrics.clone(), CancellationToken::new());
    let task = tokio::spawn(keeper.run(stop.clone()));
    eventually!(SOON, metrics.holds.get() == 1);
    scene.nats.kill9();
    eventually!(SOON, metrics.holds.get() == 0);
    scene.nats.restart();
    eventually!(SOON, metrics.holds.get() == 1 && metrics.term.get() > 1);
    stop.cancel();
    task.await.unwrap();
}
