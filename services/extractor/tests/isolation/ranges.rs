//! Long documents by ranges: what is kept, where a killed extraction goes on, and what a child may not leave.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use heimdex_extractor::ranges::{Collected, Start};
use heimdex_extractor::{Document, ExtractError, Extractor, Format, Limits, Page, Pool, Range, Ranges, Request};
use heimdex_schemas::{Content, DocumentExtracted};
use heimdex_stage::memory::MemoryBlobs;
use heimdex_stage::{BlobError, BlobInfo, BlobRef, Blobs, Bucket, Class, Classify, Context, Stage};
use libtest_mimic::Trial;

use crate::files::{lines, pdf};
use crate::upload::{context, upload};
use crate::{misbehaving, real, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_long_document_is_the_same_by_ranges", whole),
        trial("a_child_killed_in_the_middle_costs_one_range", killed),
        trial("a_document_that_misbehaves_in_the_middle_ends_with_its_code", misbehaves_in_the_middle),
        trial("a_caller_that_wants_no_more_ends_the_reading", unwanted),
        trial("an_extraction_that_was_cut_off_goes_on_behind_its_last_range", resumed),
        trial("ranges_of_other_parsers_and_damaged_ones_are_read_again", not_reused),
        trial("a_long_pdf_is_read_by_ranges", pdf_by_ranges),
        trial("ranges_go_when_the_document_is_published_or_failed", removed),
    ]
}

fn limits() -> Limits {
    Limits { range_pages: 8, wall_seconds: 2, ..Limits::default() }
}

fn book(bytes: &[u8]) -> Request<'_> {
    Request { format: Format::Txt, bytes, password: None }
}

async fn read(pool: &Pool, command: &str) -> Result<Document, ExtractError> {
    pool.extract_as(book(command.as_bytes())).await
}

fn numbers(pages: &[Page]) -> Vec<u32> {
    pages.iter().map(|page| page.number).collect()
}

/// How many pages each child read.
fn readers(pages: &[Page]) -> Vec<usize> {
    let mut readers = BTreeMap::<&str, usize>::new();
    for page in pages {
        *readers.entry(page.text.rsplit(' ').next().unwrap()).or_default() += 1;
    }
    readers.into_values().collect()
}

async fn whole() {
    let pool = misbehaving(1, limits()).await;
    for pages in [1, 7, 8, 9, 16, 61] {
        let document = read(&pool, &format!("book {pages}")).await.unwrap();
        assert_eq!(numbers(&document.pages), (1..=pages).collect::<Vec<_>>());
        assert_eq!((document.title.as_deref(), document.format), (Some("A book"), Format::Pdf));
    }
}

/// How many pages the child read that read the first one.
fn by_first(pages: &[Page]) -> usize {
    let reader = pages[0].text.rsplit(' ').next().unwrap();
    pages.iter().filter(|page| page.text.ends_with(reader)).count()
}

/// Kills the child that left the second range.
#[derive(Default)]
struct Killer {
    collected: Collected,
    starts: Vec<u32>,
    ranges: usize,
}

impl Ranges for Killer {
    type Error = std::convert::Infallible;

    async fn begin(&mut self, _: u32) -> Result<Start, Self::Error> {
        self.starts.push(self.collected.start().page);
        Ok(self.collected.start())
    }

    async fn take(&mut self, range: Range) -> Result<(), Self::Error> {
        self.ranges += 1;
        if self.ranges == 2 {
            let pid = range.pages[0].text.trim_end_matches('.').rsplit(' ').next().unwrap().parse().unwrap();
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        self.collected.push(range);
        Ok(())
    }
}

async fn killed() {
    let pool = misbehaving(1, limits()).await;
    let mut killer = Killer::default();
    // So long that the child cannot have written the rest into its pipe before it was killed.
    let Ok(last) = pool.read(book(b"book 60000"), &mut killer).await;
    let whole = killer.collected.finish(last.unwrap(), &limits()).unwrap();
    assert_eq!(numbers(&whole.pages), (1..=60_000).collect::<Vec<_>>());
    // What the first child had left in its pipe still counts.
    assert_eq!(readers(&whole.pages).len(), 2);
    let [1, again] = killer.starts.as_slice() else { panic!("{:?}", killer.starts) };
    assert!(*again > 16 && again % 8 == 1, "{again}");
}

async fn misbehaves_in_the_middle() {
    let pool = misbehaving(1, limits()).await;
    for (trick, code) in [("wait", "timeout"), ("panic", "crashed"), ("lie", "crashed")] {
        match read(&pool, &format!("book 40 {trick} 20")).await {
            Err(ExtractError::Document(failure)) => assert_eq!(failure.code(), code, "{failure}"),
            other => panic!("{trick}: {other:?}"),
        }
        assert_eq!(read(&pool, "book 9").await.unwrap().pages.len(), 9);
    }
    let pool = misbehaving(1, Limits { max_text_bytes: 1 << 20, ..limits() }).await;
    match read(&pool, "book 40 flood 20").await {
        Err(ExtractError::Document(failure)) => assert_eq!(failure.code(), "too_large"),
        other => panic!("{other:?}"),
    }
}

/// Takes one range.
struct Enough;

impl Ranges for Enough {
    type Error = &'static str;

    async fn begin(&mut self, _: u32) -> Result<Start, Self::Error> {
        Ok(Start { page: 1, recognized: 0 })
    }

