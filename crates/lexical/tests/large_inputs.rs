//! Megabytes without a break, in shapes that make careless segmenters look back: each must come through with terms in
//! proportion to its characters.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use heimdex_lexical::{Analyzer, Bm25};

const CHARS: usize = 1_000_000;

fn repeated(unit: &str) -> String {
    unit.repeat(CHARS / unit.chars().count())
}

#[test]
fn a_million_characters_of_anything_have_at_most_two_terms_a_character() {
    for unit in ["a", "東", "a\u{301}", "a.", "a:\u{301}", "\u{301}", "1,", "_", "🇩", "👩\u{200d}", "ｶﾞ", "\u{ad}", "' "]
    {
        let text = repeated(unit);
        let terms = Analyzer.terms(&text);
        assert!(terms.len() <= 2 * CHARS, "{unit:?}: {} terms", terms.len());
        assert!(terms.last().is_none_or(|term| term.span.end <= text.len()), "{unit:?}");
        let vector = Bm25::default().document(&text);
        assert!(vector.indices.is_sorted() && vector.indices.len() == vector.values.len(), "{unit:?}");
    }
}

#[test]
fn one_long_word_is_one_term() {
    let text = repeated("a");
    let terms = Analyzer.terms(&text);
    assert_eq!(terms.len(), 1);
    assert_eq!(terms.first().unwrap().span, 0..text.len());
}
