//! Blobs: collected when their upload needs them no more, and never before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use heimdex_keeper::Settings;
use heimdex_keeper::blobs::{Collected, Collector};
use heimdex_schemas::{Content, ReceiptState};
use heimdex_stage::{BlobRef, Blobs as _, Bucket};
use support::{Scene, Upload, settings};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn put(scene: &Scene, bucket: Bucket, prefix: &str) -> BlobRef {
    let bytes = Bytes::from(format!("{bucket:?} of {prefix}"));
    scene.bus.blobs().put(bucket, prefix, bytes).await.unwrap()
}

async fn exist(scene: &Scene, blobs: &[BlobRef]) -> Vec<bool> {
    let mut exist = Vec::new();
    for blob in blobs {
        exist.push(scene.bus.blobs().exists(blob).await.unwrap());
    }
    exist
}

/// One upload in each state, with a blob in each bucket: originals first.
async fn one_of_each(scene: &Scene) -> Vec<BlobRef> {
    let mut blobs = Vec::new();
    for bucket in [Bucket::Originals, Bucket::Work] {
        for name in ["indexed", "superseded", "deleted", "failed", "open", "never accepted"] {
            blobs.push(put(scene, bucket, &Upload::new(name, 1).prefix()).await);
        }
    }
    for (name, state) in [
        ("indexed", ReceiptState::Indexed),
        ("superseded", ReceiptState::Superseded),
        ("deleted", ReceiptState::Deleted),
        ("failed", ReceiptState::Failed),
    ] {
        scene.conclude(&Upload::new(name, 1), state, 1).await;
    }
    let open = Upload::new("open", 1);
    scene.put(&format!("accepted.{}", open.id()), &open.acceptance()).await;
    blobs
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bucket_has_its_rule() {
    let scene = Scene::start().await;
    let blobs = one_of_each(&scene).await;
    let patient = Settings { keep_work: DAY, keep_originals: DAY, ..settings() };
    assert_eq!(Collector::default().round(&scene.desk(patient).await).await.unwrap(), Collected::default());
    let due = Collected { work: 5, originals: 4, orphans: 0 };
    let dry = scene.desk(Settings { dry_run: true, ..settings() }).await;
    assert_eq!(Collector::default().round(&dry).await.unwrap(), due);
    assert!(exist(&scene, &blobs).await.into_iter().all(|there| there), "a dry run deletes nothing");

    assert_eq!(Collector::default().round(&scene.desk(settings()).await).await.unwrap(), due);
    let originals = [true, false, false, false, true, false];
    let work = [false, false, false, false, true, false];
    assert_eq!(exist(&scene, &blobs).await, [originals, work].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_goes_on_where_it_stopped() {
    let scene = Scene::start().await;
    let mut blobs = Vec::new();
    for n in 0..5 {
        blobs.push(put(&scene, Bucket::Work, &Upload::new("gone", n).prefix()).await);
        // The first it will see are kept, so that going on is needed.
        let open = Upload::new("open", n);
        put(&scene, Bucket::Work, &open.prefix()).await;
        scene.put(&format!("accepted.{}", open.id()), &open.acceptance()).await;
    }
    let desk = scene.desk(Settings { blobs_batch: 3, ..settings() }).await;
    let (mut collector, mut collected) = (Collector::default(), 0);
    for _ in 0..5 {
        collected += collector.round(&desk).await.unwrap().work;
    }
    assert_eq!(collected, 5);
    assert!(exist(&scene, &blobs).await.into_iter().all(|there| !there));
}

/// An uploader may publish a new upload that names the blob of an old one.
#[tokio::test(flavor = "multi_thread")]
async fn an_original_that_another_upload_names_stays() {
    let scene = Scene::start().await;
    let old = Upload::new("manual", 1);
    let blob = put(&scene, Bucket::Originals, &old.prefix()).await;
    let mut new = Upload::new("manual", 2);
    new.content = Some(Content::Blob { name: blob.name.clone(), sha256: blob.sha256.clone(), size: blob.size });
    scene.extract(&new, true).await;
    scene.conclude(&old, ReceiptState::Superseded, 0).await;
    let desk = scene.desk(settings()).await;
    assert_eq!(Collector::default().round(&desk).await.unwrap().originals, 0);
    assert_eq!(exist(&scene, &[blob]).await, [true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_a_blob_that_was_never_finished_go_and_whole_blobs_stay() {
    let scene = Scene::start().await;
    let upload = Upload::new("open", 1);
    scene.put(&format!("accepted.{}", upload.id()), &upload.acceptance()).await;
    let bytes = Bytes::from(vec![7_u8; 300_000]);
    let whole = scene.bus.blobs().put(Bucket::Work, &upload.prefix(), bytes.clone()).await.unwrap();
    for _ in 0..2 {
        scene.bus.publish_raw("$O.HEIMDEX_WORK.C.torn", &[], Bytes::from_static(b"piece")).await.unwrap();
    }
    let patient = scene.desk(Settings { keep_pieces: DAY, ..settings() }).await;
    assert_eq!(Collector::default().round(&patient).await.unwrap().orphans, 0, "it may still be being written");
    let desk = scene.desk(settings()).await;
    assert_eq!(Collector::default().round(&desk).await.unwrap().orphans, 2);
    assert_eq!(scene.bus.blobs().orphans(Bucket::Work).await.unwrap(), []);
    assert_eq!(scene.bus.blobs().get(&whole, u64::MAX).await.unwrap(), bytes);
}
