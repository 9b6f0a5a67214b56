//! The `semantic` strategy: properties that hold for every document, and how structure decides.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use std::sync::atomic::Ordering::Relaxed;

use heimdex_chunker::{DocumentText, Error, Piece, Semantic, Settings, Strategy as _, chunk_document};
use heimdex_schemas::{Block, BlockKind, Page};
use proptest::prelude::*;
use support::{Counted, TOKENIZERS, bytes, check, pieces, plain, texts, without_overlaps, words};

const HEADING: BlockKind = BlockKind::Heading { level: 1 };
const TABLE: BlockKind = BlockKind::Table { header_rows: 1 };

fn semantic(max_tokens: usize, overlap: usize) -> Semantic {
    let settings = Settings { max_tokens, overlap: Some(overlap), ..Settings::default() };
    Semantic::new(&settings, usize::MAX).unwrap()
}

/// A page of the given blocks.
fn page(number: u32, blocks: &[(BlockKind, String)]) -> Page {
    let mut page = Page::plain(number, "");
    for (at, (kind, text)) in blocks.iter().enumerate() {
        let together = at > 0 && *kind == BlockKind::ListItem && blocks[at - 1].0 == BlockKind::ListItem;
        page.text.push_str(if at == 0 {
            ""
        } else if together {
            "\n"
        } else {
            "\n\n"
        });
        let start = page.text.chars().count() as u32;
        page.text.push_str(text);
        page.blocks.push(Block { kind: *kind, span: [start, page.text.chars().count() as u32] });
    }
    page
}

fn cut(blocks: &[(BlockKind, &str)], max_tokens: usize) -> Vec<String> {
    let blocks: Vec<(BlockKind, String)> = blocks.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
    let document = DocumentText::new(&[page(1, &blocks)], Some("en"));
    let cut = semantic(max_tokens, 0).cut(&document, &Counted::new(words)).unwrap();
    check(document.text(), &cut, max_tokens, words);
    assert_eq!(without_overlaps(document.text(), &cut), document.text());
    cut.iter().map(|piece| document.text()[piece.bytes.clone()].trim_end().to_owned()).collect()
}

/// So many words, the full stop included.
fn sentence(words: usize) -> String {
    format!("Every{}.", " word".repeat(words - 2))
}

fn kinds() -> impl Strategy<Value = BlockKind> {
    prop_oneof![
        1 => (1_u8..7).prop_map(|level| BlockKind::Heading { level }),
        3 => Just(BlockKind::Paragraph),
        1 => Just(BlockKind::ListItem),
        1 => (0_u32..4).prop_map(|header_rows| BlockKind::Table { header_rows }),
        1 => Just(BlockKind::Code),
    ]
}

fn pages() -> impl Strategy<Value = Vec<Page>> {
    let text = prop_oneof![3 => "([a-z]{1,9}( \\| |, |\\. | |\n)){1,30}[a-z]", 1 => texts()];
    let blocks = prop::collection::vec((kinds(), text), 0..6);
    prop::collection::vec(blocks, 1..4)
        .prop_map(|pages| pages.iter().zip(1..).map(|(blocks, number)| page(number, blocks)).collect())
}

fn visible(text: &str) -> String {
    text.split_whitespace().collect()
}

