//! BM25 as sparse vectors: the term-frequency half on the document, ones on the query, IDF in the index.
//!
//! A dot product of [`Bm25::document`] and [`Bm25::query`], weighted by the index' IDF modifier, is Okapi BM25 (Robertson
//! and Zaragoza 2009, eq. 3.15): `idf · tf · (k1 + 1) / (tf + k1 · (1 − b + b · len / avg_len))`.

use serde::{Deserialize, Serialize};

use crate::analyzer::{Analyzer, Profile, Term};
use crate::question::{QUESTION_WORD_WEIGHT, is_question_word};

/// Saturation of term frequency.
pub const DEFAULT_K1: f32 = 1.2;
/// Share of the length normalization.
pub const DEFAULT_B: f32 = 0.75;
/// Length of an average chunk, in words and single characters of unspaced scripts (pairs not counted).
///
/// Chunks of 254 MiniLM tokens average 82 (German) to 193 (Japanese); the crate's notes show the effect of other values.
pub const DEFAULT_AVG_LEN: f32 = 180.0;

/// A sparse vector: `indices` strictly ascending, `values` beside them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SparseVector {
    /// Term hashes, strictly ascending.
    pub indices: Vec<u32>,
    /// The weight of each index, finite and positive.
    pub values: Vec<f32>,
}

/// Parameters that no score can be computed from.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ParameterError {
    /// `k1` must be finite and not negative.
    #[error("BM25 k1 is {0}, it must be a finite number of at least 0")]
    K1(f32),
    /// `b` must lie in 0..=1.
    #[error("BM25 b is {0}, it must lie between 0 and 1")]
    B(f32),
    /// `avg_len` must be finite and positive.
    #[error("BM25 average length is {0}, it must be a finite number above 0")]
    AvgLen(f32),
}

/// The vectorizer of one collection: every document of it must use the same parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25 {
    analyzer: Analyzer,
    k1: f32,
    b: f32,
    avg_len: f32,
}

impl Default for Bm25 {
    fn default() -> Self {
        Self { analyzer: Analyzer, k1: DEFAULT_K1, b: DEFAULT_B, avg_len: DEFAULT_AVG_LEN }
    }
}

impl Bm25 {
    /// A vectorizer with parameters of one's own; `avg_len` is in terms.
    ///
    /// # Errors
    /// A parameter outside its range.
    pub fn new(k1: f32, b: f32, avg_len: f32) -> Result<Self, ParameterError> {
        if !(k1.is_finite() && k1 >= 0.0) {
            return Err(ParameterError::K1(k1));
        }
        if !(0.0..=1.0).contains(&b) {
            return Err(ParameterError::B(b));
        }
        if !(avg_len.is_finite() && avg_len > 0.0) {
            return Err(ParameterError::AvgLen(avg_len));
        }
        Ok(Self { analyzer: Analyzer, k1, b, avg_len })
    }

    /// The default parameters with a collection's own average length, in terms.
    ///
    /// # Errors
    /// `avg_len` is not a finite positive number.
    pub fn with_avg_len(avg_len: f32) -> Result<Self, ParameterError> {
        Self::new(DEFAULT_K1, DEFAULT_B, avg_len)
    }

    /// The vector of a stored text. Empty for a text without terms.
    #[must_use]
    pub fn document(&self, text: &str) -> SparseVector {
        let Profile { hashes, length } = self.analyzer.profile(text);
        let norm = self.k1 * (1.0 - self.b + self.b * length as f32 / self.avg_len);
        let weighed = counts(hashes).map(|(hash, tf)| (hash, tf * (self.k1 + 1.0) / (tf + norm)));
        weighed.collect()
    }

