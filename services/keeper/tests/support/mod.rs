//! A broker, a store, and what the pipeline would have left in them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../../../../crates/index/tests/store/mod.rs"]
mod store;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use heimdex_bus::{Bus, Delivery, LanePuller, Options, Pulled, Wait};
use heimdex_index::{Index, Options as IndexOptions, OrgScoped, Space, State};
use heimdex_keeper::{Desk, Keeper, KeeperMetrics, Settings};
use heimdex_redrive::{ExpiryMetrics, Redrive};
use heimdex_runtime::Metrics;
use heimdex_schemas::{
    AssetId, AssetUploaded, Chunk, Content, DocumentExtracted, DocumentFacts, EmbeddedChunk, Envelope, Lane, Lineage,
    Order, Org, Page, PointId, Receipt, ReceiptState, Sparse, StageName, UploadId, Vectors,
};
use heimdex_stage::{Context, Done, Ledger, Revision, accept, done, origin};
use heimdex_testkit::NatsServer;
use tokio_util::sync::CancellationToken;

use store::Store;

pub const SOON: Duration = Duration::from_secs(20);
pub const MODEL: &str = "tiny";
pub const SPACE: &str = "0011223344556677";
pub const SOURCE: &str = "/cms";

/// Both servers, ended with the test.
pub struct Scene {
    pub nats: NatsServer,
    pub bus: Bus,
    pub index: Index,
    _store: Store,
}

pub fn org() -> Org {
    "acme".parse().unwrap()
}

pub fn asset(name: &str) -> AssetId {
    name.parse().unwrap()
}

/// Everything is due at once.
pub fn settings() -> Settings {
    Settings {
        keep_dead: Duration::ZERO,
        keep_staged: Duration::ZERO,
        keep_work: Duration::ZERO,
        keep_originals: Duration::ZERO,
        keep_pieces: Duration::ZERO,
        keep_attempts: Duration::ZERO,
        keep_parts: Duration::ZERO,
        keep_records: Duration::ZERO,
        stuck_after: Duration::ZERO,
        ..Settings::default()
    }
}

pub fn space() -> Space {
    Space { model: MODEL.parse().unwrap(), id: SPACE.to_owned(), dimension: 4 }
}

impl Scene {
    pub async fn start() -> Self {
        Self::with(NatsServer::start()).await
    }

    pub async fn with(nats: NatsServer) -> Self {
        let bus = Bus::connect(&nats.url(), Options::default()).await.unwrap();
        bus.ensure().await.unwrap();
        let store = Store::open(IndexOptions::default()).await;
        Self { nats, bus, index: store.index.clone(), _store: store }
    }

    pub fn keeper(&self, settings: Settings) -> Keeper {
        let metrics = Metrics::default();
        Keeper {
            bus: self.bus.clone(),
            index: self.index.clone(),
            settings,
            metrics: KeeperMetrics::new(&metrics),
            redrive: Redrive::new(&self.bus, "test", MODEL.parse().unwrap()),
            expiry: metrics.register(ExpiryMetrics::register),
        }
    }

    /// The keeper's desk, with a lease of its own.
    pub async fn desk(&self, settings: Settings) -> Desk {
        let keeper = self.keeper(settings);
        let ledger = self.bus.ledger();
        if let Some((revision, _)) = ledger.get(heimdex_keeper::LEASE_KEY).await.unwrap() {
            ledger.delete(heimdex_keeper::LEASE_KEY, revision).await.unwrap();
        }
        let fence = keeper.lease().take().await.unwrap().expect("nobody holds the lease");
        keeper.desk(fence)
    }

    pub async fn points(&self) -> OrgScoped {
        self.index.collection(&space()).await.unwrap().scoped(&org())
    }

    pub async fn count(&self, state: State) -> u64 {
        self.points().await.count_all(state).await.unwrap()
    }

