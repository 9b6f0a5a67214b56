//! What `heimdex chunk --json` prints.

use heimdex_schemas::{Chunk, Page};
use serde::Serialize;

use crate::chunk::chunk_document;
use crate::error::Error;
use crate::strategy::Strategy;
use crate::tokens::TokenOffsets;

/// How a document is cut, and into what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub strategy: &'static str,
    /// The model whose tokenizer counted.
    pub tokenizer: String,
    /// The limit in force, after the model's window.
    pub max_tokens: usize,
    pub chunks: Vec<ReportChunk>,
}

/// One chunk of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportChunk {
    pub ordinal: u32,
    pub total: u32,
    pub text: String,
    pub tokens: u32,
    pub pages: Vec<u32>,
    /// Characters (Unicode scalar values) of the document's text, half open.
    pub span: [u64; 2],
    pub heading_path: Vec<String>,
}

impl Report {
    /// Chunks `pages` with what the stage would use.
    ///
    /// # Errors
    /// See [`chunk_document`].
    pub fn new(pages: &[Page], strategy: &dyn Strategy, tokens: &dyn TokenOffsets) -> Result<Self, Error> {
        let chunks = chunk_document(pages, strategy, tokens)?;
        let total = u32::try_from(chunks.len()).map_err(|_| Error::TooManyChunks(chunks.len()))?;
        Ok(Self {
            strategy: strategy.name(),
            tokenizer: tokens.name().to_owned(),
            max_tokens: strategy.max_tokens(),
            chunks: chunks.into_iter().map(|chunk| ReportChunk::new(chunk, total)).collect(),
        })
    }
}

impl ReportChunk {
    fn new(chunk: Chunk, total: u32) -> Self {
        let Chunk { ordinal, text, tokens, pages, span, heading_path, .. } = chunk;
        Self { ordinal, total, text, tokens, pages, span, heading_path }
    }
}