proptest! {
    #[test]
    fn pieces_fit_and_cover_every_document(
        pages in pages(),
        max_tokens in 8_usize..60,
        overlap in 0_usize..8,
        headings: bool,
        kind in 0_usize..3,
    ) {
        let tokenize = TOKENIZERS[kind];
        let settings = Settings { max_tokens, overlap: Some(overlap), headings, ..Settings::default() };
        let strategy = Semantic::new(&settings, usize::MAX).unwrap();
        let document = DocumentText::new(&pages, None);
        let cut = strategy.cut(&document, &Counted::new(tokenize)).unwrap();
        check(document.text(), &cut, max_tokens, tokenize);
        if tokenize(document.text()).is_empty() {
            prop_assert!(cut.is_empty());
        } else {
            prop_assert_eq!(without_overlaps(document.text(), &cut), document.text());
        }
        let repeated = cut.windows(2).map(|pair| pair[0].bytes.end.saturating_sub(pair[1].bytes.start)..pair[0].bytes.end);
        for shared in repeated.map(|range| document.text()[range.end - range.start..range.end].to_owned()) {
            prop_assert!(tokenize(&shared).len() <= overlap + max_tokens);
        }
        let again = strategy.cut(&document, &Counted::new(tokenize)).unwrap();
        prop_assert_eq!(cut, again);
    }

    #[test]
    fn a_byte_limit_holds_and_loses_no_token(text in texts(), max_chunk_bytes in 30_usize..120, kind in 0_usize..3) {
        let tokenize = TOKENIZERS[kind];
        let settings = Settings { max_tokens: 16, max_chunk_bytes, ..Settings::default() };
        let strategy = Semantic::new(&settings, usize::MAX).unwrap();
        let cut = strategy.cut(&plain(&text), &Counted::new(tokenize)).unwrap();
        check(&text, &cut, 16, tokenize);
        prop_assert!(cut.iter().all(|piece| piece.bytes.len() <= max_chunk_bytes));
        prop_assert_eq!(visible(&without_overlaps(&text, &cut)), visible(&text));
    }

    #[test]
    fn chunks_name_pages_spans_and_contexts(pages in pages(), max_tokens in 8_usize..40, parent_chunks in 1_usize..9) {
        let document = DocumentText::new(&pages, None);
        let chunks = chunk_document(&document, &semantic(max_tokens, 4), &Counted::new(words), parent_chunks).unwrap();
        let characters: Vec<char> = document.text().chars().collect();
        for (ordinal, chunk) in (0..).zip(&chunks) {
            let slice: String = characters[chunk.span[0] as usize..chunk.span[1] as usize].iter().collect();
            prop_assert_eq!(&slice, &chunk.text);
            prop_assert_eq!(chunk.tokens as usize, words(&chunk.input()).len());
            prop_assert!(!chunk.pages.is_empty() && chunk.page_starts[0] == 0);
            if let Some([first, last]) = chunk.parent {
                prop_assert!(first <= ordinal && ordinal <= last && (last as usize) < chunks.len());
                prop_assert!(first < last && ((last - first) as usize) < parent_chunks);
            } else {
                prop_assert!(chunks.len() == 1 || parent_chunks == 1);
            }
        }
    }

    #[test]
    fn words_that_fit_stay_whole(text in "([a-z]{1,20}[ .,]{1,2}){0,80}") {
        let cut = semantic(10, 0).cut(&plain(&text), &Counted::new(words)).unwrap();
        for piece in &cut {
            let split = |at: usize| {
                let around = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_alphabetic);
                at > 0 && around(at - 1) && around(at)
            };
            prop_assert!(!split(piece.bytes.start) && !split(piece.bytes.end), "{piece:?}");
        }
    }
}

#[test]
fn sentences_stay_whole_and_no_short_tail_is_left() {
    let text = vec![sentence(9); 11].join(" ");
    let chunks = cut(&[(BlockKind::Paragraph, &text)], 50);
    let sizes: Vec<usize> = chunks.iter().map(|chunk| words(chunk).len()).collect();
    assert!(chunks.iter().all(|chunk| chunk.ends_with('.')), "{chunks:?}");
    assert!(sizes.iter().all(|size| (27..=50).contains(size)), "{sizes:?}");
}

#[test]
fn a_short_document_is_one_chunk() {
    let blocks = [(HEADING, "A"), (BlockKind::Paragraph, "One."), (HEADING, "B"), (BlockKind::Paragraph, "Two.")];
    assert_eq!(cut(&blocks, 20).len(), 1);
}

#[test]
fn a_heading_stays_with_what_it_is_above() {
    let (first, second) = (sentence(18), sentence(18));
    let blocks = [(BlockKind::Paragraph, &*first), (HEADING, "Title"), (BlockKind::Paragraph, &*second)];
    assert_eq!(cut(&blocks, 20), [first.clone(), format!("Title\n\n{second}")]);
}

