//! The analyzer and BM25 sparse vectors, shared by the embedder and the query service.
//!
//! Pure functions of text: no index, no I/O, no IDF. IDF is the index' part (Qdrant's IDF modifier on the sparse vector).
//!
//! # Decision: surface forms, one analyzer for all languages
//!
//! **Context.** Documents and queries come in any language, often several in one collection, and a query is too short to
//! detect its language. So there is no stemming and no per-language pipeline; an English, a German and a Japanese text
//! pass through the same steps: fold ([`Analyzer`]), split into Unicode words, n-grams for scripts without spaces, hash
//! ([`term_hash`]).
//!
//! **Measured** as nDCG@10 with exact BM25 (k1 1.2, b 0.75, average length 180, IDF `ln(1 + (N − n + ½)/(n + ½))`), on whole
//! documents and on chunks of 254 MiniLM tokens with 50 overlap (a document scores as its best chunk):
//!
//! | set (questions) | XQuAD en (612) | es | de | zh | PIAF fr (2,025) | JaQuAD ja (3,939) | SciFact (809) |
//! |---|---|---|---|---|---|---|---|
//! | whole documents | .9589 | .9473 | .9235 | .9589 | .8026 | .9143 | .6684 |
//! | chunks | .9581 | .9429 | .9040 | .9591 | .8037 | .9160 | .6563 |
//!
//! What each choice brought, whole documents, other things equal:
//! - splitting words at apostrophes, dots, colons and underscores (UAX #29 keeps `l'eau` and `Super_Bowl` whole): fr
//!   +.020, de +.008, es +.005, en +.002;
//! - diacritics off Latin letters: fr +.008, es +.001, de −.001; it also finds `cafe` for `café`;
//! - question words at a fifth of their weight in queries: fr +.008, de +.008, en +.002, es +.001;
//! - single characters beside pairs for Chinese and Japanese: ja +.009, zh +.007. Halving their weight lost .001 to .003;
//! - pairs not counted as length: the same quality with each set's own average, and one constant then serves all
//!   languages. With 100, 150, 180 as the average, Japanese chunks gave .908, .914, .916, English ones .959, .957, .956.
//! - dropping function words (`the`, `der`, `de`…) or single letters gained nothing, so nothing is dropped.
//!
//! **Consequences.** A change to any step changes the terms: [`ANALYZER_VERSION`] must change with it and documents must be
//! indexed again. With 240 documents and 612 questions a 95 % interval is about ±.015.

mod analyzer;
mod bm25;
mod fold;
mod hash;
pub mod language;
mod question;
mod script;

pub use analyzer::{ANALYZER_VERSION, Analyzer, Term};
pub use bm25::{Bm25, DEFAULT_AVG_LEN, DEFAULT_B, DEFAULT_K1, ParameterError, SparseVector};
pub use hash::term_hash;
pub use question::QUESTION_WORD_WEIGHT;
