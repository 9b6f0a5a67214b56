//! The analyzer and BM25 sparse vectors, shared by the embedder and the query service.

mod analyzer;
mod bm25;
mod fold;
mod hash;
mod script;

pub use analyzer::{ANALYZER_VERSION, Analyzer, Term};
pub use bm25::{Bm25, DEFAULT_AVG_LEN, DEFAULT_B, DEFAULT_K1, ParameterError, SparseVector};
pub use hash::term_hash;