#[test]
fn a_table_that_fits_stays_whole() {
    let (text, table) = (sentence(12), format!("a | b\n{}", ["one | two"; 8].join("\n")));
    let blocks = [(BlockKind::Paragraph, &*text), (TABLE, &*table), (BlockKind::Paragraph, &*text)];
    assert_eq!(cut(&blocks, 30), [text.clone(), table.clone(), text.clone()]);
    let blocks = [(BlockKind::Paragraph, &*text), (BlockKind::Code, &*table), (BlockKind::Paragraph, &*text)];
    assert_eq!(cut(&blocks, 30), [text.clone(), table.clone(), text.clone()]);
}

#[test]
fn a_long_table_is_split_between_rows_and_repeats_its_header() {
    let rows: Vec<String> = (0..40).map(|n| format!("row{n} | {n}")).collect();
    let blocks = [(TABLE, format!("name | size\n{}", rows.join("\n")))];
    let document = DocumentText::new(&[page(1, &blocks)], None);
    let cut = semantic(30, 0).cut(&document, &Counted::new(words)).unwrap();
    check(document.text(), &cut, 30, words);
    assert_eq!(without_overlaps(document.text(), &cut), document.text());
    let text = |piece: &Piece| document.text()[piece.bytes.clone()].to_owned();
    assert!(cut.len() > 3 && text(&cut[0]).starts_with("name | size\nrow0"));
    assert!(cut[1..].iter().all(|piece| piece.prefix == "name | size" && text(piece).starts_with("row")), "{cut:?}");
}

#[test]
fn header_rows_too_long_to_repeat_are_shortened_between_cells() {
    let header = (0..40).map(|n| format!("column{n}")).collect::<Vec<_>>().join(" | ");
    let blocks = [(TABLE, format!("{header}\n{}", ["1 | 2 | 3"; 40].join("\n")))];
    let document = DocumentText::new(&[page(1, &blocks)], None);
    let cut = semantic(30, 0).cut(&document, &Counted::new(words)).unwrap();
    check(document.text(), &cut, 30, words);
    assert_eq!(cut.last().unwrap().prefix, "column0 | column1 | column2 | column3 | column4");
}

#[test]
fn a_list_goes_to_pieces_between_items() {
    let items: Vec<String> = (0..9).map(|n| format!("{n}. {}", sentence(6))).collect();
    let blocks: Vec<(BlockKind, &str)> = items.iter().map(|item| (BlockKind::ListItem, item.as_str())).collect();
    let chunks = cut(&blocks, 40);
    assert!(
        chunks.len() > 1 && chunks.iter().all(|chunk| chunk.starts_with(|c: char| c.is_ascii_digit())),
        "{chunks:?}"
    );
}

#[test]
fn a_list_stays_with_its_introduction_and_a_term_with_its_explanation() {
    let (text, item) = (sentence(9), sentence(11));
    let blocks = [(BlockKind::Paragraph, &*text), (BlockKind::ListItem, "These are:"), (BlockKind::ListItem, &*item)];
    assert_eq!(cut(&blocks, 18), [text.clone(), format!("These are:\n{item}")]);
    let blocks = [(BlockKind::Paragraph, &*text), (BlockKind::Paragraph, "These are:"), (BlockKind::Code, &*item)];
    assert_eq!(cut(&blocks, 18), [text.clone(), format!("These are:\n\n{item}")]);
}

