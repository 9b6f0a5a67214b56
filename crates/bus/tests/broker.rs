//! The bus against a real nats-server: topology, publish, settle, ledger, blobs, receipts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use futures::StreamExt;
use heimdex_bus::receipts::{From, Scope};
use heimdex_bus::{
    Bus, BusError, DeadLetter, DecodeError, Delivery, Durability, LanePuller, Options, PublishError, Pulled, Verdict,
    Wait, topology,
};
use heimdex_schemas::{
    AssetUploaded, Content, DocumentExtracted, Envelope, FailureClass, Lane, Org, Page, Receipt, ReceiptState,
    StageName, UploadId,
};
use heimdex_stage::{BlobError, Blobs, Bucket, Ledger, conformance};
use heimdex_testkit::nats::NatsConfig;
use heimdex_testkit::{NatsServer, envelope, eventually, lineage};

const SOON: Duration = Duration::from_secs(10);

fn options(server: &NatsServer) -> Options {
    let mut options = Options { monitor: Some(server.monitor()), ..Options::default() };
    options.limits.ack_wait = Duration::from_secs(1);
    options.limits.org_depth = 3;
    options
}

async fn bus(server: &NatsServer) -> Bus {
    let bus = Bus::connect(&server.url(), options(server)).await.unwrap();
    bus.ensure().await.unwrap();
    bus
}

/// The client itself, to see what the bus did.
async fn raw(server: &NatsServer) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

fn org() -> Org {
    "acme".parse().unwrap()
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

fn upload(asset: &str, text: &str) -> Envelope {
    envelope(&AssetUploaded {
        asset_id: asset.parse().unwrap(),
        content: Content::Text(text.to_owned()),
        org: None,
        title: None,
        source: None,
        model: None,
        password: None,
    })
}

async fn message(puller: &mut LanePuller) -> Box<Delivery> {
    match puller.pull(Wait::For(Duration::from_secs(5))).await {
        Pulled::Message(delivery) => delivery,
        other => panic!("no message but {other:?}"),
    }
}

#[tokio::test]
async fn topology_is_made_once_and_a_difference_is_named() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    bus.ensure().await.expect("a second time changes nothing");
    let js = raw(&server).await;
    let mut stream = js.get_stream("HEIMDEX_ASSETS").await.unwrap();
    let mut config = stream.info().await.unwrap().config.clone();
    config.max_messages_per_subject = 7;
    js.update_stream(config).await.unwrap();
    let error = bus.ensure().await.unwrap_err();
    let BusError::Topology(error) = &error else { panic!("{error}") };
    assert_eq!(error.differences.len(), 1, "{error}");
    let difference = &error.differences[0];
    assert_eq!(difference.of, "stream HEIMDEX_ASSETS");
    assert_eq!(difference.setting, "max_msgs_per_subject");
    assert_eq!((difference.wanted.as_str(), difference.found.as_str()), ("3", "7"));
    assert!(error.to_string().contains("max_msgs_per_subject is 7, wanted 3"));
}

#[tokio::test]
async fn a_consumer_with_other_settings_is_named() {
    let server = NatsServer::start();
    bus(&server).await;
    let mut other = options(&server);
    other.limits.ack_wait = Duration::from_secs(9);
    let error = Bus::connect(&server.url(), other).await.unwrap().ensure().await.unwrap_err().to_string();
    assert!(error.contains("consumer extractor-interactive: ack_wait is 1000000000, wanted 9000000000"), "{error}");
}

