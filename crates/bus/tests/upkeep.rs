//! What the keeper asks of the bus: changes of the ledger, listing and deletion of blobs, a look into queues.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use bytes::Bytes;
use heimdex_bus::{Bus, Options};
use heimdex_schemas::{DocumentExtracted, Page, StageName};
use heimdex_stage::{Blobs, Bucket, Ledger, Revision};
use heimdex_testkit::{NatsServer, lineage};

async fn bus(server: &NatsServer) -> Bus {
    let bus = Bus::connect(&server.url(), Options::default()).await.unwrap();
    bus.ensure().await.unwrap();
    bus
}

fn document(asset: &str, sequence: u64, text: &str) -> DocumentExtracted {
    DocumentExtracted {
        lineage: lineage(asset, sequence),
        format: "txt".to_owned(),
        language: None,
        pages: vec![Page::plain(1, text)],
        metadata: Default::default(),
        attachments: Vec::new(),
        warnings: Vec::new(),
    }
}

#[tokio::test]
async fn changes_come_in_the_order_of_writes_and_each_key_once() {
    let server = NatsServer::start();
    let ledger = bus(&server).await.ledger();
    let mut revisions = Vec::new();
    for n in 0..2500 {
        let key = format!("accepted.u{n}");
        revisions.push(ledger.create(&key, Bytes::from(n.to_string())).await.unwrap().unwrap());
    }
    ledger.create("done.u1", Bytes::new()).await.unwrap();
    ledger.create("other.u1", Bytes::new()).await.unwrap();
    ledger.compare_and_set("accepted.u0", revisions[0], Bytes::from_static(b"new")).await.unwrap();
    assert!(ledger.delete("accepted.u1", revisions[1]).await.unwrap());

    let all = ledger.changes(&["accepted", "done"], Revision(0), true, usize::MAX).await.unwrap();
    assert_eq!(all.len(), 2500, "2499 accepted and one done: the deleted one is gone without a trace");
    assert!(all.is_sorted_by_key(|change| change.revision) && all.iter().all(|change| !change.is_deleted));
    let last = all.last().unwrap();
    assert_eq!((last.key.as_str(), last.value.as_ref()), ("accepted.u0", &b"new"[..]));

    let page = ledger.changes(&["accepted"], Revision(0), false, 10).await.unwrap();
    assert!(page.len() >= 10 && page.len() < 2499 && page.iter().all(|change| change.value.is_empty()));
    let rest = ledger.changes(&["accepted"], page.last().unwrap().revision, false, usize::MAX).await.unwrap();
    assert_eq!(page.len() + rest.len(), 2499);
    assert_eq!(ledger.changes(&["accepted"], last.revision, false, 10).await.unwrap(), []);
    assert_eq!(ledger.changes(&["nothing"], Revision(0), false, 10).await.unwrap(), []);
}

/// A crash between the marker of a deletion and its removal: the key is gone, and it can be created again.
#[tokio::test]
async fn a_deletion_that_was_cut_short_counts_as_done() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let ledger = bus.ledger();
    for key in ["part.u.m.0", "part.u.m.1"] {
        let revision = ledger.create(key, Bytes::from_static(b"1")).await.unwrap().unwrap();
        let expected = ("Nats-Expected-Last-Subject-Sequence", revision.0.to_string());
        let headers = [("KV-Operation", "PURGE"), (expected.0, expected.1.as_str())];
        bus.publish_raw(&format!("$KV.HEIMDEX_LEDGER.{key}"), &headers, Bytes::new()).await.unwrap();
    }
    assert_eq!(ledger.get("part.u.m.0").await.unwrap(), None);
    assert_eq!(ledger.list("part.u").await.unwrap(), []);
    let marker = ledger.changes(&["part"], Revision(0), false, 10).await.unwrap().remove(0);
    assert!(marker.is_deleted && marker.key == "part.u.m.0");

    ledger.create("part.u.m.1", Bytes::from_static(b"2")).await.unwrap().expect("a deleted key can be created");
    for key in ["part.u.m.0", "part.u.m.1"] {
        ledger.clear_marker(key, marker.revision).await.unwrap();
    }
    assert_eq!(ledger.count("part.u").await.unwrap(), 1, "the marker is gone, the new value is not");
    assert_eq!(ledger.list("part.u").await.unwrap(), [("part.u.m.1".to_owned(), Bytes::from_static(b"2"))]);
}

