//! Work that vanished is driven again, once; what cannot be is ended; what is queued is left alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use heimdex_bus::{Pulled, Wait};
use heimdex_keeper::redrive::{Driven, Driver, LOST};
use heimdex_keeper::work::{Looked, Watch};
use heimdex_keeper::{KeeperError, Settings};
use heimdex_schemas::{
    AssetDeleted, ChunksEmbedded, Content, DocumentExtracted, Envelope, Lane, Outcome, ReceiptState, StageName,
    UploadId,
};
use heimdex_stage::{Blobs as _, Bucket, accept, origin};
use serde_json::json;
use support::{MODEL, SOURCE, Scene, Upload, message, org, settings};

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn look(scene: &Scene) -> Looked {
    Watch::default().round(&scene.desk(settings()).await).await.unwrap()
}

/// An operator empties the queue that holds the upload.
async fn purge(scene: &Scene) {
    assert_eq!(scene.bus.purge_stream("HEIMDEX_DOCUMENTS").await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_upload_is_driven_again_as_the_same_upload() {
    let scene = Scene::start().await;
    let upload = Upload::new("a", 7);
    let first = scene.extract(&upload, true).await;
    let looked = look(&scene).await;
    assert_eq!((looked.open, looked.redriven.len()), (1, 0), "it is queued");
    assert_eq!(looked.stuck, BTreeSet::from([upload.id()]), "and nothing happens to it");

    purge(&scene).await;
    assert_eq!(look(&scene).await.redriven, [upload.id()]);
    let again = look(&scene).await;
    assert!(again.redriven.is_empty() && again.stuck.contains(&upload.id()), "once is enough: it waits now");

    let mut puller = scene.bus.puller(StageName::Extractor, Lane::Interactive).await.unwrap();
    let delivery = message(&mut puller).await;
    let second = scene.accept(&delivery, true).await;
    assert_eq!((second.replay, second.upload, second.order), (1, first.upload, first.order));
    assert_eq!((&second.position, second.accepted_at), (&first.position, first.accepted_at));
    let incoming = delivery.decode(scene.bus.blobs().as_ref(), u64::MAX).await.unwrap();
    assert_eq!(incoming.envelope.data(), upload.envelope().data());
    assert!(matches!(puller.pull(Wait::No).await, Pulled::Empty), "one message");
}

#[tokio::test(flavor = "multi_thread")]
async fn concluded_uploads_and_fresh_ones_are_left_alone() {
    let scene = Scene::start().await;
    let (done, fresh) = (Upload::new("done", 1), Upload::new("fresh", 1));
    scene.extract(&done, true).await;
    scene.conclude(&done, ReceiptState::Indexed, 1).await;
    scene.extract(&fresh, true).await;
    scene.bus.purge_stream("HEIMDEX_DOCUMENTS").await.unwrap();
    let patient = scene.desk(Settings { stuck_after: HOUR, ..settings() }).await;
    let looked = Watch::default().round(&patient).await.unwrap();
    assert_eq!(looked, Looked { open: 1, ..Looked::default() });
    assert_eq!(look(&scene).await.redriven, [fresh.id()]);
}

/// What a round did not see, the next one does; the ledger is read once.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_follows_the_ledger() {
    let scene = Scene::start().await;
    let desk = scene.desk(Settings { stuck_after: HOUR, ..settings() }).await;
    let mut watch = Watch::default();
    for n in 1..=3 {
        scene.extract(&Upload::new("a", n), true).await;
        assert_eq!(watch.round(&desk).await.unwrap().open, n as usize);
    }
    for n in 1..=3 {
        scene.conclude(&Upload::new("a", n), ReceiptState::Indexed, 1).await;
        assert_eq!(watch.round(&desk).await.unwrap().open, 3 - n as usize);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keepers_drive_it_again_once() {
    let scene = Scene::start().await;
    let uploads: Vec<Upload> = (0..5).map(|n| Upload::new(&format!("a{n}"), 1)).collect();
    for upload in &uploads {
        scene.extract(upload, true).await;
    }
    assert_eq!(scene.bus.purge_stream("HEIMDEX_DOCUMENTS").await.unwrap(), 5);
    let desks = [scene.desk(settings()).await, scene.desk(settings()).await];
    let mut watches = [Watch::default(), Watch::default()];
    let [first, second] = &mut watches;
    let (first, second) = tokio::join!(first.round(&desks[0]), second.round(&desks[1]));
    assert_eq!(first.unwrap().redriven.len() + second.unwrap().redriven.len(), 5);
    assert_eq!(scene.take(StageName::Extractor).await.len(), 5);
}

/// The lease only saves work: whoever slept between its look and its action does nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_drives_it_again() {
    let scene = Scene::start().await;
    let upload = Upload::new("a", 1);
    scene.extract(&upload, true).await;
    purge(&scene).await;
    let accepted = scene.ledger().get(&accept::key(upload.id())).await.unwrap().unwrap().1;
    let accepted = serde_json::from_slice(&accepted).unwrap();
    let driver = Driver { bus: &scene.bus, max_redrives: 9, event_bytes: u64::MAX };
    let seen = driver.seen(upload.id()).await.unwrap();
    let drives = futures::future::join_all((0..8).map(|_| driver.again(upload.id(), &accepted, &seen))).await;
    let again = drives.iter().filter(|driven| matches!(driven, Ok(Driven::Again { .. }))).count();
    assert_eq!(again, 1, "{drives:?}");
    assert_eq!(scene.take(StageName::Extractor).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_slept_past_its_lease_stops() {
    let scene = Scene::start().await;
    scene.extract(&Upload::new("a", 1), true).await;
    purge(&scene).await;
    let desk = scene.desk(Settings { lease: Duration::ZERO, ..settings() }).await;
    let result = Watch::default().round(&desk).await;
    assert!(matches!(result, Err(KeeperError::LeaseLost { .. })), "{result:?}");
    assert_eq!(scene.take(StageName::Extractor).await.len(), 0);
}

/// Takes the failure that stands for an upload out of the writer's queue.
async fn failure(scene: &Scene) -> Vec<(u32, u32, String)> {
    let events = scene.take(StageName::Writer).await;
    let read = |envelope: &Envelope| {
        let event: ChunksEmbedded = envelope.data_as().unwrap();
        let Outcome::Failed(failure) = event.outcome else { panic!("a failure") };
        (event.part, event.parts, failure.code)
    };
    events.iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_event_was_not_kept_is_ended() {
    let scene = Scene::start().await;
    let upload = Upload::new("a", 1);
    scene.extract(&upload, false).await;
    purge(&scene).await;
    assert_eq!(look(&scene).await.lost, [upload.id()]);
    assert_eq!(failure(&scene).await, [(0, 1, LOST.to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_original_is_gone_is_ended() {
    let scene = Scene::start().await;
    let mut upload = Upload::new("a", 1);
    let blob = scene.bus.blobs().put(Bucket::Originals, &upload.prefix(), vec![1; 9].into()).await.unwrap();
    let name = blob.name.clone();
    upload.content = Some(Content::Blob { name: blob.name, sha256: blob.sha256, size: blob.size });
    scene.extract(&upload, true).await;
    scene.bus.blobs().delete(Bucket::Originals, &name).await.unwrap();
    purge(&scene).await;
    assert_eq!(look(&scene).await.lost, [upload.id()]);
    assert_eq!(failure(&scene).await, [(0, 1, LOST.to_owned())]);
}

/// What does not end after several tries is not tried for ever; the parts that are written stay.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_never_ends_is_given_up_part_by_part() {
    let scene = Scene::start().await;
    let upload = Upload::new("a", 1);
    scene.extract(&upload, true).await;
    scene.bus.purge_stream("HEIMDEX_DOCUMENTS").await.unwrap();
    let written = json!({"parts": 3, "replay": 0, "outcome": {"written": {}}});
    scene.put(&format!("part.{}.{MODEL}.1", upload.id()), &written).await;
    for _ in 0..settings().max_redrives {
        assert_eq!(look(&scene).await.redriven, [upload.id()]);
        scene.bus.purge_stream("HEIMDEX_ASSETS").await.unwrap();
    }
    assert_eq!(look(&scene).await.lost, [upload.id()]);
    assert_eq!(failure(&scene).await, [(0, 3, LOST.to_owned()), (2, 3, LOST.to_owned())]);
}

/// The writer died before it concluded, and its message was purged.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_which_everything_is_written_is_only_concluded() {
    let scene = Scene::start().await;
    let upload = Upload::new("a", 1);
    scene.extract(&upload, true).await;
    purge(&scene).await;
    let written = json!({"parts": 1, "replay": 0, "outcome": {"written": {}}});
    scene.put(&format!("part.{}.{MODEL}.0", upload.id()), &written).await;
    let looked = look(&scene).await;
    assert!(looked.redriven.is_empty() && looked.lost.is_empty());
    assert_eq!(failure(&scene).await, [(0, 1, LOST.to_owned())], "a failure takes no written part back");
    assert_eq!(scene.take(StageName::Extractor).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_deletion_is_driven_again() {
    let scene = Scene::start().await;
    let event = AssetDeleted { asset_id: support::asset("a"), org: None, reason: None };
    let envelope = Envelope::wrap(SOURCE, "delete a", &event).unwrap();
    let job = UploadId::new(&org(), SOURCE, "delete a");
    scene.bus.publisher().publish_wish::<AssetDeleted>(&org(), Lane::Bulk, envelope).await.unwrap();
    let mut puller = scene.bus.puller(StageName::Eraser, Lane::Bulk).await.unwrap();
    let delivery = message(&mut puller).await;
    let incoming = delivery.decode(scene.bus.blobs().as_ref(), u64::MAX).await.unwrap();
    let context = heimdex_stage::Context {
        envelope: incoming.envelope,
        org: org(),
        lane: Lane::Bulk,
        position: delivery.position(),
        blobs: scene.bus.blobs(),
        ledger: scene.ledger(),
        cancelled: tokio_util::sync::CancellationToken::new(),
    };
    accept::accept_deletion(&context, Some(&event.asset_id)).await.unwrap();
    origin::keep(&context, Some(&event.asset_id), job, &event).await.unwrap();
    assert!(look(&scene).await.redriven.is_empty(), "it is still queued");
    scene.bus.purge_stream("HEIMDEX_ASSETS").await.unwrap();
    assert_eq!(look(&scene).await.redriven, [job]);
    let again = message(&mut puller).await.decode(scene.bus.blobs().as_ref(), u64::MAX).await.unwrap();
    assert_eq!(again.envelope.data_as::<AssetDeleted>().unwrap(), event);
    assert_eq!((again.envelope.id(), again.envelope.replay()), ("delete a", 1));
}

/// A document too large for a message is found in the queue by the name of its blob.
#[tokio::test(flavor = "multi_thread")]
async fn a_queued_upload_whose_data_is_a_blob_is_not_lost() {
    let scene = Scene::start().await;
    let mut upload = Upload::new("a", 1);
    upload.text = "word ".repeat(200_000);
    upload.content = Some(Content::Text("short".to_owned()));
    scene.extract(&upload, true).await;
    let looked = look(&scene).await;
    assert_eq!((looked.stuck.len(), looked.redriven.len()), (1, 0));
    let waiting = scene.take(StageName::Chunker).await;
    assert_eq!(waiting[0].data_as::<DocumentExtracted>().unwrap().lineage.upload, upload.id());
}