/// Traps 2, 5 and 7: what must never be set on a queue and its consumers.
#[tokio::test]
async fn queues_follow_the_rules() {
    let server = NatsServer::start();
    bus(&server).await;
    let js = raw(&server).await;
    for stage in StageName::ALL {
        let mut stream = js.get_stream(topology::input_stream(*stage)).await.unwrap();
        let info = stream.info().await.unwrap().clone();
        assert_eq!(info.config.retention, async_nats::jetstream::stream::RetentionPolicy::WorkQueue);
        assert!(info.config.max_age.is_zero(), "max_age would delete work in flight");
        for lane in Lane::ALL {
            let consumer = stream.consumer_info(topology::consumer_name(*stage, *lane)).await.unwrap();
            assert!(consumer.config.backoff.is_empty(), "backoff overrides ack_wait");
            assert_eq!(consumer.config.max_deliver, -1, "attempts are ours");
            assert!(consumer.config.max_ack_pending >= 10_000, "delayed naks hold these slots");
            assert!(consumer.config.durable_name.is_some());
            assert!(consumer.config.filter_subject.ends_with(&format!(".{lane}.*")));
        }
    }
}

/// Trap 6: only the monitoring port knows.
#[tokio::test]
async fn durability_is_yes_no_or_unknown() {
    let synced = NatsServer::start();
    let lax = NatsServer::with(&NatsConfig { sync_always: false, ..NatsConfig::default() });
    let ask = |server: &NatsServer, monitor: Option<String>| {
        let (url, options) = (server.url(), Options { monitor, ..Options::default() });
        async move { Bus::connect(&url, options).await.unwrap().durability().await }
    };
    assert_eq!(ask(&synced, Some(synced.monitor())).await, Durability::Yes);
    assert_eq!(ask(&lax, Some(lax.monitor())).await, Durability::No);
    assert!(matches!(ask(&synced, None).await, Durability::Unknown(_)));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert!(matches!(ask(&synced, Some(nobody)).await, Durability::Unknown(_)));
}

/// Trap 1: the client's `double_ack` reports success here.
#[tokio::test]
async fn an_ack_that_the_broker_did_not_take_is_an_error() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    bus.publisher().publish(StageName::Extractor, &document("a", 1, "text"), None).await.unwrap();
    let mut puller = bus.puller(StageName::Chunker, Lane::Interactive).await.unwrap();
    let delivery = message(&mut puller).await;
    let js = raw(&server).await;
    let stream = js.get_stream("HEIMDEX_DOCUMENTS").await.unwrap();
    stream.delete_consumer("chunker-interactive").await.unwrap();
    let error = delivery.ack().await.unwrap_err();
    assert_eq!((error.verb, error.sequence), ("ack", 1));
    assert_eq!(bus.stream_messages("HEIMDEX_DOCUMENTS").await.unwrap(), 1, "the message is still there");
    assert!(matches!(puller.pull(Wait::No).await, Pulled::ConsumerGone));
}

#[tokio::test]
async fn acked_and_terminated_messages_are_gone_and_naks_come_back() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    for sequence in 1..=3 {
        let event = document("a", sequence, "text");
        bus.publisher().publish(StageName::Extractor, &event, None).await.unwrap();
    }
    let mut puller = bus.puller(StageName::Chunker, Lane::Interactive).await.unwrap();
    message(&mut puller).await.ack().await.unwrap();
    message(&mut puller).await.term("never").await.unwrap();
    message(&mut puller).await.nak(Duration::ZERO).await.unwrap();
    let again = message(&mut puller).await;
    assert_eq!((again.delivered(), again.position().sequence), (2, 3));
    again.ack().await.unwrap();
    assert!(matches!(puller.pull(Wait::No).await, Pulled::Empty));
    let state = bus.queue_state(StageName::Chunker).await.unwrap();
    assert_eq!((state.messages, state.pending, state.ack_pending, state.orphans()), (0, 0, 0, 0));
}

#[tokio::test]
async fn a_lease_guard_keeps_the_message_and_its_drop_lets_go() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    bus.publisher().publish(StageName::Extractor, &document("a", 1, "text"), None).await.unwrap();
    let mut puller = bus.puller(StageName::Chunker, Lane::Interactive).await.unwrap();
    let delivery = message(&mut puller).await;
    let lease = delivery.keep_alive();
    let held = puller.pull(Wait::For(Duration::from_millis(2500))).await;
    assert!(matches!(held, Pulled::Empty), "2.5 times ack_wait and still ours: {held:?}");
    drop(lease);
    assert_eq!(message(&mut puller).await.delivered(), 2);
}

