//! Listing, removing, carrying and expiring, against a real nats-server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use futures::{StreamExt as _, TryStreamExt as _};
use heimdex_bus::Options;
use heimdex_redrive::expiry::{Expired, ExpirySettings, announce, expiring};
use heimdex_redrive::replay::Replay;
use heimdex_redrive::{Destination, Filter, GroupBy, Groups};
use heimdex_schemas::{AssetUploaded, Content, DocumentExtracted, Envelope, Lane, Org, Page, StageName, UploadId};
use heimdex_stage::{Context, Ledger as _, origin};
use heimdex_testkit::lineage;
use support::{SUBJECT, World, at_once, message};
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn ten_thousand_letters_are_listed_in_seconds() {
    const LETTERS: u64 = 10_500;
    let world = World::new().await;
    let sends = (0..LETTERS).map(|n| {
        let bus = &world.bus;
        async move {
            let (subject, number) = (format!("heimdex.dlq.writer.org{}.{n:032x}", n % 7), n.to_string());
            let fingerprint = format!("{:016x}", n % 5);
            let headers = [
                ("Heimdex-Stage", "writer"),
                ("Heimdex-Class", "exhausted"),
                ("Heimdex-Sequence", number.as_str()),
                ("Heimdex-Fingerprint", fingerprint.as_str()),
            ];
            bus.publish_raw(&subject, &headers, Bytes::from(vec![b'x'; 4096])).await.unwrap();
        }
    });
    futures::stream::iter(sends).buffer_unordered(256).collect::<()>().await;
    let start = Instant::now();
    let (filter, mut groups) = (Filter::default(), Groups::new(GroupBy::Fingerprint, Utc::now()));
    let listed = world.redrive.list(&filter).try_fold(0, |count, letter| {
        assert!(letter.payload.is_none() && letter.size == 4096, "only headers are read");
        groups.add(&letter);
        std::future::ready(Ok(count + 1))
    });
    assert_eq!(listed.await.unwrap(), LETTERS);
    let took = start.elapsed();
    println!("{LETTERS} letters listed in {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(groups.finish().iter().map(|group| group.count).collect::<Vec<_>>(), [2100; 5]);
}

#[tokio::test]
async fn a_purge_removes_what_was_shown_and_says_so() {
    let world = World::new().await;
    for n in 0..5 {
        world.die(&format!("m{n}"), if n < 2 { "few" } else { "many" }).await;
    }
    let few = world.redrive.letters().get(1).await.unwrap().unwrap().fingerprint;
    let filter = Filter { fingerprints: vec![few.clone()], ..Filter::default() };
    let plan = world.redrive.preview_purge(&filter).await.unwrap();
    assert_eq!((plan.removed, plan.letters.as_slice(), world.letters().await), (2, &[1, 2][..], 5));
    let mut heard = Vec::new();
    let done = world.redrive.purge(&filter, |sequence| heard.push(sequence)).await.unwrap();
    assert_eq!((&done.letters, &heard), (&plan.letters, &plan.letters));
    assert_eq!((world.letters().await, done.fingerprints[&few]), (3, 2));
    let key = format!("redrive.{}.purge", done.run.as_ref().unwrap());
    let (_, value) = world.bus.ledger().get(&key).await.unwrap().expect("an audit");
    assert_eq!(serde_json::from_slice::<heimdex_redrive::PurgeReport>(&value).unwrap(), done);
}

#[tokio::test]
async fn letters_go_out_and_come_back_as_they_were() {
    let world = World::new().await;
    world.die("small", "bad").await;
    // Leaves no room for our headers.
    let large = Bytes::from(vec![b'x'; 1024 * 1024 - 200]);
    world.bus.publish_raw(SUBJECT, &[], large.clone()).await.unwrap();
    let delivery = message(&mut world.puller().await).await;
    assert!(world.bury(&delivery, "bad").await.blob().is_some());
    let mut file = Vec::new();
    assert_eq!(world.redrive.export(&Filter::default(), &mut file).await.unwrap(), 2);
    let before = world.redrive.list(&Filter::default()).try_collect::<Vec<_>>().await.unwrap();
    let present = world.redrive.import(&mut file.as_slice()).await.unwrap();
    assert_eq!((present.added, present.present), (0, 2));
    for _ in 0..2 {
        world.redrive.purge(&Filter::default(), |_| {}).await.unwrap();
        let back = world.redrive.import(&mut file.as_slice()).await.unwrap();
        assert_eq!((back.added, world.letters().await), (2, 2), "inside the dedupe window of the first copies");
    }
    let other = World::new().await;
    let imported = other.redrive.import(&mut file.as_slice()).await.unwrap();
    assert_eq!((imported.added, imported.present), (2, 0));
    assert_eq!(other.redrive.import(&mut file.as_slice()).await.unwrap().present, 2);
    let after = other.redrive.list(&Filter::default()).try_collect::<Vec<_>>().await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.origin, &before.code, before.size), (&after.origin, &after.code, after.size));
    }
    let whole = other.redrive.letters().get(after[1].sequence).await.unwrap().unwrap();
    assert_eq!(other.redrive.letters().message(&whole).await.unwrap().payload, large);
    let broken = b"{\"sequence\":1}\n".to_vec();
    let error = other.redrive.import(&mut broken.as_slice()).await.unwrap_err().to_string();
    assert!(error.starts_with("line 1:"), "{error}");
}

