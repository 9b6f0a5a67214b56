//! Tokenizers of three kinds, texts of all kinds, and what holds for every cut.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use heimdex_chunker::{DocumentText, Piece, TokenOffsets, TokenizerError};
use heimdex_schemas::Page;
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;

pub type Tokens = Vec<(usize, usize)>;

/// A tokenizer made of a function, which counts what it is asked.
pub struct Counted {
    tokenize: fn(&str) -> Tokens,
    pub calls: AtomicUsize,
    pub bytes: AtomicUsize,
}

impl Counted {
    pub fn new(tokenize: fn(&str) -> Tokens) -> Self {
        Self { tokenize, calls: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }
}

impl TokenOffsets for Counted {
    fn name(&self) -> &str {
        "counted"
    }
    fn offsets(&self, text: &str) -> Result<Tokens, TokenizerError> {
        self.calls.fetch_add(1, Relaxed);
        self.bytes.fetch_add(text.len(), Relaxed);
        Ok((self.tokenize)(text))
    }
    fn window(&self) -> usize {
        usize::MAX
    }
}

/// One token for each word.
pub fn words(text: &str) -> Tokens {
    text.split_word_bound_indices()
        .filter(|(_, word)| !word.trim().is_empty())
        .map(|(at, word)| (at, at + word.len()))
        .collect()
}

/// One token for each UTF-8 byte, all with the range of its character, as byte-level BPE reports them.
pub fn bytes(text: &str) -> Tokens {
    text.char_indices()
        .filter(|(_, c)| !c.is_whitespace())
        .flat_map(|(at, c)| std::iter::repeat_n((at, at + c.len_utf8()), c.len_utf8()))
        .collect()
}

/// Word pieces of up to three characters; a word of more than 20 is one unknown token, so that half of it may be more.
pub fn pieces(text: &str) -> Tokens {
    words(text).into_iter().flat_map(|(start, end)| word_pieces(&text[start..end], start)).collect()
}

fn word_pieces(word: &str, start: usize) -> Tokens {
    let places: Vec<usize> = word.char_indices().map(|(at, _)| start + at).chain([start + word.len()]).collect();
    if places.len() > 21 {
        return vec![(start, start + word.len())];
    }
    let firsts: Vec<usize> = places[..places.len() - 1].iter().copied().step_by(3).collect();
    let ends = firsts.iter().skip(1).copied().chain([start + word.len()]);
    firsts.iter().copied().zip(ends).collect()
}

pub const TOKENIZERS: [fn(&str) -> Tokens; 3] = [words, bytes, pieces];

pub fn check(text: &str, cut: &[Piece], max_tokens: usize, tokenize: fn(&str) -> Tokens) {
    for piece in cut {
        let own = &text[piece.bytes.clone()];
        let count =
            tokenize(&if piece.prefix.is_empty() { own.to_owned() } else { format!("{}\n{own}", piece.prefix) }).len();
        assert_eq!(count, piece.tokens);
        assert!((1..=max_tokens).contains(&count), "{count} tokens in {piece:?}");
    }
    for pair in cut.windows(2) {
        assert!(pair[0].bytes.start < pair[1].bytes.start, "{pair:?}");
        assert!(pair[0].bytes.end < pair[1].bytes.end, "{pair:?}");
    }
}

pub fn without_overlaps(text: &str, cut: &[Piece]) -> String {
    let mut covered = 0;
    let mut joined = String::new();
    for piece in cut {
        joined.push_str(&text[piece.bytes.start.max(covered)..piece.bytes.end]);
        covered = piece.bytes.end;
    }
    joined
}

pub fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        5 => "[a-zäß]{1,12}",
        1 => "[a-z]{15,60}",
        2 => "[東大寺カメラひらが한글]{1,12}",
        1 => "e\u{301}{1,4}|👩\u{200d}👩\u{200d}👧|🇩🇪",
        3 => "[ \n]{1,3}",
        1 => "[.,'-]",
        1 => "\\PC{1,5}",
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

/// A document of one page of plain text.
pub fn plain(text: &str) -> DocumentText {
    DocumentText::new(&[Page::plain(1, text)], None)
}