/// Trap 4: the window is a convenience; a replay is a new message.
#[tokio::test]
async fn msg_ids_are_deterministic_and_replays_have_their_own() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let publisher = bus.publisher();
    let event = document("a", 1, "text");
    let first = publisher.publish(StageName::Extractor, &event, None).await.unwrap();
    let second = publisher.publish(StageName::Extractor, &event, None).await.unwrap();
    assert!(!first.duplicate && second.duplicate && first.sequence == second.sequence);
    let mut replay = event.clone();
    replay.lineage.replay = 1;
    let replayed = publisher.publish(StageName::Extractor, &replay, None).await.unwrap();
    assert!(!replayed.duplicate && replayed.sequence > first.sequence);
    let stage = publisher.publish(StageName::Chunker, &event, None).await.unwrap();
    assert!(!stage.duplicate, "another stage's output is another message");
}

#[tokio::test]
async fn a_publish_during_an_outage_is_stored_once() {
    let mut server = NatsServer::start();
    let mut options = options(&server);
    options.publish_timeout = Duration::from_secs(2);
    options.publish_attempts = 10;
    let bus = Bus::connect(&server.url(), options).await.unwrap();
    bus.ensure().await.unwrap();
    let event = document("a", 1, "text");
    server.kill9();
    let publisher = bus.publisher();
    let publish = tokio::spawn(async move { publisher.publish(StageName::Extractor, &event, None).await });
    eventually!(SOON, !bus.is_connected());
    server.restart();
    publish.await.unwrap().unwrap();
    eventually!(SOON, bus.is_connected());
    assert_eq!(bus.stream_messages("HEIMDEX_DOCUMENTS").await.unwrap(), 1);
}

#[tokio::test]
async fn an_org_over_its_depth_is_refused_and_others_notice_nothing() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let publisher = bus.publisher();
    for n in 0..3 {
        publisher.publish_asset(&org(), Lane::Bulk, upload(&format!("a{n}"), "text")).await.unwrap();
    }
    let full = publisher.publish_asset(&org(), Lane::Bulk, upload("a3", "text")).await.unwrap_err();
    assert!(matches!(&full, PublishError::Full { org } if org.as_str() == "acme"), "{full}");
    publisher.publish_asset(&"other".parse().unwrap(), Lane::Bulk, upload("a3", "text")).await.unwrap();
    publisher.publish_asset(&org(), Lane::Interactive, upload("a3", "text")).await.unwrap();
}

#[tokio::test]
async fn uploading_the_same_event_twice_is_one_upload() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let event = upload("a", "text");
    assert!(!bus.publisher().publish_asset(&org(), Lane::Bulk, event.clone()).await.unwrap().duplicate);
    assert!(bus.publisher().publish_asset(&org(), Lane::Bulk, event).await.unwrap().duplicate);
}

#[tokio::test]
async fn large_data_travels_as_a_verified_blob() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let event = document("a", 1, &"word ".repeat(200_000));
    bus.publisher()
        .publish(StageName::Extractor, &event, Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        .await
        .unwrap();
    let mut puller = bus.puller(StageName::Chunker, Lane::Interactive).await.unwrap();
    let delivery = message(&mut puller).await;
    assert!(delivery.payload().is_empty());
    assert!(delivery.header("ce-dataref").unwrap().contains("/acme/"));
    assert!(delivery.header("traceparent").is_some());
    let incoming = delivery.decode(bus.blobs().as_ref(), u64::MAX).await.unwrap();
    assert_eq!(incoming.envelope.data_as::<DocumentExtracted>().unwrap(), event);
    assert_eq!((incoming.address.lane, incoming.address.org), (Lane::Interactive, org()));
    let refused = delivery.decode(bus.blobs().as_ref(), 1000).await.unwrap_err();
    assert!(matches!(refused, DecodeError::Blob(BlobError::TooLarge { .. })), "{refused}");
}

