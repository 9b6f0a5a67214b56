//! Retrieval quality: BEIR folders and the usual measures.

pub mod beir;
pub mod measures;