    /// Points as the writer stages them.
    pub async fn stage(&self, upload: &Upload, points: u32) {
        let vectors = vectors(upload.id(), points);
        self.points().await.upsert_staged(&upload.lineage(), &facts(points), &vectors).await.unwrap();
    }

    /// Points as the writer leaves them.
    pub async fn live(&self, upload: &Upload, points: u32) {
        self.stage(upload, points).await;
        self.points().await.make_live(upload.id()).await.unwrap();
    }

    pub async fn retire(&self, upload: &Upload) {
        self.points().await.retire(upload.id()).await.unwrap();
    }

    /// The receipt that the writer records.
    pub async fn conclude(&self, upload: &Upload, state: ReceiptState, chunks: u32) -> Receipt {
        let receipt = upload.receipt(state, chunks);
        let done = Done { progress: 1, position: Order::by_stream(1, upload.sequence), receipt: receipt.clone() };
        self.put(&done::key(&receipt), &done).await;
        receipt
    }

    pub async fn put(&self, key: &str, value: &impl serde::Serialize) -> Revision {
        let value = Bytes::from(serde_json::to_vec(value).unwrap());
        self.bus.ledger().create(key, value).await.unwrap().expect("a fresh key")
    }

    pub async fn has(&self, key: &str) -> bool {
        self.bus.ledger().get(key).await.unwrap().is_some()
    }

    /// Publishes the upload and takes it as far as the extractor does: accepted, kept if `kept`, and its text in the
    /// second queue.
    pub async fn extract(&self, upload: &Upload, kept: bool) -> Lineage {
        self.bus.publisher().publish_asset(&org(), Lane::Interactive, upload.envelope()).await.unwrap();
        let mut puller = self.bus.puller(StageName::Extractor, Lane::Interactive).await.unwrap();
        let delivery = message(&mut puller).await;
        let lineage = self.accept(&delivery, kept).await;
        let pages = vec![Page::plain(1, upload.text.clone())];
        let (format, language, warnings) = ("txt".to_owned(), None, Vec::new());
        let event = DocumentExtracted {
            lineage: lineage.clone(),
            format,
            language,
            pages,
            metadata: Default::default(),
            attachments: Vec::new(),
            warnings,
        };
        self.bus.publisher().publish(StageName::Extractor, &event, None).await.unwrap();
        delivery.ack().await.unwrap();
        lineage
    }

    pub async fn accept(&self, delivery: &Delivery, kept: bool) -> Lineage {
        let blobs = self.bus.blobs();
        let incoming = delivery.decode(blobs.as_ref(), u64::MAX).await.unwrap();
        let context = Context {
            envelope: incoming.envelope.clone().with_data(Bytes::new()),
            org: incoming.address.org,
            lane: incoming.address.lane,
            position: delivery.position(),
            blobs,
            ledger: self.bus.ledger(),
            cancelled: CancellationToken::new(),
        };
        let event: AssetUploaded = incoming.envelope.data_as().unwrap();
        let lineage = accept::accept(&context, &event.asset_id, &MODEL.parse().unwrap()).await.unwrap();
        if kept {
            origin::keep(&context, Some(&event.asset_id), lineage.upload, &event).await.unwrap();
        }
        lineage
    }

    /// The messages that wait for a stage, taken out.
    pub async fn take(&self, stage: StageName) -> Vec<Envelope> {
        let mut taken = Vec::new();
        let mut puller = self.bus.puller(stage, Lane::Interactive).await.unwrap();
        while let Pulled::Message(delivery) = puller.pull(Wait::No).await {
            taken.push(delivery.decode(self.bus.blobs().as_ref(), u64::MAX).await.unwrap().envelope);
            delivery.ack().await.unwrap();
        }
        taken
    }

    pub fn ledger(&self) -> Arc<dyn Ledger> {
        self.bus.ledger()
    }
}

