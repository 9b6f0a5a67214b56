//! Dead letters against a real nats-server: what they keep, how they are found, and a stream that takes no more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use std::time::Duration;

use bytes::Bytes;
use heimdex_bus::dead_letter::{Address, Depth, STORY_BYTES, header};
use heimdex_bus::{Bus, DeadLetter, Delivery, Options, PublishError, Published, Pulled, Verdict, Wait};
use heimdex_schemas::{AssetId, AssetUploaded, Content, Envelope, FailureClass, Lane, Org, StageName, UploadId};
use heimdex_stage::{Blobs as _, Bucket, Ledger as _};
use heimdex_testkit::NatsServer;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn bus(server: &NatsServer, dead_letters: i64) -> Bus {
    let mut options = Options::default();
    options.limits.dead_letters = dead_letters;
    let bus = Bus::connect(&server.url(), options).await.unwrap();
    bus.ensure().await.unwrap();
    bus
}

fn org() -> Org {
    "acme".parse().unwrap()
}

/// Publishes an upload and takes it in hand.
async fn upload(bus: &Bus, asset: &str, event_id: &str) -> Box<Delivery> {
    let event = AssetUploaded {
        asset_id: asset.parse().unwrap(),
        content: Content::Text("text".to_owned()),
        org: None,
        title: None,
        source: None,
        model: "m".parse().ok(),
        password: None,
    };
    let envelope = Envelope::wrap("/cms", event_id, &event).unwrap().with_extension("traceparent", TRACE);
    bus.publisher().publish_asset(&org(), Lane::Interactive, envelope).await.unwrap();
    next(bus).await
}

async fn next(bus: &Bus) -> Box<Delivery> {
    let mut puller = bus.puller(StageName::Extractor, Lane::Interactive).await.unwrap();
    match puller.pull(Wait::For(Duration::from_secs(5))).await {
        Pulled::Message(delivery) => delivery,
        other => panic!("no message but {other:?}"),
    }
}

/// `is_read`: its data was looked at.
async fn die(bus: &Bus, delivery: &Delivery, message: &str, is_read: bool) -> Result<Published, PublishError> {
    let verdict = Verdict {
        stage: StageName::Extractor,
        class: FailureClass::Exhausted,
        code: "corrupt".to_owned(),
        message: message.to_owned(),
        attempts: 3,
    };
    let incoming = match is_read {
        true => delivery.decode(bus.blobs().as_ref(), u64::MAX).await.ok(),
        false => None,
    };
    let letter = DeadLetter { delivery, verdict: &verdict, incoming: incoming.as_ref() };
    let published = bus.dead_letters().publish(letter).await?;
    delivery.term("dead").await.unwrap();
    Ok(published)
}

#[tokio::test]
async fn a_letter_says_all_that_is_known() {
    let server = NatsServer::start();
    let bus = bus(&server, -1).await;
    let delivery = upload(&bus, "資料/a b", "e1").await;
    let story = format!("line one\nline two {}", "ü".repeat(STORY_BYTES));
    let stored = die(&bus, &delivery, &story, true).await.unwrap();
    let letter = bus.dead_letters().get(stored.sequence).await.unwrap().unwrap();
    assert_eq!(letter.asset.as_ref().map(AssetId::as_str), Some("資料/a b"));
    assert_eq!(letter.upload, Some(UploadId::new(&org(), "/cms", "e1")));
    assert_eq!((letter.model.as_deref(), letter.trace.as_deref()), (Some("m"), Some(TRACE)));
    assert_eq!((letter.stage, letter.class), (Some(StageName::Extractor), Some(FailureClass::Exhausted)));
    assert_eq!((letter.attempts, letter.deliveries, letter.replay), (3, 1, 0));
    assert_eq!((letter.origin.sequence, letter.origin.epoch), (1, delivery.position().epoch));
    assert_eq!((letter.origin.consumer.as_str(), letter.code.as_str()), ("extractor-interactive", "corrupt"));
    assert!(!letter.build.is_empty() && letter.fingerprint.len() == 16 && letter.origin.msg_id.is_some());
    assert!(letter.message.starts_with("line one line two ü") && letter.message.len() <= 4096);
    let told = bus.dead_letters().story(&letter).await.unwrap().unwrap();
    assert!(told.message.starts_with("line one\nline two ü") && told.message.len() <= STORY_BYTES);
    assert_eq!(told.length, story.len());
    let message = bus.dead_letters().message(&letter).await.unwrap();
    assert_eq!(message.payload, *delivery.payload());
    let traced = ("ce-traceparent".to_owned(), TRACE.to_owned());
    assert!(message.headers.contains(&traced) && message.headers.iter().any(|(name, _)| name == "Nats-Msg-Id"));
    bus.dead_letters().remove(&letter).await.unwrap();
    assert!(bus.ledger().get(letter.story.as_ref().unwrap()).await.unwrap().is_none(), "the story went with it");
    assert!(!bus.dead_letters().remove(&letter).await.unwrap(), "once is enough");
}

