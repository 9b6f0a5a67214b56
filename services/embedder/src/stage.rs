//! The stage: `chunks.created` in, exactly one `chunks.embedded` out for each part.

use std::collections::BTreeMap;
use std::sync::Arc;

use heimdex_embedding::{Embedder, Error, Kind, Lane as Queue, Vector};
use heimdex_index::Space;
use heimdex_lexical::Bm25;
use heimdex_schemas::{
    Chunk, ChunksCreated, ChunksEmbedded, EmbeddedChunk, Lane, Lineage, MissingChunk, ModelName, Outcome, PointId,
    Sparse, StageName, Vectors,
};
use heimdex_stage::{Context, Stage};

use crate::error::{EmbedderError, chunk_code};
use crate::known::{Known, reusable};

/// The embedding stage, with one or more models.
pub struct EmbedderStage {
    models: BTreeMap<ModelName, Embedder>,
    bm25: Bm25,
    known: Option<Arc<dyn Known>>,
}

impl EmbedderStage {
    /// `bm25` must be the same for every document of a collection.
    #[must_use]
    pub fn new(models: impl IntoIterator<Item = (ModelName, Embedder)>, bm25: Bm25) -> Self {
        Self { models: models.into_iter().collect(), bm25, known: None }
    }

    /// Keeps the vectors of unchanged chunks, which `known` has.
    #[must_use]
    pub fn keeping(self, known: Arc<dyn Known>) -> Self {
        Self { known: Some(known), ..self }
    }

    fn model(&self, asked: &ModelName) -> Result<&Embedder, EmbedderError> {
        let served = || self.models.keys().map(ModelName::as_str).collect::<Vec<_>>().join(", ");
        self.models.get(asked).ok_or_else(|| EmbedderError::UnknownModel { asked: asked.clone(), served: served() })
    }

    async fn vectors(&self, ctx: &Context, lineage: &Lineage, chunks: Vec<Chunk>) -> Result<Vectors, EmbedderError> {
        let embedder = self.model(&lineage.model)?;
        let dimension = u32::try_from(embedder.model().dimension());
        let dimension = dimension.map_err(|_| EmbedderError::Dimension(lineage.model.clone()))?;
        let space = Space { model: lineage.model.clone(), id: embedder.space().id().to_owned(), dimension };
        let numerics = embedder.numerics().to_string();
        let kept = reusable(ctx, self.known.as_deref(), (lineage, &space, &numerics), &chunks).await;
        let changed = chunks.iter().zip(&kept).filter(|(_, kept)| kept.is_none()).map(|(chunk, _)| chunk);
        // Chunks are cut to the model's window with their prefix; anything else in front would push an end out.
        let texts: Vec<_> = changed.map(Chunk::input).collect();
        let mut computed = embedder.embed(&texts, queue(lineage.lane), Kind::Document).await.into_iter();
        let mut vectors = Vectors {
            space: space.id,
            dimension,
            numerics,
            chunks: Vec::with_capacity(chunks.len()),
            missing: Vec::new(),
            reused: 0,
        };
        for (chunk, kept) in chunks.into_iter().zip(kept) {
            vectors.reused += u32::from(kept.is_some());
            let unanswered = || Err(Error::Inference("no answer".to_owned()));
            let result = kept.map(Ok).or_else(|| computed.next()).unwrap_or_else(unanswered);
            self.add(&mut vectors, lineage, chunk, result)?;
            tokio::task::consume_budget().await;
        }
        Ok(vectors)
    }

    fn add(
        &self,
        vectors: &mut Vectors,
        lineage: &Lineage,
        chunk: Chunk,
        result: Result<Vector, Error>,
    ) -> Result<(), EmbedderError> {
        match result {
            Ok(dense) => {
                let point_id = PointId::new(lineage.upload, &vectors.space, chunk.ordinal);
                let sparse = self.sparse(&chunk.input());
                vectors.chunks.push(EmbeddedChunk { point_id, chunk, dense, sparse });
            }
            Err(error) => {
                let Some(code) = chunk_code(&error) else {
                    return Err(EmbedderError::Lost { model: lineage.model.clone(), source: error });
                };
                tracing::warn!(upload = %lineage.upload, ordinal = chunk.ordinal, code, %error, "chunk not embedded");
                let (code, message) = (code.to_owned(), error.to_string());
                vectors.missing.push(MissingChunk { ordinal: chunk.ordinal, code, message });
            }
        }
        Ok(())
    }

    fn sparse(&self, text: &str) -> Sparse {
        let vector = self.bm25.document(text);
        Sparse { indices: vector.indices, values: vector.values }
    }
}

const fn queue(lane: Lane) -> Queue {
    match lane {
        Lane::Interactive => Queue::Interactive,
        Lane::Bulk => Queue::Bulk,
    }
}

impl Stage for EmbedderStage {
    type In = ChunksCreated;
    type Out = ChunksEmbedded;
    type Error = EmbedderError;
    const NAME: StageName = StageName::Embedder;

    async fn handle(&self, ctx: &Context, input: ChunksCreated) -> Result<Vec<ChunksEmbedded>, EmbedderError> {
        let ChunksCreated { lineage, document, part, parts, chunks } = input;
        let outcome = Outcome::Embedded(self.vectors(ctx, &lineage, chunks).await?);
        Ok(vec![ChunksEmbedded { lineage, document: Some(document), part, parts, outcome }])
    }
}