#[test]
fn headings_are_embedded_where_that_is_asked_for() {
    let text = vec![sentence(9); 6].join(" ");
    let heading = |level| BlockKind::Heading { level };
    let blocks = [(heading(1), "Guide".into()), (heading(2), "Disks".into()), (BlockKind::Paragraph, text)];
    let document = DocumentText::new(&[page(1, &blocks)], None);
    let settings = Settings { max_tokens: 30, headings: true, ..Settings::default() };
    let strategy = Semantic::new(&settings, usize::MAX).unwrap();
    let chunks = chunk_document(&document, &strategy, &Counted::new(words), 7).unwrap();
    assert_eq!(chunks[0].prefix, "");
    assert!(chunks.len() > 1 && chunks[1..].iter().all(|chunk| chunk.prefix == "Guide > Disks"), "{chunks:?}");
    assert!(chunks.iter().all(|chunk| chunk.heading_path == ["Guide", "Disks"]));
    assert_eq!(chunks[1].input(), format!("Guide > Disks\n{}", chunks[1].text));
}

#[test]
fn contexts_end_with_their_section() {
    let text = vec![sentence(9); 6].join(" ");
    let blocks = [
        (HEADING, "A".into()),
        (BlockKind::Paragraph, text.clone()),
        (HEADING, "B".into()),
        (BlockKind::Paragraph, text),
    ];
    let document = DocumentText::new(&[page(1, &blocks)], None);
    let chunks = chunk_document(&document, &semantic(30, 0), &Counted::new(words), 7).unwrap();
    let contexts: Vec<_> = chunks.iter().map(|chunk| (chunk.heading_path[0].as_str(), chunk.parent.unwrap())).collect();
    assert_eq!(contexts, [("A", [0, 1]), ("A", [0, 1]), ("B", [2, 3]), ("B", [2, 3])]);
}

#[test]
fn neighbours_share_whole_sentences() {
    let text: String = (0..40).map(|n| format!("Sentence {n} is here. ")).collect();
    let document = plain(&text);
    let cut = semantic(40, 12).cut(&document, &Counted::new(words)).unwrap();
    check(&text, &cut, 40, words);
    assert_eq!(without_overlaps(&text, &cut), text);
    for pair in cut.windows(2) {
        let shared = &text[pair[1].bytes.start..pair[0].bytes.end];
        assert_eq!(words(shared).len(), 10, "{shared:?}");
        assert!(shared.starts_with("Sentence") && shared.ends_with(". "));
    }
}

#[test]
fn a_long_sentence_is_split_behind_its_clauses() {
    let text = (0..12).map(|n| format!("clause number {n} goes on")).collect::<Vec<_>>().join(", ");
    let chunks = cut(&[(BlockKind::Paragraph, &text)], 30);
    assert!(chunks.len() > 2 && chunks[..chunks.len() - 1].iter().all(|chunk| chunk.ends_with(',')), "{chunks:?}");
}

#[test]
fn a_character_that_cannot_fit_is_an_error_not_a_truncation() {
    let error = semantic(3, 0).cut(&plain("ab 👩 c"), &Counted::new(bytes)).unwrap_err();
    assert!(matches!(error, Error::Indivisible { at: 3, tokens: 4, max_tokens: 3 }), "{error}");
}

/// Ten megabytes of any shape: the tokenizer reads each byte a bounded number of times, in few calls.
#[test]
fn work_is_linear_in_the_text() {
    const SIZE: usize = 10 << 20;
    let units = [
        "lorem ipsum dolor sit amet ",
        "Go on. ",
        "abcdefghij",
        "東大寺の仏像。",
        "東大寺の仏像",
        "e\u{301}",
        " ",
        "a\u{0}",
        "x\n",
        "a\n\n",
    ];
    for unit in units {
        let text = unit.repeat(SIZE / unit.len());
        let tokenizer = Counted::new(pieces);
        let cut = semantic(254, 0).cut(&plain(&text), &tokenizer).unwrap();
        check(&text, &cut, 254, pieces);
        let (read, calls) = (tokenizer.bytes.load(Relaxed), tokenizer.calls.load(Relaxed));
        assert!(read <= 4 * SIZE, "{unit:?}: {read} bytes tokenized");
        assert!(calls <= SIZE / (64 << 10) + 3 * (cut.len() + SIZE / (16 << 10)) + 8, "{unit:?}: {calls} calls");
    }
}