    /// The vector of a query: how often each term occurs in it; question words count [`QUESTION_WORD_WEIGHT`] each.
    #[must_use]
    pub fn query(&self, text: &str) -> SparseVector {
        let (questions, terms): (Vec<_>, Vec<_>) =
            self.analyzer.terms(text).into_iter().partition(|term| is_question_word(&term.text));
        let hashes = |terms: Vec<Term>| counts(terms.into_iter().map(|term| term.hash).collect());
        let weak = hashes(questions).map(|(hash, tf)| (hash, tf * QUESTION_WORD_WEIGHT));
        let mut weighed: Vec<_> = hashes(terms).chain(weak).collect();
        weighed.sort_unstable_by_key(|(hash, _)| *hash);
        weighed
            .chunk_by(|a, b| a.0 == b.0)
            .filter_map(|same| Some((same.first()?.0, same.iter().map(|w| w.1).sum())))
            .collect()
    }
}

/// Each distinct hash, ascending, and how often it occurs.
fn counts(mut hashes: Vec<u32>) -> impl Iterator<Item = (u32, f32)> {
    hashes.sort_unstable();
    let runs: Vec<_> =
        hashes.chunk_by(|a, b| a == b).filter_map(|run| Some((*run.first()?, run.len() as f32))).collect();
    runs.into_iter()
}

impl FromIterator<(u32, f32)> for SparseVector {
    fn from_iter<I: IntoIterator<Item = (u32, f32)>>(pairs: I) -> Self {
        let (indices, values) = pairs.into_iter().unzip();
        Self { indices, values }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use crate::hash::term_hash;
    use proptest::prelude::*;

    fn weight(vector: &SparseVector, term: &str) -> Option<f32> {
        vector.indices.binary_search(&term_hash(term)).ok().and_then(|at| vector.values.get(at).copied())
    }

    #[test]
    fn a_document_of_average_length_has_the_textbook_weights() {
        let vector = Bm25::with_avg_len(4.0).unwrap().document("red red green blue");
        assert_eq!(vector.indices.len(), 3);
        assert!((weight(&vector, "green").unwrap() - 1.0).abs() < 1e-6);
        assert!((weight(&vector, "red").unwrap() - 2.0 * 2.2 / 3.2).abs() < 1e-6);
        assert_eq!(weight(&vector, "yellow"), None);
    }

    #[test]
    fn a_query_counts_its_terms() {
        let vector = Bm25::default().query("Which Red RED blue");
        assert_eq!((weight(&vector, "red"), weight(&vector, "blue")), (Some(2.0), Some(1.0)));
        assert_eq!(weight(&vector, "which"), Some(QUESTION_WORD_WEIGHT));
    }

    #[test]
    fn a_text_without_terms_has_an_empty_vector() {
        assert_eq!(Bm25::default().document(" …! "), SparseVector::default());
        assert_eq!(Bm25::default().query(""), SparseVector::default());
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        assert_eq!(Bm25::new(-1.0, 0.5, 10.0), Err(ParameterError::K1(-1.0)));
        assert_eq!(Bm25::new(1.0, 1.5, 10.0), Err(ParameterError::B(1.5)));
        assert_eq!(Bm25::with_avg_len(0.0), Err(ParameterError::AvgLen(0.0)));
        assert!(Bm25::new(f32::NAN, 0.5, 10.0).is_err() && Bm25::with_avg_len(f32::INFINITY).is_err());
    }

    proptest! {
        #[test]
        fn vectors_are_sorted_unique_positive_and_bounded(text in "\\PC{0,200}|[ab東大 ]{0,200}") {
            let vector = Bm25::default().document(&text);
            prop_assert_eq!(vector.indices.len(), vector.values.len());
            prop_assert!(vector.indices.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(vector.values.iter().all(|value| *value > 0.0 && *value < DEFAULT_K1 + 1.0));
            prop_assert_eq!(&vector.indices, &Bm25::default().query(&text).indices);
        }

        #[test]
        fn more_of_a_term_weighs_more_and_more_of_others_less(n in 1_usize..50, filler in 1_usize..50) {
            let bm25 = Bm25::default();
            let text = format!("{}{}", "red ".repeat(n), "x ".repeat(filler));
            let base = weight(&bm25.document(&text), "red").unwrap();
            let (redder, longer) = (format!("red {text}"), format!("x {text}"));
            prop_assert!(weight(&bm25.document(&redder), "red").unwrap() > base);
            prop_assert!(weight(&bm25.document(&longer), "red").unwrap() < base);
        }
    }
}
