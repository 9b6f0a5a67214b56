//! The `fixed` strategy over tokenizers of three kinds: properties that hold for every text, and how much it tokenizes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use std::sync::atomic::Ordering::Relaxed;

use heimdex_chunker::{DocumentText, Error, Fixed, Settings, Strategy as _};
use heimdex_schemas::{Block, BlockKind, Page};
use proptest::prelude::*;
use support::{Counted, TOKENIZERS, bytes, check, pieces, plain, texts, without_overlaps, words};
use unicode_segmentation::UnicodeSegmentation as _;

fn fixed(max_tokens: usize, overlap: usize, max_chunk_bytes: usize) -> Fixed {
    let settings = Settings { max_tokens, overlap: Some(overlap), max_chunk_bytes, ..Settings::default() };
    Fixed::new(&settings, usize::MAX).unwrap()
}

proptest! {
    #[test]
    fn pieces_fit_and_cover_the_text(
        text in texts(),
        max_tokens in 8_usize..40,
        overlap in 0_usize..8,
        kind in 0_usize..3,
    ) {
        let tokenize = TOKENIZERS[kind];
        let cut = fixed(max_tokens, overlap, 16 << 10).cut(&plain(&text), &Counted::new(tokenize)).unwrap();
        check(&text, &cut, max_tokens, tokenize);
        if tokenize(&text).is_empty() {
            prop_assert!(cut.is_empty());
        } else {
            prop_assert_eq!(without_overlaps(&text, &cut), text);
        }
    }

    #[test]
    fn a_byte_limit_holds_and_loses_no_token(text in texts(), max_bytes in 30_usize..120, kind in 0_usize..3) {
        let tokenize = TOKENIZERS[kind];
        let cut = fixed(16, 4, max_bytes).cut(&plain(&text), &Counted::new(tokenize)).unwrap();
        check(&text, &cut, 16, tokenize);
        prop_assert!(cut.iter().all(|piece| piece.bytes.len() <= max_bytes));
        let kept: String = without_overlaps(&text, &cut).split_whitespace().collect();
        prop_assert_eq!(kept, text.split_whitespace().collect::<String>());
    }

    #[test]
    fn words_that_fit_stay_whole(text in "([a-z]{1,20}[ .]{1,2}){0,80}", overlap in 0_usize..8) {
        let cut = fixed(10, overlap, 16 << 10).cut(&plain(&text), &Counted::new(pieces)).unwrap();
        let bounds: Vec<usize> = text.split_word_bound_indices().map(|(at, _)| at).chain([text.len()]).collect();
        for piece in &cut {
            prop_assert!(bounds.binary_search(&piece.bytes.start).is_ok(), "{piece:?}");
            prop_assert!(bounds.binary_search(&piece.bytes.end).is_ok(), "{piece:?}");
        }
    }

    #[test]
    fn cutting_is_deterministic(text in texts()) {
        let strategy = fixed(12, 5, 200);
        prop_assert_eq!(
            strategy.cut(&plain(&text), &Counted::new(pieces)).unwrap(),
            strategy.cut(&plain(&text), &Counted::new(pieces)).unwrap()
        );
    }
}

#[test]
fn neighbours_share_the_overlap() {
    let text = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    let cut = fixed(20, 5, 16 << 10).cut(&plain(&text), &Counted::new(words)).unwrap();
    let parts: Vec<Vec<&str>> =
        cut.iter().map(|piece| text[piece.bytes.clone()].split_whitespace().collect()).collect();
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 20, 20, 20, 20, 10]);
    for pair in parts.windows(2) {
        assert_eq!(pair[0][pair[0].len() - 5..], pair[1][..5]);
    }
}

#[test]
fn texts_without_tokens_have_no_pieces() {
    for text in ["", " ", "\n\n \n\n"] {
        assert_eq!(fixed(10, 2, 100).cut(&plain(text), &Counted::new(words)).unwrap(), []);
    }
}

#[test]
fn grapheme_clusters_stay_whole_in_a_text_without_words() {
    let family = "👩\u{200d}👩\u{200d}👧";
    let text = family.repeat(50);
    let cut = fixed(40, 0, 16 << 10).cut(&plain(&text), &Counted::new(bytes)).unwrap();
    assert!(cut.len() > 1);
    assert!(cut.iter().all(|piece| piece.bytes.len() % family.len() == 0));
}

#[test]
fn a_character_that_cannot_fit_is_an_error_not_a_truncation() {
    let error = fixed(3, 0, 100).cut(&plain("ab 👩 c"), &Counted::new(bytes)).unwrap_err();
    assert!(matches!(error, Error::Indivisible { at: 3, tokens: 4, max_tokens: 3 }), "{error}");
}

#[test]
fn the_window_clamps_size_and_overlap() {
    let clamped = Fixed::new(&Settings::default(), 254).unwrap();
    assert_eq!((clamped.max_tokens(), clamped.overlap()), (254, 50));
    let tiny = Fixed::new(&Settings::default(), 60).unwrap();
    assert_eq!((tiny.max_tokens(), tiny.overlap()), (60, 30));
    let roomy = Fixed::new(&Settings::default(), 8_190).unwrap();
    assert_eq!((roomy.max_tokens(), roomy.overlap()), (512, 50));
    assert!(Fixed::new(&Settings::default(), 0).is_err());
}

/// Ten megabytes of any shape: the tokenizer reads each byte a bounded number of times (once to plan, once to count with a
/// fifth of it overlapping, and again where a piece had to be shortened), in few calls.
#[test]
fn work_is_linear_in_the_text() {
    const SIZE: usize = 10 << 20;
    for unit in ["lorem ipsum dolor sit amet ", "abcdefghij", "東大寺の仏像", "e\u{301}", " ", "a\u{0}"] {
        let text = unit.repeat(SIZE / unit.len());
        let tokenizer = Counted::new(pieces);
        let cut = fixed(254, 50, 16 << 10).cut(&plain(&text), &tokenizer).unwrap();
        check(&text, &cut, 254, pieces);
        let (read, calls) = (tokenizer.bytes.load(Relaxed), tokenizer.calls.load(Relaxed));
        assert!(read <= 4 * SIZE, "{unit:?}: {read} bytes tokenized");
        assert!(calls <= SIZE / (64 << 10) + 3 * (cut.len() + SIZE / (16 << 10)) + 8, "{unit:?}: {calls} calls");
    }
}

#[test]
fn rows_of_a_table_carry_its_header() {
    let text = format!("Intro\n\nname | size\n{}\nEnd", "alpha | 10\n".repeat(40));
    let mut page = Page::plain(1, &text);
    let end = text.len() as u32;
    let block = |kind, start, end| Block { kind, span: [start, end] };
    let table = BlockKind::Table { header_rows: 1 };
    page.blocks =
        vec![block(BlockKind::Paragraph, 0, 5), block(table, 7, end - 5), block(BlockKind::Paragraph, end - 3, end)];
    let document = DocumentText::new(&[page], None);
    let cut = fixed(20, 3, 16 << 10).cut(&document, &Counted::new(words)).unwrap();
    check(&text, &cut, 20, words);
    assert_eq!(without_overlaps(&text, &cut), text);
    assert!(cut.len() > 5 && cut[0].prefix.is_empty());
    assert!(cut[1..].iter().all(|piece| piece.prefix == "name | size"), "{cut:?}");
}
