//! The stage: `chunks.embedded` in, a receipt out when a part completes its upload.

use chrono::Utc;
use heimdex_index::{Index, Space};
use heimdex_schemas::{ChunksEmbedded, DocumentFacts, Lineage, Outcome, Receipt, StageName, Vectors};
use heimdex_stage::{Context, Ledger, Stage};

use crate::done;
use crate::error::WriterError;
use crate::head::{Asset, Head};
use crate::parts::{self, Part, PartOutcome, Parts};
use crate::points::{Place, Points};
use crate::receipt::Summary;

/// The writer, over the index or what stands for it in a test.
pub struct Writer<P = Index> {
    points: P,
}

impl<P: Points> Writer<P> {
    pub const fn new(points: P) -> Self {
        Self { points }
    }

    /// The points first, durable, and only then their key.
    async fn account(&self, ledger: &dyn Ledger, event: &ChunksEmbedded) -> Result<(), WriterError> {
        let outcome = match &event.outcome {
            Outcome::Failed(failure) => PartOutcome::Failed(failure.clone()),
            Outcome::Embedded(vectors) => {
                let facts = event.document.as_ref().ok_or(WriterError::NoDocument)?;
                self.write(&event.lineage, facts, vectors).await?
            }
        };
        let (parts, replay, document) = (event.parts, event.lineage.replay, event.document.clone());
        parts::record(ledger, event, Part { parts, replay, document, outcome }).await
    }

    async fn write(
        &self,
        lineage: &Lineage,
        facts: &DocumentFacts,
        vectors: &Vectors,
    ) -> Result<PartOutcome, WriterError> {
        let (id, dimension) = (vectors.space.clone(), vectors.dimension);
        let place = Place { org: lineage.org.clone(), space: Space { model: lineage.model.clone(), id, dimension } };
        let points = match vectors.chunks.as_slice() {
            [] => 0,
            _ => self.points.stage(&place, lineage, facts, vectors).await?,
        };
        Ok(PartOutcome::Written { space: place.space.id, dimension, points, missing: vectors.missing.clone() })
    }

    async fn finish(&self, ledger: &dyn Ledger, lineage: &Lineage, parts: Parts) -> Result<Receipt, WriterError> {
        let progress = parts::progress(&parts);
        let summary = Summary::of(parts);
        let head = match summary.head(lineage) {
            Some(ours) => Some(self.contend(ledger, lineage, ours, summary.points).await?),
            None => None,
        };
        let receipt = summary.receipt(lineage, head.as_ref(), Utc::now());
        let receipt = done::conclude(ledger, progress, receipt).await?;
        tracing::info!(
            org = %receipt.org, asset = %receipt.asset_id, upload = %receipt.upload, state = ?receipt.state,
            version = receipt.version, chunks = receipt.chunks, "upload finished"
        );
        Ok(receipt)
    }

    /// Takes the head if this upload is the newest, and aligns the index with whatever the head is then.
    async fn contend(
        &self,
        ledger: &dyn Ledger,
        lineage: &Lineage,
        ours: Head,
        points: u32,
    ) -> Result<Head, WriterError> {
        let asset = Asset::of(lineage);
        let head = asset.take(ledger, ours).await?;
        let head = asset.align(ledger, &self.points, head).await?;
        if head.version.upload == lineage.upload {
            asset.check(&self.points, &head, points).await?;
        }
        Ok(head)
    }
}

impl<P: Points> Stage for Writer<P> {
    type In = ChunksEmbedded;
    type Out = Receipt;
    type Error = WriterError;
    const NAME: StageName = StageName::Writer;

    async fn handle(&self, ctx: &Context, input: ChunksEmbedded) -> Result<Vec<Receipt>, WriterError> {
        check(ctx, &input)?;
        let ledger = ctx.ledger.as_ref();
        self.account(ledger, &input).await?;
        match parts::complete(ledger, &input.lineage, input.parts).await? {
            None => Ok(Vec::new()),
            Some(parts) => Ok(vec![self.finish(ledger, &input.lineage, parts).await?]),
        }
    }
}

fn check(ctx: &Context, input: &ChunksEmbedded) -> Result<(), WriterError> {
    let ChunksEmbedded { lineage, part, parts, .. } = input;
    if lineage.org != ctx.org {
        return Err(WriterError::ForeignOrg { subject: ctx.org.clone(), lineage: lineage.org.clone() });
    }
    if part >= parts {
        return Err(WriterError::Part { part: *part, parts: *parts });
    }
    Ok(())
}
