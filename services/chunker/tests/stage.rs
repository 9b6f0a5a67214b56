//! The stage without a broker: parts, pages, spans, and what the command line prints, with the model's real tokenizer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use std::sync::{Arc, LazyLock};

use chrono::DateTime;
use heimdex_chunker::{
    Chunker, DocumentText, Error, Fixed, ModelTokens, PAGE_SEPARATOR, Report, Settings, Strategy, StrategyName,
    TokenOffsets,
};
use heimdex_embedding::Tokenizer;
use heimdex_provision::{File, Quiet};
use heimdex_schemas::{
    Chunk, ChunksCreated, DocumentExtracted, Envelope, Lane, Lineage, ModelName, Order, Page, UploadId, Warning,
};
use heimdex_stage::memory::{MemoryBlobs, MemoryLedger};
use heimdex_stage::{Class, Classify as _, Context, Position, Stage as _};
use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};
use tokio_util::sync::CancellationToken;

const MODEL: &str = "all-minilm-l6-v2";
const WINDOW: usize = 254;

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let folder = heimdex_provision::ensure(File::ModelMinilm, &Quiet).unwrap();
    Tokenizer::from_file(folder.join("tokenizer.json"), 256).unwrap()
});

fn tokens() -> ModelTokens {
    ModelTokens::new(MODEL, TOKENIZER.clone(), "").unwrap()
}

fn chunker(settings: Settings) -> Chunker {
    Chunker::new(MODEL.parse().unwrap(), Arc::new(tokens()), settings).unwrap()
}

/// Both, with their defaults.
fn strategies(tokens: &ModelTokens) -> [Box<dyn Strategy>; 2] {
    [StrategyName::Fixed, StrategyName::Semantic]
        .map(|strategy| Settings { strategy, ..Settings::default() }.strategy(tokens.window()).unwrap())
}

fn page(number: u32, text: &str) -> Page {
    Page::plain(number, text)
}

fn lineage(model: &str) -> Lineage {
    let org = "acme".parse().unwrap();
    Lineage {
        upload: UploadId::new(&org, "urn:test", "1"),
        org,
        asset_id: "manual".parse().unwrap(),
        order: Order::by_stream(1, 1),
        position: Order::by_stream(1, 1),
        lane: Lane::Interactive,
        model: model.parse().unwrap(),
        replay: 0,
        accepted_at: DateTime::UNIX_EPOCH,
        title: None,
        source: None,
        traceparent: None,
        trail: Vec::new(),
    }
}

fn document(pages: Vec<Page>) -> DocumentExtracted {
    let warning = Warning { code: "needs_ocr".into(), message: "page 2 has no text".into(), pages: vec![2] };
    DocumentExtracted {
        lineage: lineage(MODEL),
        format: "pdf".into(),
        language: Some("en".into()),
        pages,
        metadata: Default::default(),
        attachments: Vec::new(),
        warnings: vec![warning],
    }
}

fn context(document: &DocumentExtracted) -> Context {
    Context {
        envelope: Envelope::wrap("urn:test", "1", document).unwrap(),
        org: document.lineage.org.clone(),
        lane: Lane::Interactive,
        position: Position { epoch: 1, sequence: 1, stored_at: DateTime::UNIX_EPOCH },
        blobs: Arc::new(MemoryBlobs::default()),
        ledger: Arc::new(MemoryLedger::default()),
        cancelled: CancellationToken::new(),
    }
}

async fn handle(chunker: &Chunker, document: DocumentExtracted) -> Result<Vec<ChunksCreated>, Error> {
    chunker.handle(&context(&document), document).await
}

fn prose(sentences: usize) -> String {
    (0..sentences).map(|n| format!("Sentence number {n} speaks of tokenization in Donaudampfschiffe.\n")).collect()
}

fn slice(text: &str, span: [u64; 2]) -> String {
    text.chars().skip(span[0] as usize).take((span[1] - span[0]) as usize).collect()
}

fn joined(pages: &[Page]) -> String {
    pages.iter().map(|page| page.text.as_str()).collect::<Vec<_>>().join(PAGE_SEPARATOR)
}

#[tokio::test]
async fn a_document_becomes_numbered_parts_that_hold_all_its_chunks() {
    let pages = vec![page(1, &prose(60)), page(2, ""), page(3, &prose(60)), page(4, "The end: 東大寺の仏像。")];
    let settings = Settings { part_chunks: 3, ..Settings::default() };
    let parts = handle(&chunker(settings), document(pages.clone())).await.unwrap();
    let text = joined(&pages);
    let chunks: Vec<Chunk> = parts.iter().flat_map(|part| part.chunks.clone()).collect();
    assert!(parts.len() > 1 && parts.iter().all(|part| part.chunks.len() <= 3));
    for (number, part) in parts.iter().enumerate() {
        assert_eq!((part.part as usize, part.parts as usize), (number, parts.len()));
        assert_eq!((part.document.pages, part.document.chunks as usize), (4, chunks.len()));
        assert_eq!(part.document.warnings.len(), 1);
    }
    for (ordinal, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.ordinal as usize, ordinal);
        assert_eq!(slice(&text, chunk.span), chunk.text);
        assert!(chunk.tokens as usize <= WINDOW);
    }
    assert_eq!(chunks.first().unwrap().pages, [1]);
    assert_eq!(chunks.last().unwrap().pages.last(), Some(&4));
    assert!(chunks.iter().all(|chunk| !chunk.pages.contains(&2) && !chunk.pages.is_empty()));
}