    async fn take(&mut self, _: Range) -> Result<(), Self::Error> {
        Err("enough")
    }
}

async fn unwanted() {
    let pool = misbehaving(1, limits()).await;
    assert_eq!(pool.read(book(b"book 800"), &mut Enough).await, Err("enough"));
    assert_eq!(read(&pool, "book 20").await.unwrap().pages.len(), 20);
}

/// A store that goes away after some writes: what is left is what a service killed there would leave.
struct Failing {
    blobs: MemoryBlobs,
    writes_left: AtomicUsize,
}

#[async_trait]
impl Blobs for Failing {
    async fn put(&self, bucket: Bucket, prefix: &str, bytes: Bytes) -> Result<BlobRef, BlobError> {
        let left = self.writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| BlobError::Unavailable("it is away".to_owned()))?;
        self.blobs.put(bucket, prefix, bytes).await
    }

    async fn get(&self, blob: &BlobRef, limit: u64) -> Result<Bytes, BlobError> {
        self.blobs.get(blob, limit).await
    }

    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<BlobInfo>, BlobError> {
        self.blobs.list(bucket, prefix).await
    }

    async fn delete(&self, bucket: Bucket, name: &str) -> Result<(), BlobError> {
        self.blobs.delete(bucket, name).await
    }
}

struct Scene {
    context: Context,
    store: Arc<Failing>,
}

impl Scene {
    fn new() -> Self {
        let mut context = context(&upload(Content::Text(String::new())));
        let store = Arc::new(Failing { blobs: MemoryBlobs::default(), writes_left: AtomicUsize::new(usize::MAX) });
        context.blobs = store.clone();
        Self { context, store }
    }

    fn allow(&self, writes: usize) {
        self.store.writes_left.store(writes, Ordering::SeqCst);
    }

    /// One delivery to a fresh service.
    async fn deliver(&self, command: &str) -> Result<DocumentExtracted, (String, Class)> {
        let extractor = Extractor::new(misbehaving(1, limits()).await, "all-minilm-l6-v2".parse().unwrap());
        let handled = extractor.handle(&self.context, upload(Content::Text(command.to_owned()))).await;
        let documents = handled.map_err(|error| (error.code().to_owned(), error.class()))?;
        extractor.published(&self.context).await;
        Ok(documents.into_iter().next().unwrap())
    }

    async fn kept(&self) -> Vec<BlobInfo> {
        self.store.list(Bucket::Work, "acme").await.unwrap()
    }

    async fn records(&self) -> Vec<(String, Bytes)> {
        self.context.ledger.list("ranges").await.unwrap()
    }
}

async fn resumed() {
    let scene = Scene::new();
    scene.allow(3);
    let cut_off = scene.deliver("book 60").await.unwrap_err();
    assert_eq!(cut_off, ("blobs_unavailable".to_owned(), Class::Unavailable));
    assert_eq!(scene.kept().await.len(), 3);
    scene.allow(usize::MAX);
    let document = scene.deliver("book 60").await.unwrap();
    assert_eq!(numbers(&document.pages), (1..=60).collect::<Vec<_>>());
    assert_eq!(by_first(&document.pages), 24, "three ranges of eight pages are not read again");
    assert_eq!(document.language.as_deref(), Some("en"));
}

async fn not_reused() {
    // The second of three ranges is lost: eight pages are left. Or all of them are of no use.
    for (is_lost, expected) in [(true, 8), (false, 60)] {
        let scene = Scene::new();
        scene.allow(3);
        scene.deliver("book 60").await.unwrap_err();
        scene.allow(usize::MAX);
        let (key, value) = scene.records().await.remove(0);
        let mut record: serde_json::Value = serde_json::from_slice(&value).unwrap();
        if is_lost {
            scene.store.delete(Bucket::Work, record["ranges"][1]["name"].as_str().unwrap()).await.unwrap();
        } else {
            record["parsers"] = "0.0.1-old".into();
            let (revision, _) = scene.context.ledger.get(&key).await.unwrap().unwrap();
            let value = serde_json::to_vec(&record).unwrap();
            scene.context.ledger.compare_and_set(&key, revision, value.into()).await.unwrap().unwrap();
        }
        let document = scene.deliver("book 60").await.unwrap();
        assert_eq!(numbers(&document.pages), (1..=60).collect::<Vec<_>>());
        assert_eq!(by_first(&document.pages), expected);
        assert_eq!((scene.kept().await, scene.records().await), (vec![], vec![]));
    }
}

async fn removed() {
    let scene = Scene::new();
    scene.deliver("book 60").await.unwrap();
    assert_eq!((scene.kept().await, scene.records().await), (vec![], vec![]));
    assert_eq!(scene.deliver("book 60 panic 50").await.unwrap_err().0, "crashed");
    assert_eq!((scene.kept().await, scene.records().await), (vec![], vec![]));
    scene.deliver("book 8").await.unwrap();
    assert_eq!((scene.kept().await, scene.records().await), (vec![], vec![]));
}

async fn pdf_by_ranges() {
    let pages: Vec<String> = (1..=70).map(|number| lines(&[&format!("Chapter {number} has its own words.")])).collect();
    let bytes = pdf(&pages.iter().map(String::as_str).collect::<Vec<_>>());
    let pool = real(Limits::default()).await;
    let (mut collected, limits) = (Collected::default(), Limits::default());
    let Ok(last) = pool.read(Request { format: Format::Pdf, bytes: &bytes, password: None }, &mut collected).await;
    let last = last.unwrap();
    assert_eq!((collected.start().page, last.pages.len()), (65, 6));
    let document = collected.finish(last, &limits).unwrap();
    assert_eq!(numbers(&document.pages), (1..=70).collect::<Vec<_>>());
    assert!(document.pages.iter().all(|page| page.text.contains(&format!("Chapter {} ", page.number))));
}