pub async fn message(puller: &mut LanePuller) -> Box<Delivery> {
    match puller.pull(Wait::For(Duration::from_secs(5))).await {
        Pulled::Message(delivery) => delivery,
        other => panic!("no message but {other:?}"),
    }
}

/// One upload of one asset.
#[derive(Debug, Clone)]
pub struct Upload {
    pub asset: AssetId,
    pub sequence: u64,
    pub text: String,
    pub content: Option<Content>,
    pub ended_at: DateTime<Utc>,
}

impl Upload {
    /// Ended an hour ago.
    pub fn new(name: &str, sequence: u64) -> Self {
        let text = format!("text {sequence} of {name}");
        Self { asset: asset(name), sequence, text, content: None, ended_at: Utc::now() - TimeDelta::hours(1) }
    }

    fn event_id(&self) -> String {
        format!("{}-{}", self.asset, self.sequence)
    }

    pub fn id(&self) -> UploadId {
        UploadId::new(&org(), SOURCE, &self.event_id())
    }

    /// Where its blobs lie.
    pub fn prefix(&self) -> String {
        format!("{}/{}/{}", org(), self.asset.hash(), self.id())
    }

    pub fn envelope(&self) -> Envelope {
        let content = self.content.clone().unwrap_or_else(|| Content::Text(self.text.clone()));
        let event = AssetUploaded {
            asset_id: self.asset.clone(),
            content,
            org: None,
            title: Some("Title".to_owned()),
            source: None,
            model: None,
            password: None,
        };
        let envelope = Envelope::wrap(SOURCE, &self.event_id(), &event).unwrap();
        envelope.with_extension("sequence", &self.sequence.to_string())
    }

    pub fn lineage(&self) -> Lineage {
        let order = Order::by_uploader(self.sequence);
        Lineage {
            asset_id: self.asset.clone(),
            upload: self.id(),
            order,
            position: Order::by_stream(1, self.sequence),
            model: MODEL.parse().unwrap(),
            ..heimdex_testkit::lineage("any", self.sequence)
        }
    }

    pub fn acceptance(&self) -> heimdex_stage::Acceptance {
        heimdex_stage::Acceptance {
            org: org(),
            asset_id: Some(self.asset.clone()),
            model: Some(MODEL.parse().unwrap()),
            lane: Lane::Interactive,
            order: Order::by_uploader(self.sequence),
            position: Order::by_stream(1, self.sequence),
            accepted_at: self.ended_at,
        }
    }

    fn receipt(&self, state: ReceiptState, chunks: u32) -> Receipt {
        Receipt {
            org: org(),
            asset_id: Some(self.asset.clone()),
            upload: self.id(),
            state,
            version: 0,
            order: Order::by_uploader(self.sequence),
            model: Some(MODEL.parse().unwrap()),
            chunks,
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
            accepted_at: self.ended_at,
            completed_at: self.ended_at,
        }
    }
}

fn facts(chunks: u32) -> DocumentFacts {
    DocumentFacts { format: "txt".to_owned(), language: None, pages: 1, chunks, warnings: Vec::new() }
}

fn vectors(upload: UploadId, chunks: u32) -> Vectors {
    let chunk = |ordinal: u32| EmbeddedChunk {
        point_id: PointId::new(upload, SPACE, ordinal),
        chunk: Chunk {
            ordinal,
            text: format!("chunk {ordinal}"),
            tokens: 2,
            pages: vec![1],
            page_starts: vec![0],
            span: [0, 7],
            content_hash: "00".to_owned(),
            ..Chunk::default()
        },
        dense: vec![1.0, ordinal as f32, 0.0, 0.0],
        sparse: Sparse { indices: vec![7], values: vec![1.0] },
    };
    Vectors {
        chunks: (0..chunks).map(chunk).collect(),
        space: SPACE.to_owned(),
        dimension: 4,
        numerics: "cpu/fp32/test".to_owned(),
        missing: Vec::new(),
        reused: 0,
    }
}
