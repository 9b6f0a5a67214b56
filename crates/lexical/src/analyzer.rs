//! Text to terms: folding, words, and n-grams for scripts that are written without spaces.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::fold::Folded;
use crate::hash::term_hash;
use crate::script::is_unspaced;

/// Names this analyzer's terms. Sparse vectors of different versions are not comparable, so a collection records it.
pub const ANALYZER_VERSION: &str = "heimdex-lexical-1";

/// One occurrence of a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The folded surface form.
    pub text: String,
    /// Bytes of the analyzed text it stands for, on character boundaries: what to highlight.
    pub span: Range<usize>,
    /// Its index in sparse vectors, see [`term_hash`].
    pub hash: u32,
}

/// Cuts text into terms. Documents and queries must pass through the same analyzer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Analyzer;

impl Analyzer {
    /// The terms of `text` in order of their start. A character of an unspaced script gives itself and its pair with the
    /// next one, so spans overlap there.
    #[must_use]
    pub fn terms(&self, text: &str) -> Vec<Term> {
        let folded = Folded::new(text);
        let mut terms = Vec::new();
        for_each_range(&folded.text, |range, _| {
            let term = folded.text.get(range.clone()).unwrap_or_default();
            terms.push(Term { text: term.to_owned(), span: folded.span(&range), hash: term_hash(term) });
        });
        terms
    }

    /// What BM25 needs of [`terms`](Self::terms), without the cost of their texts and spans.
    pub(crate) fn profile(&self, text: &str) -> Profile {
        let folded = Folded::new(text);
        let mut profile = Profile::default();
        for_each_range(&folded.text, |range, kind| {
            profile.hashes.push(term_hash(folded.text.get(range).unwrap_or_default()));
            profile.length += usize::from(kind == Kind::Whole);
        });
        profile
    }
}

/// The terms of a text as hashes, and its length: words and single characters. Pairs repeat their characters, so they do
/// not count; this brings the lengths of Chinese and Japanese chunks near those of other languages.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) hashes: Vec<u32>,
    pub(crate) length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Pair,
}

/// Calls `emit` with the range of each term of an already folded text.
fn for_each_range(folded: &str, mut emit: impl FnMut(Range<usize>, Kind)) {
    let mut ngrams = Ngrams::default();
    for (start, word) in folded.unicode_word_indices() {
        if word.chars().next().is_some_and(is_unspaced) {
            word.grapheme_indices(true).for_each(|(at, g)| ngrams.push(start + at..start + at + g.len(), &mut emit));
        } else {
            split_word(word).for_each(|part| emit(start + part.start..start + part.end, Kind::Whole));
        }
    }
}

/// The last character of the current run of an unspaced script.
#[derive(Default)]
struct Ngrams {
    last: Option<Range<usize>>,
}

impl Ngrams {
    /// Emits the pair with the character before it, if they touch, and the character itself.
    fn push(&mut self, next: Range<usize>, emit: &mut impl FnMut(Range<usize>, Kind)) {
        if let Some(last) = self.last.take().filter(|last| last.end == next.start) {
            emit(last.start..next.end, Kind::Pair);
        }
        emit(next.clone(), Kind::Whole);
        self.last = Some(next);
    }
}

/// The parts of a Unicode word: UAX #29 keeps `l'eau`, `example.com` and `snake_case` together, readers search for `eau`.
/// Separators between digits stay (`3.14`).
fn split_word(word: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    let ends = word.char_indices().filter(|(at, c)| is_joint(*c) && !between_digits(word, *at, *c));
    let cuts = ends.map(|(at, c)| (at, at + c.len_utf8())).chain([(word.len(), word.len())]);
    cuts.map(move |(end, next)| std::mem::replace(&mut start, next)..end).filter(|part| !part.is_empty())
}

fn is_joint(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2018}' | '.' | ',' | ':' | ';' | '_' | '\u{2024}' | '\u{203f}' | '\u{2040}')
}

fn between_digits(word: &str, at: usize, joint: char) -> bool {
    let before = word.get(..at).and_then(|text| text.chars().next_back());
    let after = word.get(at + joint.len_utf8()..).and_then(|text| text.chars().next());
    matches!(joint, '.' | ',') && [before, after].iter().all(|c| c.is_some_and(char::is_numeric))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::Analyzer;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<String> {
        Analyzer.terms(text).into_iter().map(|term| term.text).collect()
    }

    #[test]
    fn words_keep_their_surface_form() {
        assert_eq!(texts("The Cats' 3.14 runs, e-mail!"), ["the", "cats", "3.14", "runs", "e", "mail"]);
        assert_eq!(texts("L’eau d'Évian qu'il"), ["l", "eau", "d", "evian", "qu", "il"]);
        assert_eq!(texts("snake_case example.com 1,000"), ["snake", "case", "example", "com", "1,000"]);
    }

    #[test]
    fn unspaced_scripts_give_single_characters_and_pairs() {
        assert_eq!(texts("東大寺。GPU版"), ["東", "東大", "大", "大寺", "寺", "gpu", "版"]);
        assert_eq!(texts("カメラと"), ["カ", "カメ", "メ", "メラ", "ラ", "ラと", "と"]);
        assert_eq!(texts("검색"), ["검", "검색", "색"]);
    }

    #[test]
    fn pairs_do_not_count_as_length() {
        assert_eq!(Analyzer.profile("東大寺 GPU").length, 4);
    }

    #[test]
    fn nothing_but_punctuation_has_no_terms() {
        assert!(texts("— … !?\n\t、。'_'").is_empty());
    }

    proptest! {
        #[test]
        fn spans_are_ordered_characters_whose_text_folds_to_the_term(text in "\\PC{0,80}|[a-zA-Z'’._0-9東カか\u{301}한글 ]{0,80}") {
            let mut before = 0;
            for term in Analyzer.terms(&text) {
                prop_assert!(text.get(term.span.clone()).is_some_and(|source| !source.is_empty()));
                prop_assert!(!term.text.is_empty() && term.span.start >= before);
                before = term.span.start;
            }
        }

        #[test]
        fn a_profile_has_the_hashes_of_the_terms(text in "\\PC{0,80}") {
            let expected: Vec<u32> = Analyzer.terms(&text).iter().map(|term| term.hash).collect();
            prop_assert_eq!(Analyzer.profile(&text).hashes, expected);
        }

        #[test]
        fn a_text_of_two_paragraphs_has_the_terms_of_both(one in "\\PC{0,40}", two in "\\PC{0,40}") {
            let both = texts(&format!("{one}\n{two}"));
            prop_assert_eq!(both, [texts(&one), texts(&two)].concat());
        }
    }
}
