//! Makes a PDF of many pages, sends it through the stage with limits raised, and prints time and peak memory as JSON:
//! `cargo run --release -p heimdex-extractor --example long_document -- LIBPDFIUM PAGES [KILLED_AFTER_RANGES]`.
//!
//! Blobs go to a temporary folder. With a third argument the service is cut off after so many ranges and a second one goes
//! on; it prints how many pages were read twice.
#![allow(clippy::print_stdout, reason = "the output is the purpose")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use heimdex_extractor::ocr::OcrConfig;
use heimdex_extractor::{ChildCommand, Extractor, Limits, Pool, PoolConfig, bench, child};
use heimdex_schemas::{AssetUploaded, Content, DocumentExtracted, Envelope, Lane};
use heimdex_stage::memory::MemoryLedger;
use heimdex_stage::{BlobError, BlobInfo, BlobRef, Blobs, Bucket, Context, Position, Stage};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == child::SUBCOMMAND) {
        return child::main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let run = |runtime: tokio::runtime::Runtime| runtime.block_on(run(&args));
    match runtime.map_err(Into::into).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [pdfium, pages, rest @ ..] = args else {
        return Err("arguments: LIBPDFIUM PAGES [KILLED_AFTER_RANGES]".into());
    };
    let pages: u32 = pages.parse()?;
    let folder = tempfile::tempdir()?;
    let store = Arc::new(Files { folder: folder.path().to_owned(), writes_left: AtomicUsize::new(usize::MAX) });
    let original = store.put(Bucket::Originals, "acme/a/u", Bytes::from(document(pages))).await?;
    let content = Content::Blob { name: original.name, sha256: original.sha256, size: original.size };
    let (asset_id, title, source) = ("long".parse()?, None, None);
    let event = AssetUploaded { asset_id, content, org: None, title, source, model: None, password: None };
    let context = context(&event, store.clone())?;
    if let Some(ranges) = rest.first() {
        store.writes_left.store(ranges.parse()?, Ordering::SeqCst);
        let cut_off = extractor(pdfium).await?.0.handle(&context, event.clone()).await;
        eprintln!(
            "the first service: {:?}",
            cut_off.map(|documents| documents.len()).map_err(|error| error.to_string())
        );
        store.writes_left.store(usize::MAX, Ordering::SeqCst);
    }
    let kept = store.list(Bucket::Work, "").await?.len();
    let (extractor, pool) = extractor(pdfium).await?;
    let begun = Instant::now();
    let documents = extractor.handle(&context, event).await?;
    let seconds = begun.elapsed().as_secs_f64();
    // As the event is published: one JSON value, to a blob.
    let [document] = documents.as_slice() else { return Err("not one document".into()) };
    store.put(Bucket::Work, "acme/a/u", Bytes::from(serde_json::to_vec(document)?)).await?;
    extractor.published(&context).await;
    let left = store.list(Bucket::Work, "").await?.len() - 1;
    report(document, original.size, seconds, &pool);
    println!("{}", serde_json::json!({ "ranges_found": kept, "ranges_left": left }));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn report(document: &DocumentExtracted, bytes: u64, seconds: f64, pool: &Pool) {
    let memory = bench::peak_memory(pool);
    let mib = |bytes: u64| bytes >> 20;
    let figures = serde_json::json!({
        "pages": document.pages.len(),
        "pdf_mib": mib(bytes),
        "text_mib": mib(document.pages.iter().map(|page| page.text.len() as u64).sum()),
        "seconds": seconds,
        "pages_per_s": document.pages.len() as f64 / seconds,
        "peak_mib_service": mib(memory.service),
        "peak_mib_child": mib(memory.children),
    });
    println!("{figures}");
}

async fn extractor(pdfium: &str) -> Result<(Extractor, Pool), Box<dyn Error>> {
    let limits = Limits {
        max_bytes: 1 << 30,
        max_pages: 1_000_000,
        max_text_bytes: 1 << 30,
        wall_seconds: 600,
        cpu_seconds: 600,
        ..Limits::from_env()?
    };
    let (command, ocr) = (ChildCommand::current_exe()?, OcrConfig::off());
    let pool = Pool::start(PoolConfig { command, pdfium: pdfium.into(), limits, parallelism: 1, ocr }).await?;
    Ok((Extractor::new(pool.clone(), "all-minilm-l6-v2".parse()?), pool))
}

fn context(event: &AssetUploaded, blobs: Arc<dyn Blobs>) -> Result<Context, Box<dyn Error>> {
    Ok(Context {
        envelope: Envelope::wrap("urn:example", "long", event)?,
        org: "acme".parse()?,
        lane: Lane::Bulk,
        position: Position { epoch: 1, sequence: 1, stored_at: Utc::now() },
        blobs,
        ledger: Arc::new(MemoryLedger::default()),
        cancelled: tokio_util::sync::CancellationToken::new(),
    })
}

/// Lines of 80 characters and 44 of them a page: a page of print. No two pages say the same.
fn page(number: u32) -> String {
    const WORDS: [&str; 16] = [
        "system",
        "package",
        "before",
        "installed",
        "network",
        "configuration",
        "kernel",
        "the",
        "of",
        "and",
        "is",
        "a",
        "which",
        "user",
        "changes",
        "when",
    ];
    let mut seed = number.wrapping_mul(2_654_435_761);
    let mut word = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        WORDS[(seed >> 28) as usize]
    };
    let mut text = format!("BT /F 10 Tf 14 TL 50 790 Td (Section {number} of the handbook)Tj T* ");
    for line in 0..44 {
        let words: Vec<&str> = (0..11).map(|_| word()).collect();
        text += &format!("({line} {}.)Tj T* ", words.join(" "));
    }
    text + "ET"
}

