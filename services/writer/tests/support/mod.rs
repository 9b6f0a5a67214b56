//! A real store, uploads made of parts, and calls that fail on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "tests may fail loudly")]

#[path = "../../../../crates/index/tests/store/mod.rs"]
mod store;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_index::{Index, IndexError, Options, OrgScoped, Space, StoredUpload, Version};
use heimdex_schemas::{
    AssetDeleted, AssetId, Chunk, ChunksEmbedded, DocumentFacts, EmbeddedChunk, Envelope, Event, Failure, FailureClass,
    Lane, Lineage, MissingChunk, Order, Org, OrgPurged, Outcome, PointId, Receipt, Sparse, StageName, UploadId,
    Vectors, Warning,
};
use heimdex_stage::memory::{MemoryBlobs, MemoryLedger};
use heimdex_stage::{
    Blobs, Context, DeadLetterBin, DeadLettersUnavailable, Ledger, LedgerError, Position, Revision, Stage,
};
use heimdex_writer::{Eraser, Place, Points, Purger, Writer, WriterError};
use tokio_util::sync::CancellationToken;

pub use store::Store;

pub const SPACE: &str = "0011223344556677";

impl Store {
    pub async fn start() -> Self {
        Self::open(Options::default()).await
    }

    pub async fn points(&self, org: &Org) -> OrgScoped {
        self.index.collection(&space()).await.unwrap().scoped(org)
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
            position: at(sequence),
            lane: Lane::Interactive,
            model: "tiny".parse().unwrap(),
            replay: 0,
            accepted_at: DateTime::UNIX_EPOCH,
            title: None,
            source: None,
            traceparent: None,
            trail: Vec::new(),
        };
        Self { lineage, parts: parts.to_vec(), warnings: Vec::new() }
    }

    /// With a `sequence` of the uploader's.
    #[must_use]
    pub fn ordered(mut self, sequence: u64) -> Self {
        self.lineage.order = Order::by_uploader(sequence);
        self
    }

    /// Without a `sequence`: what was stored later is newer.
    #[must_use]
    pub fn unordered(mut self) -> Self {
        self.lineage.order = self.lineage.position;
        self
    }

    /// Stored at this place in the stream of uploads and deletions.
    #[must_use]
    pub fn stored_at(mut self, place: u64) -> Self {
        self.lineage.position = at(place);
        self
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
                content_hash: "00".to_owned(),
                ..Chunk::default()
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
            reused: 0,
        }
    }
}

/// A place in the stream of uploads and deletions.
pub fn at(place: u64) -> Order {
    Order::by_stream(1, place)
}

/// The deletion of an asset, or of a whole org.
#[derive(Debug, Clone)]
pub struct Deletion {
    pub org: Org,
    pub asset: Option<AssetId>,
    /// Its place in the stream.
    pub place: u64,
    pub sequence: Option<u64>,
}

impl Deletion {
    pub fn of(org: &Org, asset: &str, place: u64) -> Self {
        Self { org: org.clone(), asset: Some(asset.parse().unwrap()), place, sequence: None }
    }

    pub fn of_org(org: &Org, place: u64) -> Self {
        Self { org: org.clone(), asset: None, place, sequence: None }
    }

    #[must_use]
    pub fn sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    fn event_id(&self) -> String {
        format!("deletion-{}", self.place)
    }

    pub fn job(&self) -> UploadId {
        UploadId::new(&self.org, "/cms", &self.event_id())
    }

    /// Whether the rules of the contract say that it deletes `upload`.
    pub fn covers(&self, upload: &Upload) -> bool {
        let Lineage { order, position, .. } = upload.lineage;
        match self.sequence.filter(|_| self.asset.is_some() && order.is_by_uploader()) {
            Some(sequence) => order <= Order::by_uploader(sequence),
            None => position < at(self.place),
        }
    }

    fn envelope<E: Event>(&self, event: &E) -> Envelope {
        let envelope = Envelope::wrap("/cms", &self.event_id(), event).unwrap();
        match self.sequence {
            None => envelope,
            Some(sequence) => envelope.with_extension("sequence", &sequence.to_string()),
        }
    }
}

/// Dead letters of no broker: remembers what was to be removed.
#[derive(Debug, Default)]
pub struct Bin(pub Mutex<Vec<(Org, Option<AssetId>)>>);

