//! A real store, uploads made of parts, and calls that fail on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "tests may fail loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_index::{Index, IndexError, Options, OrgScoped, Space, Version};
use heimdex_schemas::{
    AssetId, Chunk, ChunksEmbedded, DocumentFacts, EmbeddedChunk, Envelope, Failure, FailureClass, Lane, Lineage,
    MissingChunk, Order, Org, Outcome, PointId, Receipt, Sparse, StageName, UploadId, Vectors, Warning,
};
use heimdex_stage::memory::{MemoryBlobs, MemoryLedger};
use heimdex_stage::{Context, Ledger, LedgerError, Position, Revision, Stage};
use heimdex_writer::{Place, Points, Writer, WriterError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub const SPACE: &str = "0011223344556677";

/// A store that ends with the test.
pub struct Store {
    pub index: Index,
    shutdown: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Store {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let config = heimdex_store::Config { data_dir: folder.path().join("data"), ..heimdex_store::Config::default() };
        tokio::spawn(heimdex_store::serve(config, listener, shutdown.clone()));
        let index = Index::connect(&url, Options::default()).unwrap();
        Self { index, shutdown, _folder: folder }
    }

    pub async fn points(&self, org: &Org) -> OrgScoped {
        self.index.collection(&space()).await.unwrap().scoped(org)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub fn space() -> Space {
    Space { model: "tiny".parse().unwrap(), id: SPACE.to_owned(), dimension: 2 }
}

/// What one part of a test upload brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brings {
    Points(u32),
    /// So many points, and one chunk that could not be embedded.
    PointsButOne(u32),
    Failure,
}

impl Brings {
    pub const fn points(self) -> u32 {
        match self {
            Self::Points(points) | Self::PointsButOne(points) => points,
            Self::Failure => 0,
        }
    }
}

/// One upload of the test's asset.
#[derive(Debug, Clone)]
pub struct Upload {
    pub lineage: Lineage,
    pub parts: Vec<Brings>,
    pub warnings: Vec<Warning>,
}

impl Upload {
    pub fn new(org: &Org, asset: &str, sequence: u64, parts: &[Brings]) -> Self {
        let lineage = Lineage {
            upload: UploadId::new(org, "/cms", &format!("{asset}-{sequence}")),
            org: org.clone(),
            asset_id: asset.parse().unwrap(),
            order: Order::by_uploader(sequence),
            lane: Lane::Interactive,
            model: "tiny".parse().unwrap(),
            replay: 0,
            accepted_at: DateTime::UNIX_EPOCH,
            title: None,
            source: None,
            traceparent: None,
        };
        Self { lineage, parts: parts.to_vec(), warnings: Vec::new() }
    }

    pub fn version(&self) -> Version {
        Version { upload: self.lineage.upload, order: self.lineage.order }
    }

    pub fn points(&self) -> u32 {
        self.parts.iter().map(|part| part.points()).sum()
    }

    /// Whether it may become its asset's current upload.
    pub fn may_be_head(&self) -> bool {
        self.points() > 0 || self.parts.iter().all(|part| matches!(part, Brings::Points(_)))
    }

    pub fn is_whole(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Brings::Points(_))) && self.warnings.is_empty()
    }

    pub fn event(&self, part: usize) -> ChunksEmbedded {
        let before: u32 = self.parts[..part].iter().map(|part| part.points() + 1).sum();
        let outcome = match self.parts[part] {
            Brings::Points(points) => Outcome::Embedded(self.vectors(before, points, false)),
            Brings::PointsButOne(points) => Outcome::Embedded(self.vectors(before, points, true)),
            Brings::Failure => Outcome::Failed(failure("poison")),
        };
        let document = DocumentFacts {
            format: "pdf".to_owned(),
            language: Some("en".to_owned()),
            pages: 3,
            chunks: self.points(),
            warnings: self.warnings.clone(),
        };
        let parts = u32::try_from(self.parts.len()).unwrap();
        let lineage = self.lineage.clone();
        ChunksEmbedded { lineage, document: Some(document), part: u32::try_from(part).unwrap(), parts, outcome }
    }

    fn vectors(&self, first: u32, points: u32, miss: bool) -> Vectors {
        let chunk = |ordinal: u32| EmbeddedChunk {
            point_id: PointId::new(self.lineage.upload, SPACE, ordinal),
            chunk: Chunk {
                ordinal,
                text: format!("chunk {ordinal}"),
                tokens: 2,
                pages: vec![1],
                page_starts: vec![0],
                span: [0, 7],
                heading_path: Vec::new(),
                content_hash: "00".to_owned(),
            },
            dense: vec![0.6, 0.8],
            sparse: Sparse { indices: vec![7], values: vec![1.0] },
        };
        let missing = MissingChunk {
            ordinal: first + points,
            code: "not_finite".to_owned(),
            message: "the model gave a vector that is not finite".to_owned(),
        };
        Vectors {
            space: SPACE.to_owned(),
            dimension: 2,
            numerics: "cpu/fp32/test".to_owned(),
            chunks: (first..first + points).map(chunk).collect(),
            missing: if miss { vec![missing] } else { Vec::new() },
        }
    }
}

