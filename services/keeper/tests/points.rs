//! Points: what is replaced is deleted in its time, what is searchable stays, to the point.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use heimdex_index::State;
use heimdex_keeper::points::{self, Swept};
use heimdex_keeper::{Kind, Settings};
use heimdex_schemas::ReceiptState;
use serde_json::json;
use support::{MODEL, Scene, Upload, settings};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn dead_points_go_when_their_time_has_come_and_live_ones_stay() {
    let scene = Scene::start().await;
    let (old, new) = (Upload::new("menu", 1), Upload::new("menu", 2));
    scene.live(&old, 7).await;
    scene.retire(&old).await;
    scene.live(&new, 5).await;

    let patient = scene.desk(Settings { keep_dead: DAY, ..settings() }).await;
    assert_eq!(points::round(&patient).await.unwrap(), Swept::default(), "seen dead just now");
    let dry = scene.desk(Settings { dry_run: true, ..settings() }).await;
    assert_eq!(points::round(&dry).await.unwrap(), Swept { dead: 7, staged: 0 });
    assert_eq!((scene.count(State::Dead).await, scene.count(State::Live).await), (7, 5));

    let desk = scene.desk(settings()).await;
    assert_eq!(points::round(&desk).await.unwrap(), Swept { dead: 7, staged: 0 });
    assert_eq!((scene.count(State::Dead).await, scene.count(State::Live).await), (0, 5));
    assert_eq!(desk.metrics.removed(Kind::DeadPoint), 7);
    assert_eq!(points::round(&desk).await.unwrap(), Swept::default(), "a second round finds nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_deletes_no_more_than_its_limit() {
    let scene = Scene::start().await;
    let upload = Upload::new("menu", 1);
    scene.live(&upload, 10).await;
    scene.retire(&upload).await;
    let desk = scene.desk(Settings { points_batch: 4, ..settings() }).await;
    for left in [6, 2, 0] {
        points::round(&desk).await.unwrap();
        assert_eq!(scene.count(State::Dead).await, left);
    }
}

/// Deleting a newer upload brings an older one back; the time it spent dead must not count against it.
#[tokio::test(flavor = "multi_thread")]
async fn revived_points_begin_a_new_life() {
    let scene = Scene::start().await;
    let upload = Upload::new("menu", 1);
    scene.live(&upload, 3).await;
    scene.retire(&upload).await;
    let patient = scene.desk(Settings { keep_dead: DAY, ..settings() }).await;
    points::round(&patient).await.unwrap();
    scene.points().await.revive(upload.id()).await.unwrap();
    assert_eq!(points::round(&scene.desk(settings()).await).await.unwrap(), Swept::default());
    assert_eq!(scene.count(State::Live).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_points_go_only_when_nothing_will_complete_them() {
    let scene = Scene::start().await;
    let staged = |name| Upload::new(name, 1);
    for name in ["unknown", "open", "superseded", "deleted", "failed", "failed but replayed", "degraded"] {
        scene.stage(&staged(name), 2).await;
    }
    scene.put(&format!("accepted.{}", staged("open").id()), &staged("open").acceptance()).await;
    for (name, state) in [
        ("superseded", ReceiptState::Superseded),
        ("deleted", ReceiptState::Deleted),
        ("failed", ReceiptState::Failed),
        ("failed but replayed", ReceiptState::Failed),
        ("degraded", ReceiptState::Degraded),
    ] {
        scene.conclude(&staged(name), state, 0).await;
    }
    let written = json!({"parts": 2, "replay": 1, "outcome": {"written": {}}});
    scene.put(&format!("part.{}.{MODEL}.0", staged("failed but replayed").id()), &written).await;

    let patient = scene.desk(Settings { keep_staged: DAY, ..settings() }).await;
    assert_eq!(points::round(&patient).await.unwrap(), Swept { dead: 0, staged: 4 }, "superseded and deleted ones");
    let desk = scene.desk(settings()).await;
    assert_eq!(points::round(&desk).await.unwrap(), Swept { dead: 0, staged: 4 }, "unknown and failed ones");
    for (name, left) in [("open", 2), ("failed but replayed", 2), ("degraded", 2), ("unknown", 0), ("failed", 0)] {
        let count = scene.points().await.count(staged(name).id(), State::Staged).await.unwrap();
        assert_eq!(count, left, "{name}");
    }
}
