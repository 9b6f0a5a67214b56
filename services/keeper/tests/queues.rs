//! Messages that no consumer delivers are noticed and delivered once more; what moves is left alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::path::Path;

use heimdex_keeper::Settings;
use heimdex_keeper::queues::Mender;
use heimdex_schemas::{Lane, StageName};
use heimdex_testkit::NatsServer;
use heimdex_testkit::nats::NatsConfig;
use support::{Scene, Upload, org, settings};

const STAGE: StageName = StageName::Extractor;
const UPLOADS: u64 = 2;

/// Uploads that were taken and acknowledged, and are in the stream all the same: the broker's disk kept the consumer's
/// state and lost the removal of the messages.
async fn stranded(folder: &Path) -> Scene {
    let store_dir = Some(folder.join("js"));
    let mut scene = Scene::with(NatsServer::with(&NatsConfig { store_dir, ..NatsConfig::default() })).await;
    for number in 0..UPLOADS {
        publish(&scene, &format!("asset-{number}")).await;
    }
    let messages = folder.join("js/jetstream/$G/streams/HEIMDEX_ASSETS/msgs");
    copy(&messages, &folder.join("kept"));
    assert_eq!(scene.take(STAGE).await.len() as u64, UPLOADS);
    let server = scene.nats.child();
    server.terminate();
    server.wait(support::SOON);
    copy(&folder.join("kept"), &messages);
    scene.nats.restart();
    heimdex_testkit::eventually!(support::SOON, scene.bus.stream_messages("HEIMDEX_ASSETS").await.is_ok());
    scene
}

/// All files of `to` become those of `from`.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

async fn publish(scene: &Scene, asset: &str) {
    let sent = scene.bus.publisher().publish_asset(&org(), Lane::Interactive, Upload::new(asset, 1).envelope()).await;
    sent.unwrap();
}

async fn pending(scene: &Scene) -> u64 {
    scene.bus.lane_depth(STAGE, Lane::Interactive).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_stranded_is_delivered_again() {
    let folder = tempfile::tempdir().unwrap();
    let scene = stranded(folder.path()).await;
    let (desk, mut mender) = (scene.desk(settings()).await, Mender::default());
    assert_eq!(scene.bus.stranded(STAGE, Lane::Interactive).await.unwrap(), UPLOADS);
    assert_eq!(mender.round(&desk).await.unwrap(), [], "it may just be moving");
    assert_eq!(pending(&scene).await, 0);
    assert_eq!(mender.round(&desk).await.unwrap(), [(STAGE, Lane::Interactive)]);
    assert_eq!(pending(&scene).await, UPLOADS, "the consumer has them before it again");
    scene.bus.ensure().await.unwrap();
    assert_eq!(mender.round(&desk).await.unwrap(), [], "what waits is not stranded");
    assert_eq!(scene.take(STAGE).await.len() as u64, UPLOADS);
    assert_eq!(scene.bus.stream_messages("HEIMDEX_ASSETS").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_is_left_alone_and_a_dry_run_only_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let scene = stranded(folder.path()).await;
    let dry = scene.desk(Settings { dry_run: true, ..settings() }).await;
    let mut mender = Mender::default();
    for _ in 0..3 {
        assert_eq!(mender.round(&dry).await.unwrap(), []);
    }
    let (desk, mut mender) = (scene.desk(settings()).await, Mender::default());
    mender.round(&desk).await.unwrap();
    publish(&scene, "another").await;
    assert_eq!(mender.round(&desk).await.unwrap(), [], "the consumer has work, so it may come to the others");
    assert_eq!(pending(&scene).await, 1);
}