#[tokio::test]
async fn a_document_without_text_is_one_part_without_chunks() {
    for pages in [vec![], vec![page(1, ""), page(2, " \n")]] {
        let parts = handle(&chunker(Settings::default()), document(pages)).await.unwrap();
        assert_eq!(parts.len(), 1);
        let part = parts.first().unwrap();
        assert_eq!((part.part, part.parts, part.document.chunks, part.chunks.len()), (0, 1, 0, 0));
    }
}

#[tokio::test]
async fn handling_again_gives_the_same_events() {
    let chunker = chunker(Settings::default());
    let document = document(vec![page(1, &prose(100))]);
    assert_eq!(handle(&chunker, document.clone()).await.unwrap(), handle(&chunker, document).await.unwrap());
}

#[tokio::test]
async fn another_model_is_refused_for_good() {
    let mut other = document(vec![page(1, "text")]);
    other.lineage = lineage("multilingual-e5-small");
    let error = handle(&chunker(Settings::default()), other).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Permanent, "unknown_model"));
}

#[test]
fn the_report_has_the_shape_that_scripts_rely_on() {
    let tokens = tokens();
    let strategy = Fixed::new(&Settings::default(), tokens.window()).unwrap();
    let report = Report::new(&DocumentText::new(&[page(1, "Hello, wörld.")], None), &strategy, &tokens, 7).unwrap();
    assert_eq!(
        serde_json::to_value(&report).unwrap(),
        serde_json::json!({
            "strategy": "fixed",
            "tokenizer": MODEL,
            "max_tokens": WINDOW,
            "overlap": 50,
            "chunks": [{
                "ordinal": 0, "total": 1, "text": "Hello, wörld.", "tokens": 4, "pages": [1],
                "span": [0, 13], "heading_path": []
            }]
        })
    );
}

#[test]
fn a_prefix_takes_room_from_the_window() {
    let prefixed = ModelTokens::new(MODEL, TOKENIZER.clone(), "passage: ").unwrap();
    assert_eq!(prefixed.window(), WINDOW - 2);
    assert_eq!(prefixed.count("hello world").unwrap(), 2);
}

#[test]
fn what_wordpiece_does_with_long_words_never_overflows_the_window() {
    let tokens = tokens();
    let long: String = ('a'..='z').cycle().take(300_000).collect();
    let mixed = format!("{}{}{}", prose(30), "x".repeat(150), prose(30)).replace(' ', "");
    for text in [long, mixed, "東京都".repeat(5_000), "\u{301}".repeat(3_000), "\u{fdfa}".repeat(300)] {
        let document = DocumentText::new(&[page(1, &text)], None);
        let cut = |strategy: Box<dyn Strategy>| strategy.cut(&document, &tokens).unwrap();
        for piece in strategies(&tokens).into_iter().flat_map(cut) {
            let count = tokens.count(&text[piece.bytes.clone()]).unwrap();
            assert!(count == piece.tokens && count <= WINDOW);
            assert!(piece.bytes.len() <= Settings::default().max_chunk_bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_chunk_of_any_text_fits_the_window_and_none_is_lost(
        parts in prop::collection::vec("[a-zA-Z]{1,14}|[0-9]{1,6}|[東大寺カメラ]{1,6}|[äöüßéñ]{1,5}|[.,;!?]|[ \n]{1,2}|[a-z]{90,130}|\\PC{1,8}", 1..600),
    ) {
        let text = parts.join(" ");
        let tokens = tokens();
        for strategy in strategies(&tokens) {
            let mut covered = 0;
            for piece in strategy.cut(&DocumentText::new(&[page(1, &text)], None), &tokens).unwrap() {
                let count = tokens.count(&text[piece.bytes.clone()]).unwrap();
                prop_assert!(count == piece.tokens && (1..=WINDOW).contains(&count));
                prop_assert!(piece.bytes.start <= covered && covered < piece.bytes.end);
                covered = piece.bytes.end;
            }
            let rest = text.get(covered..).unwrap();
            prop_assert!(rest.is_empty() || tokens.count(&text).unwrap() == 0);
        }
    }
}

#[test]
fn model_names_are_those_of_the_embedding_crate() {
    for model in heimdex_embedding::catalogue::MODELS {
        assert_eq!(model.name.parse::<ModelName>().unwrap().as_str(), model.name);
    }
}