#[tokio::test]
async fn a_reference_to_another_orgs_blob_is_refused() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let secret = bus.blobs().put(Bucket::Work, "other/asset/upload", Bytes::from_static(b"{}")).await.unwrap();
    let stolen = upload("a", "text")
        .with_extension("dataref", &format!("nats-object://HEIMDEX_WORK/{}", secret.name))
        .with_extension("datarefsha256", &secret.sha256)
        .with_extension("datarefsize", &secret.size.to_string());
    bus.publisher().publish_asset(&org(), Lane::Interactive, stolen).await.unwrap();
    let mut puller = bus.puller(StageName::Extractor, Lane::Interactive).await.unwrap();
    let error = message(&mut puller).await.decode(bus.blobs().as_ref(), u64::MAX).await.unwrap_err();
    assert_eq!(error.code(), "dataref_invalid");
}

#[tokio::test]
async fn blobs_are_idempotent_verified_and_limited() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let blobs = bus.blobs();
    let bytes = Bytes::from(vec![7_u8; 300_000]);
    let blob = blobs.put(Bucket::Originals, "acme/a/u", bytes.clone()).await.unwrap();
    assert_eq!(blobs.put(Bucket::Originals, "acme/a/u", bytes.clone()).await.unwrap(), blob);
    assert_eq!(blobs.get(&blob, u64::MAX).await.unwrap(), bytes);
    let messages = bus.stream_messages("OBJ_HEIMDEX_ORIGINALS").await.unwrap();
    assert_eq!(messages, 4, "three pieces of 128 KiB and one description, written once");
    assert!(matches!(blobs.get(&blob, 10).await, Err(BlobError::TooLarge { .. })));
    let mut absent = blob.clone();
    absent.name.push('0');
    assert!(matches!(blobs.get(&absent, u64::MAX).await, Err(BlobError::Missing(_))));
    let mut wrong = blob;
    wrong.sha256 = "0".repeat(64);
    assert!(matches!(blobs.get(&wrong, u64::MAX).await, Err(BlobError::Corrupt { .. })));
}

#[tokio::test]
async fn the_ledger_conforms() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    conformance::ledger(bus.ledger().as_ref(), "suite").await.unwrap();
}

#[tokio::test]
async fn the_ledger_survives_a_kill() {
    let mut server = NatsServer::start();
    let bus = bus(&server).await;
    let ledger = bus.ledger();
    let revision = ledger.create("part.u.m.0", Bytes::from_static(b"12")).await.unwrap();
    server.restart();
    eventually!(SOON, ledger.get("part.u.m.0").await.is_ok());
    let found = ledger.get("part.u.m.0").await.unwrap();
    assert_eq!(found, revision.map(|revision| (revision, Bytes::from_static(b"12"))));
}