#[tokio::test]
async fn blobs_are_listed_by_prefix_and_deleted_whole() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let blobs = bus.blobs();
    let large = Bytes::from(vec![7_u8; 300_000]);
    let first = blobs.put(Bucket::Originals, "acme/a/u1", large.clone()).await.unwrap();
    let second = blobs.put(Bucket::Originals, "acme/a/u2", Bytes::from_static(b"two")).await.unwrap();
    blobs.put(Bucket::Originals, "acme/ab/u3", Bytes::from_static(b"three")).await.unwrap();
    blobs.put(Bucket::Work, "acme/a/u1", large).await.unwrap();
    let listed = blobs.list(Bucket::Originals, "acme/a").await.unwrap();
    let names: Vec<&str> = listed.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, [first.name.as_str(), second.name.as_str()]);
    assert_eq!((listed[0].size, listed[1].size), (300_000, 3));
    assert!((chrono::Utc::now() - listed[0].modified).num_seconds() < 60);
    assert_eq!(blobs.list(Bucket::Originals, "").await.unwrap().len(), 3);

    blobs.delete(Bucket::Originals, &first.name).await.unwrap();
    blobs.delete(Bucket::Originals, &first.name).await.expect("twice is once");
    assert!(!blobs.exists(&first).await.unwrap() && blobs.exists(&second).await.unwrap());
    let left = bus.stream_messages("OBJ_HEIMDEX_ORIGINALS").await.unwrap();
    assert_eq!(left, 4, "a piece and a description each: nothing of the deleted one is left");
    assert_eq!(blobs.list(Bucket::Work, "").await.unwrap().len(), 1);
    blobs.put(Bucket::Originals, "acme/a/u1", Bytes::from(vec![7_u8; 300_000])).await.unwrap();
    assert!(blobs.exists(&first).await.unwrap(), "a deleted blob can be written again");
}

#[tokio::test]
async fn pieces_without_a_description_are_orphans() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let blobs = bus.blobs();
    blobs.put(Bucket::Work, "acme/a/u1", Bytes::from(vec![7_u8; 300_000])).await.unwrap();
    assert_eq!(blobs.orphans(Bucket::Work).await.unwrap(), []);
    for _ in 0..3 {
        bus.publish_raw("$O.HEIMDEX_WORK.C.torn", &[], Bytes::from_static(b"piece")).await.unwrap();
    }
    let orphans = blobs.orphans(Bucket::Work).await.unwrap();
    assert_eq!((orphans.len(), orphans[0].id.as_str(), orphans[0].pieces), (1, "torn", 3));
    blobs.delete_pieces(Bucket::Work, "torn").await.unwrap();
    assert_eq!(blobs.orphans(Bucket::Work).await.unwrap(), []);
    assert_eq!(bus.stream_messages("OBJ_HEIMDEX_WORK").await.unwrap(), 4);
}

#[tokio::test]
async fn queues_say_whose_messages_they_hold() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    for sequence in 1..=3 {
        bus.publisher().publish(StageName::Extractor, &document("a", sequence, "text"), None).await.unwrap();
    }
    let large = document("a", 4, &"word ".repeat(200_000));
    bus.publisher().publish(StageName::Extractor, &large, None).await.unwrap();
    let queued = bus.queued_uploads(StageName::Chunker, 100).await.unwrap();
    assert!(queued.is_complete && queued.messages == 4);
    assert!((1..=4).all(|n| queued.uploads.contains(&lineage("a", n).upload)));
    let some = bus.queued_uploads(StageName::Chunker, 2).await.unwrap();
    assert!(!some.is_complete && some.uploads.len() == 2);
    assert!(bus.queued_uploads(StageName::Embedder, 100).await.unwrap().is_complete);
    assert!(bus.is_stored("HEIMDEX_DOCUMENTS", 4).await.unwrap());
    assert!(!bus.is_stored("HEIMDEX_DOCUMENTS", 5).await.unwrap());
    assert_eq!(bus.purge_stream("HEIMDEX_DOCUMENTS").await.unwrap(), 4);
    assert!(!bus.is_stored("HEIMDEX_DOCUMENTS", 4).await.unwrap());
}