pub fn failure(code: &str) -> Failure {
    Failure {
        stage: StageName::Embedder,
        class: FailureClass::Poison,
        code: code.to_owned(),
        message: "it killed its worker".to_owned(),
    }
}

/// Which of the calls to index and ledger fail, counted over all of them; `true` for after they took effect.
#[derive(Debug, Default)]
pub struct Faults {
    planned: BTreeMap<usize, bool>,
    calls: AtomicUsize,
    /// Calls that failed so far.
    pub struck: AtomicUsize,
}

impl Faults {
    pub fn planned(planned: BTreeMap<usize, bool>) -> Arc<Self> {
        Arc::new(Self { planned, ..Self::default() })
    }

    /// Runs one call, which may fail before or after it happens, as a process may die before or after.
    async fn pass<T, E>(&self, broken: impl Fn() -> E, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let planned = self.planned.get(&self.calls.fetch_add(1, SeqCst)).copied();
        tokio::task::yield_now().await;
        let Some(after) = planned else { return call.await };
        self.struck.fetch_add(1, SeqCst);
        if after {
            call.await?;
        }
        Err(broken())
    }
}

fn broken_index() -> IndexError {
    IndexError::Unavailable { code: "Planned".to_owned(), message: "as planned".to_owned() }
}

fn broken_ledger() -> LedgerError {
    LedgerError::Unavailable("as planned".to_owned())
}

pub struct FlakyPoints(pub Index, pub Arc<Faults>);

#[async_trait]
impl Points for FlakyPoints {
    async fn stage(
        &self,
        place: &Place,
        lineage: &Lineage,
        facts: &DocumentFacts,
        part: &Vectors,
    ) -> Result<u32, IndexError> {
        self.1.pass(broken_index, self.0.stage(place, lineage, facts, part)).await
    }

    async fn make_live(&self, place: &Place, upload: UploadId) -> Result<(), IndexError> {
        self.1.pass(broken_index, self.0.make_live(place, upload)).await
    }

    async fn retire_older(&self, place: &Place, asset: &AssetId, newest: Version) -> Result<(), IndexError> {
        self.1.pass(broken_index, self.0.retire_older(place, asset, newest)).await
    }

    async fn count_live(&self, place: &Place, upload: UploadId) -> Result<u64, IndexError> {
        self.1.pass(broken_index, self.0.count_live(place, upload)).await
    }
}

pub struct FlakyLedger(pub MemoryLedger, pub Arc<Faults>);

#[async_trait]
impl Ledger for FlakyLedger {
    async fn create(&self, key: &str, value: Bytes) -> Result<Option<Revision>, LedgerError> {
        self.1.pass(broken_ledger, self.0.create(key, value)).await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Revision,
        value: Bytes,
    ) -> Result<Option<Revision>, LedgerError> {
        self.1.pass(broken_ledger, self.0.compare_and_set(key, expected, value)).await
    }

    async fn get(&self, key: &str) -> Result<Option<(Revision, Bytes)>, LedgerError> {
        self.1.pass(broken_ledger, self.0.get(key)).await
    }

    async fn count(&self, prefix: &str) -> Result<u64, LedgerError> {
        self.1.pass(broken_ledger, self.0.count(prefix)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, LedgerError> {
        self.1.pass(broken_ledger, self.0.list(prefix)).await
    }
}

/// A writer with its ledger; many deliveries may be handled at once, as by several replicas.
pub struct Bench<P> {
    pub writer: Writer<P>,
    pub ledger: Arc<dyn Ledger>,
}

impl Bench<Index> {
    pub fn new(store: &Store) -> Self {
        Self { writer: Writer::new(store.index.clone()), ledger: Arc::new(MemoryLedger::default()) }
    }
}

impl<P: Points> Bench<P> {
    pub async fn handle(&self, event: ChunksEmbedded) -> Result<Vec<Receipt>, WriterError> {
        let context = Context {
            envelope: Envelope::wrap("/test", "1", &event).unwrap(),
            org: event.lineage.org.clone(),
            lane: event.lineage.lane,
            position: Position { epoch: 1, sequence: 1, stored_at: Utc::now() },
            blobs: Arc::new(MemoryBlobs::default()),
            ledger: Arc::clone(&self.ledger),
            cancelled: CancellationToken::new(),
        };
        self.writer.handle(&context, event).await
    }

    /// Delivers all parts in order; the receipts of the last.
    pub async fn deliver(&self, upload: &Upload) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for part in 0..upload.parts.len() {
            receipts = self.handle(upload.event(part)).await.unwrap();
        }
        receipts
    }
}
