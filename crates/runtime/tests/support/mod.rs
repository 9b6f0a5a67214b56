//! Stages whose documents say what shall happen to them, and a world to run them in.
#![allow(dead_code, reason = "each test program uses a part")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heimdex_bus::{Bus, Options, Pulled, Wait};
use heimdex_runtime::{Process, RunError, StageConfig, run_stage};
use heimdex_schemas::{
    AssetUploaded, Chunk, ChunksCreated, ChunksEmbedded, DocumentExtracted, DocumentFacts, Event, Lane, Page, StageName,
};
use heimdex_stage::{AcceptError, Class, Classify, Context, Ledger as _, Stage, accept};
use heimdex_testkit::{NatsServer, lineage};
use rustix::process::{Resource, Rlimit, Signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const SOON: Duration = Duration::from_secs(15);

/// What a document asked for.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the document asked for {class:?}")]
pub struct Asked {
    class: Class,
}

impl Classify for Asked {
    fn class(&self) -> Class {
        self.class
    }
    fn code(&self) -> &str {
        "asked"
    }
}

/// What a stage has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Asset to how often it was handled.
    pub handled: Mutex<BTreeMap<String, u32>>,
    pub now: AtomicUsize,
    pub most: AtomicUsize,
    /// Assets that had company.
    pub together: Mutex<Vec<String>>,
    /// Whether documents that ask for `unavailable` get it.
    pub outage: std::sync::atomic::AtomicBool,
}

impl Seen {
    pub fn count(&self, asset: &str) -> u32 {
        self.handled.lock().unwrap().get(asset).copied().unwrap_or(0)
    }

    pub fn total(&self) -> u32 {
        self.handled.lock().unwrap().values().sum()
    }
}

struct InHand<'a>(&'a Seen);