#[tokio::test]
async fn dead_letters_keep_the_raw_message() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let js = raw(&server).await;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Msg-Id", "strange");
    headers.insert("X-Own", "kept");
    let sent = js.publish_with_headers("heimdex.asset.uploaded.interactive.acme", headers, "not json".into()).await;
    sent.unwrap().await.unwrap();
    let mut puller = bus.puller(StageName::Extractor, Lane::Interactive).await.unwrap();
    let delivery = message(&mut puller).await;
    let verdict = Verdict {
        stage: StageName::Extractor,
        class: FailureClass::Rejected,
        code: "envelope_structured".to_owned(),
        message: "line one\nline two".to_owned(),
        attempts: 1,
    };
    let letter = || DeadLetter { delivery: &delivery, verdict: &verdict, incoming: None };
    assert!(!bus.dead_letters().publish(letter()).await.unwrap().duplicate);
    assert!(bus.dead_letters().publish(letter()).await.unwrap().duplicate, "written once");
    let stream = js.get_stream("HEIMDEX_DLQ").await.unwrap();
    let dead = stream.get_last_raw_message_by_subject("heimdex.dlq.extractor.acme._").await.unwrap();
    assert_eq!(dead.payload, "not json");
    for (name, value) in [
        ("X-Own", "kept"),
        ("Heimdex-Original-Nats-Msg-Id", "strange"),
        ("Heimdex-Msg-Id", "strange"),
        ("Heimdex-Stream", "HEIMDEX_ASSETS"),
        ("Heimdex-Subject", "heimdex.asset.uploaded.interactive.acme"),
        ("Heimdex-Sequence", "1"),
        ("Heimdex-Consumer", "extractor-interactive"),
        ("Heimdex-Class", "rejected"),
        ("Heimdex-Code", "envelope_structured"),
        ("Heimdex-Message", "line one line two"),
        ("Heimdex-Org", "acme"),
    ] {
        assert_eq!(dead.headers.get(name).map(ToString::to_string).as_deref(), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_dead_letter_too_large_for_its_headers_is_kept_as_a_blob() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let js = raw(&server).await;
    let payload = Bytes::from(vec![b'x'; 1024 * 1024 - 200]);
    js.publish("heimdex.asset.uploaded.interactive.acme", payload.clone()).await.unwrap().await.unwrap();
    let mut puller = bus.puller(StageName::Extractor, Lane::Interactive).await.unwrap();
    let delivery = message(&mut puller).await;
    let verdict = Verdict {
        stage: StageName::Extractor,
        class: FailureClass::Poison,
        code: "poison".to_owned(),
        message: String::new(),
        attempts: 2,
    };
    let letter = DeadLetter { delivery: &delivery, verdict: &verdict, incoming: None };
    bus.dead_letters().publish(letter).await.unwrap();
    let stream = js.get_stream("HEIMDEX_DLQ").await.unwrap();
    let dead = stream.get_last_raw_message_by_subject("heimdex.dlq.extractor.acme._").await.unwrap();
    let name = dead.headers.get("Heimdex-Raw-Blob").unwrap().to_string();
    let mut object = js.get_object_store("HEIMDEX_WORK").await.unwrap().get(&name).await.unwrap();
    let mut raw = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut object, &mut raw).await.unwrap();
    assert!(raw.ends_with(&payload), "the payload is the end of the raw message");
}

fn receipt(n: u32, state: ReceiptState) -> Receipt {
    let lineage = lineage("a", 1);
    Receipt {
        org: lineage.org,
        asset_id: Some(lineage.asset_id),
        upload: lineage.upload,
        state,
        version: n,
        order: lineage.order,
        model: Some(lineage.model),
        chunks: n,
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

#[tokio::test]
async fn receipts_are_read_and_watched() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let (receipts, publisher) = (bus.receipts(), bus.publisher());
    let job = lineage("a", 1).upload;
    assert!(receipts.current(&org(), job).await.unwrap().is_none());
    let mut all = receipts.watch(&Scope::Org(org()), From::Now).await.unwrap();
    publisher.publish(StageName::Writer, &receipt(0, ReceiptState::Degraded), None).await.unwrap();
    assert_eq!(all.next().await.unwrap().unwrap().receipt.state, ReceiptState::Degraded);
    let second = publisher.publish(StageName::Writer, &receipt(1, ReceiptState::Indexed), None).await.unwrap();
    assert_eq!(all.next().await.unwrap().unwrap().receipt.state, ReceiptState::Indexed);
    let current = receipts.current(&org(), job).await.unwrap().unwrap();
    assert_eq!((current.receipt.version, current.sequence), (1, second.sequence));
    assert_eq!(bus.stream_messages("HEIMDEX_RECEIPTS").await.unwrap(), 1, "one current receipt a job");
    assert_eq!(receipts.now().await.unwrap(), second.sequence);
    let mut late = receipts.watch(&Scope::Job(org(), job), From::Current).await.unwrap();
    assert_eq!(late.next().await.unwrap().unwrap().sequence, second.sequence);
    let stranger = UploadId::new(&org(), "x", "y");
    assert!(receipts.current(&org(), stranger).await.unwrap().is_none());
}
