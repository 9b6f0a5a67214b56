//! The current receipt of a job is the one of its highest version, whoever publishes when, against a real nats-server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use chrono::DateTime;
use heimdex_bus::{Bus, Options};
use heimdex_schemas::{Receipt, ReceiptState, StageName};
use heimdex_testkit::{NatsServer, lineage};

fn receipt(version: u32) -> Receipt {
    let lineage = lineage("a", 1);
    Receipt {
        org: lineage.org,
        asset_id: Some(lineage.asset_id),
        upload: lineage.upload,
        state: ReceiptState::Indexed,
        version,
        order: lineage.order,
        model: Some(lineage.model),
        chunks: version,
        pages: 1,
        format: None,
        language: None,
        warnings: Vec::new(),
        missing: Vec::new(),
        failures: Vec::new(),
        reused: 0,
        truncated_tokens: 0,
        removed: 0,
        stages: Vec::new(),
        superseded_by: None,
        accepted_at: DateTime::UNIX_EPOCH,
        completed_at: DateTime::UNIX_EPOCH,
    }
}

async fn start() -> (NatsServer, Bus) {
    let server = NatsServer::start();
    let bus = Bus::connect(&server.url(), Options::default()).await.unwrap();
    bus.ensure().await.unwrap();
    (server, bus)
}

async fn current(bus: &Bus) -> (u32, u64) {
    let Receipt { org, upload, .. } = receipt(0);
    let update = bus.receipts().current(&org, upload).await.unwrap().unwrap();
    (update.receipt.version, update.sequence)
}

#[tokio::test]
async fn an_older_version_is_never_stored_over_a_newer_one() {
    let (_server, bus) = start().await;
    let publisher = bus.publisher();
    let publish = |version, stage| {
        let publisher = publisher.clone();
        async move { publisher.publish(stage, &receipt(version), None).await.unwrap() }
    };
    let first = publish(1, StageName::Writer).await;
    assert_eq!((first.duplicate, current(&bus).await), (false, (1, first.sequence)), "the first to come may be any");
    for (version, stage) in [(0, StageName::Writer), (1, StageName::Writer), (1, StageName::Eraser)] {
        let late = publish(version, stage).await;
        assert!(late.duplicate && late.sequence == first.sequence, "version {version} by {stage}: {late:?}");
        assert_eq!(current(&bus).await, (1, first.sequence));
    }
    let next = publish(4, StageName::Purger).await;
    assert_eq!((next.duplicate, current(&bus).await), (false, (4, next.sequence)));
}

#[tokio::test]
async fn of_many_at_once_the_highest_version_stands() {
    let (_server, bus) = start().await;
    let publishes = (0..12).rev().map(|version| {
        let (publisher, stage) =
            (bus.publisher(), if version % 2 == 0 { StageName::Writer } else { StageName::Eraser });
        tokio::spawn(async move { publisher.publish(stage, &receipt(version), None).await })
    });
    for publish in publishes.collect::<Vec<_>>() {
        publish.await.unwrap().unwrap();
    }
    assert_eq!(current(&bus).await.0, 11);
}