#[async_trait]
impl DeadLetterBin for Bin {
    async fn remove(&self, org: &Org, asset: Option<&AssetId>) -> Result<u64, DeadLettersUnavailable> {
        self.0.lock().unwrap().push((org.clone(), asset.cloned()));
        Ok(0)
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

#[derive(Clone)]
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

    async fn revive(&self, place: &Place, upload: UploadId) -> Result<(), IndexError> {
        self.1.pass(broken_index, self.0.revive(place, upload)).await
    }

    async fn count_live(&self, place: &Place, upload: UploadId) -> Result<u64, IndexError> {
        self.1.pass(broken_index, self.0.count_live(place, upload)).await
    }

    async fn spaces(&self) -> Result<Vec<Space>, IndexError> {
        self.1.pass(broken_index, Points::spaces(&self.0)).await
    }

    async fn uploads(&self, place: &Place, asset: Option<&AssetId>) -> Result<Vec<StoredUpload>, IndexError> {
        self.1.pass(broken_index, self.0.uploads(place, asset)).await
    }

    async fn remove(&self, place: &Place, uploads: &[UploadId]) -> Result<(), IndexError> {
        self.1.pass(broken_index, self.0.remove(place, uploads)).await
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

    async fn delete(&self, key: &str, expected: Revision) -> Result<bool, LedgerError> {
        self.1.pass(broken_ledger, self.0.delete(key, expected)).await
    }

    async fn count(&self, prefix: &str) -> Result<u64, LedgerError> {
        self.1.pass(broken_ledger, self.0.count(prefix)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, LedgerError> {
        self.1.pass(broken_ledger, self.0.list(prefix)).await
    }
}

/// The stages of this service with their ledger; many deliveries may be handled at once, as by several replicas.
pub struct Bench<P> {
    pub writer: Writer<P>,
    pub eraser: Eraser<P>,
    pub purger: Purger<P>,
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<MemoryBlobs>,
    pub bin: Arc<Bin>,
}

impl Bench<Index> {
    pub fn new(store: &Store) -> Self {
        Self::over(store.index.clone(), Arc::new(MemoryLedger::default()))
    }
}

impl<P: Points + Clone> Bench<P> {
    pub fn over(points: P, ledger: Arc<dyn Ledger>) -> Self {
        let bin = Arc::new(Bin::default());
        Self {
            writer: Writer::new(points.clone()),
            eraser: Eraser::new(points.clone(), bin.clone()),
            purger: Purger::new(points, bin.clone()),
            ledger,
            blobs: Arc::default(),
            bin,
        }
    }

    pub fn context(&self, envelope: Envelope, org: &Org, place: u64) -> Context {
        let blobs: Arc<dyn Blobs> = self.blobs.clone();
        Context {
            envelope,
            org: org.clone(),
            lane: Lane::Interactive,
            position: Position { epoch: 1, sequence: place, stored_at: Utc::now() },
            blobs,
            ledger: Arc::clone(&self.ledger),
            cancelled: CancellationToken::new(),
        }
    }

    pub async fn handle(&self, event: ChunksEmbedded) -> Result<Vec<Receipt>, WriterError> {
        let envelope = Envelope::wrap("/test", "1", &event).unwrap();
        self.writer.handle(&self.context(envelope, &event.lineage.org, 1), event).await
    }

    /// Delivers all parts in order; the receipts of the last.
    pub async fn deliver(&self, upload: &Upload) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for part in 0..upload.parts.len() {
            receipts = self.handle(upload.event(part)).await.unwrap();
        }
        receipts
    }

    pub async fn try_delete(&self, deletion: &Deletion) -> Result<Vec<Receipt>, WriterError> {
        let context = |envelope| self.context(envelope, &deletion.org, deletion.place);
        match deletion.asset.clone() {
            Some(asset_id) => {
                let event = AssetDeleted { asset_id, org: None, reason: None };
                self.eraser.handle(&context(deletion.envelope(&event)), event).await
            }
            None => {
                let event = OrgPurged { org: None, reason: None };
                self.purger.handle(&context(deletion.envelope(&event)), event).await
            }
        }
    }

    pub async fn delete(&self, deletion: &Deletion) -> Vec<Receipt> {
        self.try_delete(deletion).await.unwrap()
    }
}

/// The receipt of one job among several.
pub fn of(receipts: &[Receipt], job: UploadId) -> &Receipt {
    let mut found = receipts.iter().filter(|receipt| receipt.upload == job);
    let receipt = found.next().unwrap_or_else(|| panic!("no receipt of {job} among {receipts:?}"));
    assert!(found.next().is_none(), "one receipt of {job}: {receipts:?}");
    receipt
}
