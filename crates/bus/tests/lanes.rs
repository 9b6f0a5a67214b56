//! What an org may publish, and where it goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use bytes::Bytes;
use heimdex_bus::{Bus, Options, PublishError};
use heimdex_schemas::{AssetUploaded, Content, Envelope, Lane, Org, StageName};
use heimdex_testkit::{NatsServer, envelope};

async fn bus(server: &NatsServer, org_depth: i64, org_interactive_depth: u64) -> Bus {
    let mut options = Options { org_interactive_depth, ..Options::default() };
    options.limits.org_depth = org_depth;
    let bus = Bus::connect(&server.url(), options).await.unwrap();
    bus.ensure().await.unwrap();
    bus
}

fn org(name: &str) -> Org {
    name.parse().unwrap()
}

fn upload(asset: &str) -> Envelope {
    let content = Content::Text("text".to_owned());
    let asset_id = asset.parse().unwrap();
    envelope(&AssetUploaded { asset_id, content, org: None, title: None, source: None, model: None, password: None })
}

async fn publish(bus: &Bus, of: &str, count: usize) {
    for n in 0..count {
        let envelope = upload(&format!("asset-{n}"));
        bus.publisher().publish_asset(&org(of), Lane::Interactive, envelope).await.unwrap();
    }
}

async fn waiting(bus: &Bus, of: &str) -> [u64; 2] {
    let mut counts = [0; 2];
    for (count, lane) in counts.iter_mut().zip([Lane::Interactive, Lane::Bulk]) {
        *count = bus.uploads_waiting(lane).await.unwrap().get(&org(of)).copied().unwrap_or(0);
    }
    counts
}

#[tokio::test]
async fn an_org_over_its_interactive_depth_goes_on_in_bulk() {
    let server = NatsServer::start();
    let bus = bus(&server, 1000, 5).await;
    publish(&bus, "crowd", 8).await;
    publish(&bus, "other", 5).await;
    assert_eq!(waiting(&bus, "crowd").await, [5, 3]);
    assert_eq!(waiting(&bus, "other").await, [5, 0]);
    let another = Bus::connect(&server.url(), bus.options().clone()).await.unwrap();
    publish(&another, "crowd", 1).await;
    assert_eq!(waiting(&bus, "crowd").await, [5, 4], "whoever publishes");
}

/// What fills an org's lane is its own: other orgs, its other lane and its deletions go on.
#[tokio::test]
async fn a_full_org_is_refused_and_nobody_else_is() {
    let server = NatsServer::start();
    let bus = bus(&server, 3, 100).await;
    publish(&bus, "full", 3).await;
    let refused = bus.publisher().publish_asset(&org("full"), Lane::Interactive, upload("one-more")).await.unwrap_err();
    assert!(matches!(&refused, PublishError::Full { org } if org.as_str() == "full"), "{refused}");
    publish(&bus, "other", 3).await;
    bus.publisher().publish_asset(&org("full"), Lane::Bulk, upload("one-more")).await.unwrap();
    for n in 0..3 {
        for event in ["asset.deleted", "org.purged"] {
            let subject = format!("heimdex.{event}.interactive.full");
            bus.publish_raw(&subject, &[], Bytes::from(format!("{n}"))).await.unwrap();
        }
    }
    bus.publish_raw("heimdex.asset.deleted.interactive.full", &[], Bytes::new()).await.unwrap_err();
    let depths = [StageName::Extractor, StageName::Eraser, StageName::Purger];
    for (stage, expected) in depths.into_iter().zip([7, 3, 3]) {
        let state = bus.queue_state(stage).await.unwrap();
        assert_eq!((state.messages, state.pending, state.orphans()), (expected, expected, 0), "{stage}");
    }
}