#[tokio::test]
async fn letters_that_expire_are_announced_and_leave_a_record() {
    let mut options = Options::default();
    options.limits.dead_letter_age = DAY * 30;
    let world = World::with(options).await;
    for n in 0..3 {
        world.die(&format!("m{n}"), "bad").await;
    }
    let (settings, now) = (ExpirySettings::default(), Utc::now());
    assert_eq!(announce(&world.redrive, &settings, now + DAY * 24).await.unwrap().expiring, 0);
    let soon = now + DAY * 26;
    let announced = announce(&world.redrive, &settings, soon).await.unwrap();
    assert_eq!((announced.expiring, announced.expired, announced.groups[0].count), (3, 0, 3));
    assert_eq!(announced.groups[0].orgs["acme"], 3);
    assert_eq!(expiring(&world.redrive, &settings, soon).await.unwrap(), announced);
    let key = format!("audit.dlq.{}", soon.date_naive());
    assert!(world.bus.ledger().get(&key).await.unwrap().is_some(), "an audit entry of the day");
    let late = now + DAY * 30;
    assert_eq!(announce(&world.redrive, &settings, late).await.unwrap().expired, 3);
    assert_eq!(world.letters().await, 0);
    let mut records = world.bus.ledger().list("audit.dlq").await.unwrap();
    records.retain(|(key, _)| key.contains(".expired."));
    let record: Expired = serde_json::from_slice(&records[0].1).unwrap();
    assert_eq!((records.len(), record.count, record.groups[0].code.as_str()), (1, 3, "noise"));
    assert_eq!(announce(&world.redrive, &settings, late).await.unwrap().expired, 0);
}

#[tokio::test]
async fn a_late_stages_letter_can_begin_anew() {
    let world = World::new().await;
    let lineage = lineage("a", 1);
    let event = AssetUploaded {
        asset_id: lineage.asset_id.clone(),
        content: Content::Text("the original".to_owned()),
        org: None,
        title: None,
        source: None,
        model: None,
        password: None,
    };
    let envelope = Envelope::wrap("/test", "a-1", &event).unwrap();
    assert_eq!(lineage.upload, UploadId::new(&lineage.org, "/test", "a-1"));
    let document = DocumentExtracted {
        lineage: lineage.clone(),
        format: "txt".to_owned(),
        language: None,
        pages: vec![Page::plain(1, "t")],
        metadata: Default::default(),
        attachments: Vec::new(),
        warnings: Vec::new(),
    };
    world.bus.publisher().publish(StageName::Extractor, &document, None).await.unwrap();
    let mut puller = world.bus.puller(StageName::Chunker, Lane::Interactive).await.unwrap();
    let delivery = message(&mut puller).await;
    let letter = world.bury(&delivery, "bad").await;
    assert_eq!((letter.upload, letter.model.as_deref()), (Some(lineage.upload), Some(lineage.model.as_str())));
    let request = Replay { destination: Destination::Start, ..at_once(Filter::default()) };
    let lost = world.redrive.preview(&request).await.unwrap();
    assert_eq!((lost.counts.sent, lost.counts.skipped.len()), (0, 1), "nothing was kept of it");
    keep(&world, &lineage.org, &envelope, &event).await;
    assert_eq!(world.redrive.replay(request, |_| {}).await.unwrap().counts.sent, 1);
    let again = message(&mut world.puller().await).await;
    let incoming = again.decode(world.bus.blobs().as_ref(), u64::MAX).await.unwrap();
    assert_eq!((incoming.envelope.id(), incoming.envelope.replay()), ("a-1", 1));
    assert_eq!(incoming.envelope.data_as::<AssetUploaded>().unwrap(), event);
}

/// As the first stage keeps the uploader's event.
async fn keep(world: &World, org: &Org, envelope: &Envelope, event: &AssetUploaded) {
    let context = Context {
        envelope: envelope.clone(),
        org: org.clone(),
        lane: Lane::Interactive,
        position: heimdex_stage::Position { epoch: 1, sequence: 1, stored_at: Utc::now() },
        blobs: world.bus.blobs(),
        ledger: world.bus.ledger(),
        cancelled: CancellationToken::new(),
    };
    let upload = UploadId::new(org, envelope.source(), envelope.id());
    origin::keep(&context, Some(&event.asset_id), upload, event).await.unwrap();
}