#[tokio::test]
async fn a_message_that_was_never_looked_at_is_filed_by_its_headers() {
    let server = NatsServer::start();
    let bus = bus(&server, -1).await;
    let delivery = upload(&bus, "a", "e1").await;
    let stored = die(&bus, &delivery, "", false).await.unwrap();
    let letter = bus.dead_letters().get(stored.sequence).await.unwrap().unwrap();
    assert_eq!((letter.asset, letter.upload), (None, None), "an uploader's headers do not say it");
    assert_eq!(letter.subject, "heimdex.dlq.extractor.acme._");
}

#[tokio::test]
async fn pages_go_by_address_and_depth() {
    let server = NatsServer::start();
    let bus = bus(&server, -1).await;
    for (n, asset) in ["a", "b", "a", "c"].into_iter().enumerate() {
        let delivery = upload(&bus, asset, &format!("e{n}")).await;
        die(&bus, &delivery, "bad", true).await.unwrap();
    }
    let letters = bus.dead_letters();
    let a: AssetId = "a".parse().unwrap();
    let of_a = Address::of(&org(), Some(&a.hash()));
    let found = letters.page(&of_a, 0, Depth::Headers).await.unwrap();
    assert_eq!(found.iter().map(|letter| letter.sequence).collect::<Vec<_>>(), [1, 3]);
    assert!(found.iter().all(|letter| letter.payload.is_none() && letter.size > 0));
    let rest = letters.page(&Address::default(), 2, Depth::Whole).await.unwrap();
    assert_eq!(rest.iter().map(|letter| letter.sequence).collect::<Vec<_>>(), [3, 4]);
    assert!(rest.iter().all(|letter| letter.payload.is_some()));
    assert!(letters.page(&Address::default(), 4, Depth::Headers).await.unwrap().is_empty());
    let state = letters.state().await.unwrap();
    assert_eq!((state.messages, state.first_sequence, state.last_sequence, state.max_messages), (4, 1, 4, None));
}

#[tokio::test]
async fn an_assets_letters_are_removed_with_all_that_belongs_to_them() {
    let server = NatsServer::start();
    let bus = bus(&server, -1).await;
    for (n, (asset, is_read)) in [("a", true), ("b", true), ("a", false), ("b", false)].into_iter().enumerate() {
        let delivery = upload(&bus, asset, &format!("e{n}")).await;
        die(&bus, &delivery, "bad", is_read).await.unwrap();
    }
    let letters = bus.dead_letters();
    let a: AssetId = "a".parse().unwrap();
    assert_eq!(letters.remove_of(&org(), Some(&a.hash())).await.unwrap(), 2, "also the one filed under no asset");
    assert_eq!(letters.remove_of(&org(), Some(&a.hash())).await.unwrap(), 0);
    assert_eq!(letters.remove_of(&"other".parse().unwrap(), None).await.unwrap(), 0);
    assert_eq!(letters.remove_of(&org(), None).await.unwrap(), 2);
    assert_eq!(bus.stream_messages("HEIMDEX_DLQ").await.unwrap(), 0);
}

#[tokio::test]
async fn the_blob_of_a_large_message_goes_with_its_letter() {
    let server = NatsServer::start();
    let bus = bus(&server, -1).await;
    let subject = "heimdex.asset.uploaded.interactive.acme";
    let payload = Bytes::from(vec![b'x'; 1024 * 1024 - 200]);
    bus.publish_raw(subject, &[("X-Own", "kept")], payload.clone()).await.unwrap();
    let delivery = next(&bus).await;
    let stored = die(&bus, &delivery, "bad", true).await.unwrap();
    let letter = bus.dead_letters().get(stored.sequence).await.unwrap().unwrap();
    let message = bus.dead_letters().message(&letter).await.unwrap();
    assert_eq!((message.payload, message.headers), (payload, vec![("X-Own".to_owned(), "kept".to_owned())]));
    assert!(letter.headers.iter().any(|(name, _)| name == header::RAW_BLOB));
    assert_eq!(bus.blobs().list(Bucket::Work, "acme").await.unwrap().len(), 1);
    assert_eq!(bus.dead_letters().remove_of(&org(), None).await.unwrap(), 1);
    assert_eq!(bus.blobs().list(Bucket::Work, "acme").await.unwrap(), []);
}

#[tokio::test]
async fn a_full_stream_refuses_by_name_and_takes_again_when_there_is_room() {
    let server = NatsServer::start();
    let bus = bus(&server, 2).await;
    for n in 0..2 {
        let delivery = upload(&bus, "a", &format!("e{n}")).await;
        die(&bus, &delivery, "bad", true).await.unwrap();
    }
    let delivery = upload(&bus, "a", "e2").await;
    let refused = die(&bus, &delivery, "bad", true).await.unwrap_err();
    assert!(matches!(refused, PublishError::StreamFull { .. }), "{refused}");
    let first = bus.dead_letters().get(1).await.unwrap().expect("the first is still there");
    bus.dead_letters().remove(&first).await.unwrap();
    die(&bus, &delivery, "bad", true).await.unwrap();
    assert_eq!(bus.stream_messages("HEIMDEX_DLQ").await.unwrap(), 2);
}
