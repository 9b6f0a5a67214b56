//! The stage: one extracted document in, its chunks out in parts.

use std::sync::Arc;

use heimdex_schemas::{Chunk, ChunksCreated, DocumentExtracted, DocumentFacts, ModelName};
use heimdex_stage::{Context, Stage, StageName};

use crate::chunk::chunk_document;
use crate::config::{ConfigError, Settings};
use crate::document::DocumentText;
use crate::error::Error;
use crate::parts;
use crate::strategy::Strategy;
use crate::tokens::TokenOffsets;

/// Cuts documents for one model. Cheap to clone.
#[derive(Clone)]
pub struct Chunker {
    model: ModelName,
    strategy: Arc<dyn Strategy>,
    tokens: Arc<dyn TokenOffsets>,
    settings: Arc<Settings>,
}

impl Chunker {
    /// A chunker for `model`, whose tokenizer is `tokens`.
    ///
    /// # Errors
    /// Settings that make no sense.
    pub fn new(model: ModelName, tokens: Arc<dyn TokenOffsets>, settings: Settings) -> Result<Self, ConfigError> {
        let strategy: Arc<dyn Strategy> = settings.strategy(tokens.window())?.into();
        tracing::info!(
            %model,
            strategy = strategy.name(),
            max_tokens = strategy.max_tokens(),
            overlap = strategy.overlap(),
            "chunker ready"
        );
        Ok(Self { model, strategy, tokens, settings: Arc::new(settings) })
    }

    /// The strategy in force, after clamping to the model's window.
    #[must_use]
    pub fn strategy(&self) -> &dyn Strategy {
        self.strategy.as_ref()
    }

    fn chunk(&self, document: DocumentExtracted) -> Result<Vec<ChunksCreated>, Error> {
        let text = DocumentText::new(&document.pages, document.language.as_deref());
        let chunks = chunk_document(&text, self.strategy.as_ref(), self.tokens.as_ref(), self.settings.parent_chunks)?;
        tracing::debug!(
            upload = %document.lineage.upload,
            pages = document.pages.len(),
            chunks = chunks.len(),
            "document chunked"
        );
        Ok(events(document, chunks, &self.settings))
    }
}

impl Stage for Chunker {
    type In = DocumentExtracted;
    type Out = ChunksCreated;
    type Error = Error;
    const NAME: StageName = StageName::Chunker;

    async fn handle(&self, _ctx: &Context, document: DocumentExtracted) -> Result<Vec<ChunksCreated>, Error> {
        if document.lineage.model != self.model {
            return Err(Error::OtherModel { asked: document.lineage.model, serves: self.model.clone() });
        }
        let chunker = self.clone();
        tokio::task::spawn_blocking(move || chunker.chunk(document)).await?
    }
}

/// One event for each part; a document without chunks is one part without chunks.
fn events(document: DocumentExtracted, chunks: Vec<Chunk>, settings: &Settings) -> Vec<ChunksCreated> {
    let facts = DocumentFacts {
        format: document.format,
        language: document.language,
        pages: count(document.pages.len()),
        chunks: count(chunks.len()),
        warnings: document.warnings,
    };
    let parts = parts::split(chunks, settings);
    let total = count(parts.len());
    let event = |(part, chunks)| ChunksCreated {
        lineage: document.lineage.clone(),
        document: facts.clone(),
        part,
        parts: total,
        chunks,
    };
    (0..).zip(parts).map(event).collect()
}

/// Chunks were numbered with `u32` before, and a document has fewer pages than bytes.
fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
