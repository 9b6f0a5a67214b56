//! Cuts documents with each strategy and checks every chunk: tokens counted again, spans against the text, nothing left
//! out. Prints counts, and chunks and bytes by second of processor time; exit code 1 when anything is wrong.
//!
//! `extract_folder LIBPDFIUM FOLDER | check_chunks` reads what the extractor's example prints, one JSON line per file;
//! `--show` prints the chunks, too. `check_chunks --synthetic` makes texts of 10 MB itself: one paragraph, none with a space, and so on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a measurement may fail loudly")]

use std::collections::HashMap;
use std::io::BufRead as _;
use std::process::ExitCode;

use heimdex_chunker::{DocumentText, ModelTokens, Settings, StrategyName, TokenOffsets as _, chunk_document};
use heimdex_embedding::{Model, default_model};
use heimdex_provision::Quiet;
use heimdex_schemas::{Chunk, Page};

const SYNTHETIC_BYTES: usize = 10 << 20;

/// What was found with one strategy.
#[derive(Debug, Default)]
struct Tally {
    documents: usize,
    bytes: usize,
    chunks: usize,
    tokens: u64,
    over_limit: usize,
    miscounted: usize,
    wrong_spans: usize,
    lost_characters: usize,
    /// Chunks of less than a quarter of the limit in documents of several chunks.
    short: usize,
    prefixed: usize,
    seconds: f64,
}

impl Tally {
    fn add(&mut self, document: &DocumentText, chunks: &[Chunk], tokens: &ModelTokens) {
        self.documents += 1;
        self.bytes += document.text().len();
        self.chunks += chunks.len();
        for chunk in chunks {
            let count = tokens.count(&chunk.input()).unwrap();
            self.tokens += count as u64;
            self.over_limit += usize::from(count > tokens.window());
            self.miscounted += usize::from(count != chunk.tokens as usize);
            self.prefixed += usize::from(!chunk.prefix.is_empty());
            self.short += usize::from(chunks.len() > 1 && count * 4 < tokens.window());
        }
        self.check_spans(document.text(), chunks, tokens);
    }

    fn check_spans(&mut self, text: &str, chunks: &[Chunk], tokens: &ModelTokens) {
        let (mut starts, mut ends) = (Bytes::new(text), Bytes::new(text));
        let mut covered = 0;
        for chunk in chunks {
            let (start, end) = (starts.at(chunk.span[0]), ends.at(chunk.span[1]));
            self.wrong_spans += usize::from(text.get(start..end) != Some(&chunk.text) || end <= covered);
            self.lost_characters += lost(text.get(covered..start).unwrap_or_default(), tokens);
            covered = end;
        }
        self.lost_characters += lost(text.get(covered..).unwrap_or_default(), tokens);
    }

    fn is_wrong(&self) -> bool {
        self.over_limit + self.miscounted + self.wrong_spans + self.lost_characters > 0
    }
}

/// Characters between chunks, unless the model would not see them anyway.
fn lost(text: &str, tokens: &ModelTokens) -> usize {
    if text.trim().is_empty() || tokens.count(text).unwrap() == 0 { 0 } else { text.chars().count() }
}

/// Bytes of ascending characters.
struct Bytes<'a> {
    rest: std::str::Chars<'a>,
    len: usize,
    character: u64,
}

impl<'a> Bytes<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.chars(), len: text.len(), character: 0 }
    }

    fn at(&mut self, character: u64) -> usize {
        while self.character < character && self.rest.next().is_some() {
            self.character += 1;
        }
        self.len - self.rest.as_str().len()
    }
}

fn check(name: &str, documents: &[DocumentText], tokens: &ModelTokens) -> bool {
    let mut wrong = false;
    for strategy in [StrategyName::Fixed, StrategyName::Semantic] {
        let settings = Settings { strategy, ..Settings::default() };
        let cutter = settings.strategy(tokens.window()).unwrap();
        let mut tally = Tally::default();
        for document in documents {
            let started = cpu_seconds();
            let chunks = chunk_document(document, cutter.as_ref(), tokens, settings.parent_chunks).unwrap();
            tally.seconds += cpu_seconds() - started;
            if std::env::args().any(|argument| argument == "--show") {
                show(&chunks);
            }
            tally.add(document, &chunks, tokens);
        }
        let (per_second, mb) = (tally.chunks as f64 / tally.seconds, tally.bytes as f64 / 1e6 / tally.seconds);
        println!("{name} {}: {per_second:.0} chunks/s, {mb:.2} MB/s, {tally:?}", cutter.name());
        wrong |= tally.is_wrong();
    }
    wrong
}

/// Processor time of this thread, so that a busy machine does not count (`proc_pid_schedstat`: nanoseconds on the CPU).
fn cpu_seconds() -> f64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn show(chunks: &[Chunk]) {
    for Chunk { ordinal, tokens, heading_path, parent, prefix, text, .. } in chunks {
        println!("--- {ordinal}: {tokens} tokens, {heading_path:?}, {parent:?} [{prefix}]\n{text}");
    }
}

fn synthetic(tokens: &ModelTokens) -> bool {
    let mut wrong = false;
    let sentence = "The quick brown fox jumps over the lazy dog, and nobody minds. ";
    for (name, unit) in [
        ("one paragraph", sentence),
        ("no space", "abcdefghij"),
        ("no space, punctuation", "abcdefg,hij."),
        ("Japanese", "東大寺の大仏は奈良にあります。"),
        ("Chinese without a stop", "人民共和国"),
        ("lines of a letter", "x\n"),
        ("paragraphs of a letter", "x\n\n"),
    ] {
        let text = unit.repeat(SYNTHETIC_BYTES / unit.len());
        wrong |= check(name, &[DocumentText::new(&[Page::plain(1, text)], None)], tokens);
    }
    wrong
}

/// The documents of each format.
fn extracted() -> HashMap<String, Vec<DocumentText>> {
    let mut documents: HashMap<String, Vec<DocumentText>> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let mut line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let document = &mut line["document"];
        let Ok(pages) = serde_json::from_value::<Vec<Page>>(document["pages"].take()) else { continue };
        let format = document["format"].as_str().unwrap_or_default().to_lowercase();
        documents.entry(format).or_default().push(DocumentText::new(&pages, document["language"].as_str()));
    }
    documents
}

fn main() -> ExitCode {
    let model = Model::open(default_model(&Quiet).unwrap()).unwrap();
    let tokens = ModelTokens::of(&model).unwrap();
    let wrong = if std::env::args().any(|argument| argument == "--synthetic") {
        synthetic(&tokens)
    } else {
        extracted().iter().fold(false, |wrong, (format, documents)| check(format, documents, &tokens) | wrong)
    };
    ExitCode::from(u8::from(wrong))
}
