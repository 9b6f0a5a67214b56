//! What `heimdex chunk --json` prints.

use heimdex_schemas::Chunk;
use serde::Serialize;

use crate::chunk::chunk_document;
use crate::document::DocumentText;
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
    /// The most tokens a chunk repeats of the one before.
    pub overlap: usize,
    pub chunks: Vec<ReportChunk>,
}

/// One chunk of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportChunk {
    pub ordinal: u32,
    pub total: u32,
    /// Embedded before the text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    pub text: String,
    pub tokens: u32,
    pub pages: Vec<u32>,
    /// Characters (Unicode scalar values) of the document's text, half open.
    pub span: [u64; 2],
    pub heading_path: Vec<String>,
    /// ISO 639-1, where it differs from the document's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// First and last ordinal of the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<[u32; 2]>,
}

impl Report {
    /// Chunks `document` with what the stage would use.
    ///
    /// # Errors
    /// See [`chunk_document`].
    pub fn new(
        document: &DocumentText,
        strategy: &dyn Strategy,
        tokens: &dyn TokenOffsets,
        parent_chunks: usize,
    ) -> Result<Self, Error> {
        let chunks = chunk_document(document, strategy, tokens, parent_chunks)?;
        let total = u32::try_from(chunks.len()).map_err(|_| Error::TooManyChunks(chunks.len()))?;
        Ok(Self {
            strategy: strategy.name(),
            tokenizer: tokens.name().to_owned(),
            max_tokens: strategy.max_tokens(),
            overlap: strategy.overlap(),
            chunks: chunks.into_iter().map(|chunk| ReportChunk::new(chunk, total)).collect(),
        })
    }
}

impl ReportChunk {
    fn new(chunk: Chunk, total: u32) -> Self {
        let Chunk { ordinal, prefix, text, tokens, pages, span, heading_path, language, parent, .. } = chunk;
        Self { ordinal, total, prefix, text, tokens, pages, span, heading_path, language, parent }
    }
}