impl<'a> InHand<'a> {
    fn enter(seen: &'a Seen, asset: &str) -> Self {
        *seen.handled.lock().unwrap().entry(asset.to_owned()).or_default() += 1;
        let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(now, Ordering::SeqCst);
        if now > 1 {
            seen.together.lock().unwrap().push(asset.to_owned());
        }
        Self(seen)
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Stands for work that takes its time.
async fn take(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Does what the text says: `ok`, `slow 300` (milliseconds), `transient`, `permanent`, `unavailable`, `panic`, or a way
/// to die: `abort`, `overflow` (the stack), `exhaust` (the memory), `segfault`, `killed` (as by the kernel's memory killer).
async fn obey(seen: &Seen, text: &str) -> Result<(), Asked> {
    let fail = |class| Err(Asked { class });
    tracing::info!(text, "in hand");
    match text.split_once(' ').unwrap_or((text, "")) {
        ("slow", millis) => {
            take(millis.parse().unwrap()).await;
            Ok(())
        }
        ("transient", _) => fail(Class::Transient),
        ("permanent", _) => fail(Class::Permanent),
        ("unavailable", _) if seen.outage.load(Ordering::SeqCst) => fail(Class::Unavailable),
        ("panic", _) => panic!("as asked"),
        ("abort", _) => std::process::abort(),
        ("overflow", _) => panic!("{} deep", overflow(1)),
        ("exhaust", _) => panic!("{} bytes", exhaust()),
        ("segfault", _) => die_of(Signal::SEGV),
        ("killed", _) => die_of(Signal::KILL),
        _ => Ok(()),
    }
}

fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if frame[1] == 0 { 0 } else { overflow(frame[0] + 1) + frame[63] }
}

/// As a container's limit does it, only at once.
fn exhaust() -> usize {
    let limit = Rlimit { current: Some(8 << 30), maximum: None };
    rustix::process::setrlimit(Resource::As, limit).unwrap();
    std::hint::black_box(vec![1u8; 64 << 30]).len()
}

fn die_of(signal: Signal) -> ! {
    // The first SIGSEGV only removes the handler of the standard library, which looks for stack overflows.
    loop {
        rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
    }
}

/// Stands where the chunker stands.
pub struct Obedient(pub Arc<Seen>);

impl Stage for Obedient {
    type In = DocumentExtracted;
    type Out = ChunksCreated;
    type Error = Asked;
    const NAME: StageName = StageName::Chunker;

    async fn handle(&self, _: &Context, input: DocumentExtracted) -> Result<Vec<ChunksCreated>, Asked> {
        let _in_hand = InHand::enter(&self.0, input.lineage.asset_id.as_str());
        obey(&self.0, &input.pages[0].text).await?;
        Ok(vec![chunks(&input)])
    }
}

/// Stands where the extractor stands: accepts uploads and takes its time for each.
pub struct Accepting(pub Arc<Seen>);

impl Stage for Accepting {
    type In = AssetUploaded;
    type Out = DocumentExtracted;
    type Error = AcceptError;
    const NAME: StageName = StageName::Extractor;

    async fn handle(&self, ctx: &Context, input: AssetUploaded) -> Result<Vec<DocumentExtracted>, AcceptError> {
        let _in_hand = InHand::enter(&self.0, input.asset_id.as_str());
        let model = "all-minilm-l6-v2".parse().unwrap();
        let lineage = accept::accept(ctx, &input.asset_id, &model).await?;
        take(40).await;
        let document = document("any", 1, ctx.lane, "ok");
        Ok(vec![DocumentExtracted { lineage, ..document }])
    }
}

/// Stands where the extractor stands: refuses everything.
pub struct Refusing;

impl Stage for Refusing {
    type In = AssetUploaded;
    type Out = DocumentExtracted;
    type Error = Asked;
    const NAME: StageName = StageName::Extractor;

    async fn handle(&self, _: &Context, _: AssetUploaded) -> Result<Vec<DocumentExtracted>, Asked> {
        Err(Asked { class: Class::Permanent })
    }
}

fn chunks(input: &DocumentExtracted) -> ChunksCreated {
    let text = input.pages[0].text.clone();
    let span = [0, text.chars().count() as u64];
    let chunk = Chunk {
        ordinal: 0,
        text,
        tokens: 1,
        pages: vec![1],
        page_starts: vec![0],
        span,
        content_hash: "0".repeat(64),
        ..Chunk::default()
    };
    let document =
        DocumentFacts { format: "txt".to_owned(), language: None, pages: 1, chunks: 1, warnings: Vec::new() };
    ChunksCreated { lineage: input.lineage.clone(), document, part: 0, parts: 1, chunks: vec![chunk] }
}

pub fn document(asset: &str, sequence: u64, lane: Lane, text: &str) -> DocumentExtracted {
    let mut lineage = lineage(asset, sequence);
    lineage.lane = lane;
    DocumentExtracted {
        lineage,
        format: "txt".to_owned(),
        language: None,
        pages: vec![Page::plain(1, text)],
        metadata: Default::default(),
        attachments: Vec::new(),
        warnings: Vec::new(),
    }
}

pub fn options(server: &str) -> Options {
    let mut options = Options { name: format!("test of {server}"), ..Options::default() };
    options.limits.ack_wait = Duration::from_secs(1);
    options
}

pub fn config() -> StageConfig {
    StageConfig {
        permits: 2,
        reserved: 1,
        lane_poll: Duration::from_millis(100),
        long_poll: Duration::from_millis(500),
        max_attempts: 3,
        backoff_base: Duration::from_millis(20),
        breaker_base: Duration::from_millis(50),
        breaker_cap: Duration::from_millis(200),
        watch_interval: Duration::from_millis(50),
        grace: Duration::from_secs(5),
        ..StageConfig::new("all-minilm-l6-v2".parse().unwrap())
    }
}

/// A server, a connection, and stages running on it.
pub struct World {
    pub server: NatsServer,
    pub process: Process,
    pub shutdown: CancellationToken,
}

impl World {
    pub async fn new() -> Self {
        let server = NatsServer::start();
        let options = options(&server.url());
        Self::on(server, options).await
    }

    pub async fn on(server: NatsServer, options: Options) -> Self {
        let bus = Bus::connect(&server.url(), options).await.unwrap();
        bus.ensure().await.unwrap();
        Self { server, process: Process::new(bus), shutdown: CancellationToken::new() }
    }

    pub fn bus(&self) -> &Bus {
        &self.process.bus
    }

    pub fn run<S: Stage>(&self, stage: S, config: StageConfig) -> JoinHandle<Result<(), RunError>> {
        let (process, shutdown) = (self.process.clone(), self.shutdown.clone());
        tokio::spawn(async move { run_stage(stage, config, &process, shutdown).await })
    }

    pub async fn put(&self, document: &DocumentExtracted) {
        self.bus().publisher().publish(StageName::Extractor, document, None).await.unwrap();
    }

    pub async fn messages(&self, stream: &str) -> u64 {
        self.bus().stream_messages(stream).await.unwrap()
    }

    /// Somebody takes the next message of the chunker, and nothing is heard of it since. Returns the key of its record.
    pub async fn abandon(&self) -> String {
        let mut puller = self.bus().puller(StageName::Chunker, Lane::Interactive).await.unwrap();
        let Pulled::Message(delivery) = puller.pull(Wait::For(SOON)).await else { panic!("a message") };
        format!("attempt.chunker.{}-{}", delivery.position().epoch, delivery.position().sequence)
    }

    /// What is on record of the chunker's troubled messages.
    pub async fn attempts(&self) -> Vec<serde_json::Value> {
        let records = self.bus().ledger().list("attempt.chunker").await.unwrap();
        records.iter().map(|(_, record)| serde_json::from_slice(record).unwrap()).collect()
    }

    /// The only message of `stage`'s queue, decoded and acknowledged.
    pub async fn take<E: Event>(&self, stage: StageName, lane: Lane) -> E {
        let mut puller = self.bus().puller(stage, lane).await.unwrap();
        let Pulled::Message(delivery) = puller.pull(Wait::For(SOON)).await else { panic!("nothing for {stage}") };
        let incoming = delivery.decode(self.bus().blobs().as_ref(), u64::MAX).await.unwrap();
        delivery.ack().await.unwrap();
        incoming.envelope.data_as().unwrap()
    }

    /// What the writer would be told of the failed part.
    pub async fn consequence(&self) -> ChunksEmbedded {
        self.take(StageName::Writer, Lane::Interactive).await
    }

    /// Headers of the only dead letter.
    pub async fn dead_letter(&self) -> BTreeMap<String, String> {
        assert_eq!(self.messages("HEIMDEX_DLQ").await, 1);
        self.bus().dead_letters().newest().await.unwrap().unwrap().headers
    }
}