fn document(pages: u32) -> Vec<u8> {
    let kids: Vec<String> = (0..pages).map(|page| format!("{} 0 R", 4 + page * 2)).collect();
    let mut file = Pdf::default();
    file.object("<</Type/Catalog/Pages 2 0 R>>");
    file.object(&format!("<</Type/Pages/Count {pages}/Kids[{}]>>", kids.join(" ")));
    file.object("<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>");
    for number in 0..pages {
        let (stream, content) = (5 + number * 2, page(number + 1));
        let look = "/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>";
        file.object(&format!("<</Type/Page/Parent 2 0 R{look}/Contents {stream} 0 R>>"));
        file.object(&format!("<</Length {}>>stream\n{content}\nendstream", content.len()));
    }
    file.finish()
}

struct Pdf {
    bytes: Vec<u8>,
    table: String,
    objects: usize,
}

impl Default for Pdf {
    fn default() -> Self {
        Self { bytes: b"%PDF-1.7\n".to_vec(), table: String::new(), objects: 0 }
    }
}

impl Pdf {
    fn object(&mut self, content: &str) {
        self.objects += 1;
        self.table += &format!("{:010} 00000 n \n", self.bytes.len());
        self.bytes.extend(format!("{} 0 obj\n{content}\nendobj\n", self.objects).bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        let (start, size) = (self.bytes.len(), self.objects + 1);
        let table = format!("xref\n0 {size}\n0000000000 65535 f \n{}", self.table);
        let trailer = format!("trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n");
        self.bytes.extend(table.bytes().chain(trailer.bytes()));
        self.bytes
    }
}

/// Blobs in a folder, so that they do not count as the service's memory.
struct Files {
    folder: PathBuf,
    /// Then the store is away.
    writes_left: AtomicUsize,
}

impl Files {
    fn path(&self, bucket: Bucket, name: &str) -> PathBuf {
        self.folder.join(format!("{bucket:?}-{}", name.replace('/', "_")))
    }
}

fn away(error: std::io::Error) -> BlobError {
    BlobError::Unavailable(error.to_string())
}

#[async_trait]
impl Blobs for Files {
    async fn put(&self, bucket: Bucket, prefix: &str, bytes: Bytes) -> Result<BlobRef, BlobError> {
        let left = self.writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| BlobError::Unavailable("cut off".to_owned()))?;
        let blob = BlobRef::of(bucket, prefix, &bytes);
        std::fs::write(self.path(bucket, &blob.name), &bytes).map_err(away)?;
        Ok(blob)
    }

    async fn get(&self, blob: &BlobRef, _limit: u64) -> Result<Bytes, BlobError> {
        let bytes = std::fs::read(self.path(blob.bucket, &blob.name)).map_err(away)?;
        blob.verify(&bytes)?;
        Ok(bytes.into())
    }

    async fn list(&self, bucket: Bucket, _prefix: &str) -> Result<Vec<BlobInfo>, BlobError> {
        let start = format!("{bucket:?}-");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(away)? {
            let name = entry.map_err(away)?.file_name().to_string_lossy().into_owned();
            if name.starts_with(&start) {
                found.push(BlobInfo { name, size: 0, modified: Utc::now() });
            }
        }
        Ok(found)
    }

    async fn delete(&self, bucket: Bucket, name: &str) -> Result<(), BlobError> {
        std::fs::remove_file(self.path(bucket, name)).map_err(away)
    }
}
