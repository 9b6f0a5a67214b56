//! The stage: `chunks.embedded` in; out come the receipt when a part completes its upload, and those of what it replaces.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use heimdex_index::{Index, Space};
use heimdex_schemas::{
    ChunksEmbedded, DocumentFacts, Failure, FailureClass, Lineage, Outcome, Receipt, ReceiptState, StageName,
    StageTime, UploadId, Vectors,
};
use heimdex_stage::{Context, Stage, Tombstone};

use crate::conclude::Concluder;
use crate::error::WriterError;
use crate::job::Job;
use crate::parts::{self, Part, PartOutcome};
use crate::points::{Place, Points};
use crate::remains;

/// The writer, over the index or what stands for it in a test.
pub struct Writer<P = Index> {
    points: P,
}

impl<P: Points> Writer<P> {
    pub const fn new(points: P) -> Self {
        Self { points }
    }

    /// The points first, durable, and only then their key.
    async fn account(
        &self,
        ctx: &Context,
        event: &ChunksEmbedded,
        started_at: DateTime<Utc>,
    ) -> Result<(), WriterError> {
        let outcome = match &event.outcome {
            Outcome::Failed(failure) => PartOutcome::Failed(failure.clone()),
            Outcome::Embedded(vectors) => {
                let facts = event.document.as_ref().ok_or(WriterError::NoDocument)?;
                self.write(&event.lineage, facts, vectors).await?
            }
        };
        parts::record(ctx.ledger.as_ref(), event, part(ctx, event, started_at, outcome)).await
    }

    async fn write(
        &self,
        lineage: &Lineage,
        facts: &DocumentFacts,
        vectors: &Vectors,
    ) -> Result<PartOutcome, WriterError> {
        let place = place(lineage, vectors);
        let points = match vectors.chunks.as_slice() {
            [] => 0,
            _ => self.points.stage(&place, lineage, facts, vectors).await?,
        };
        let (dimension, reused, missing) = (vectors.dimension, vectors.reused, vectors.missing.clone());
        Ok(PartOutcome::Written { space: place.space.id, dimension, points, reused, missing })
    }

    /// A part of a deleted upload: nothing of it stays, and the upload's receipt says so at once, whatever other parts do.
    async fn forsake(
        &self,
        ctx: &Context,
        event: &ChunksEmbedded,
        started_at: DateTime<Utc>,
        tombstone: &Tombstone,
    ) -> Result<Vec<Receipt>, WriterError> {
        let (ledger, job) = (ctx.ledger.as_ref(), Job::of(&event.lineage));
        if let Outcome::Embedded(vectors) = &event.outcome {
            self.points.remove(&place(&event.lineage, vectors), &[job.upload]).await?;
        }
        let receipts = self.concluder(ctx).forsake(&job, tombstone).await?;
        let outcome = PartOutcome::Failed(unwanted());
        parts::record(ledger, event, part(ctx, event, started_at, outcome)).await?;
        if parts::complete(ledger, &event.lineage, event.parts).await?.is_some() {
            remains::of_upload(ctx, &job.asset, job.upload).await?;
        }
        Ok(receipts)
    }

    fn concluder<'a>(&'a self, ctx: &'a Context) -> Concluder<'a, P> {
        Concluder { ledger: ctx.ledger.as_ref(), points: &self.points }
    }
}

impl<P: Points> Stage for Writer<P> {
    type In = ChunksEmbedded;
    type Out = Receipt;
    type Error = WriterError;
    const NAME: StageName = StageName::Writer;

    async fn handle(&self, ctx: &Context, input: ChunksEmbedded) -> Result<Vec<Receipt>, WriterError> {
        check(ctx, &input)?;
        let (started_at, job, concluder) = (Utc::now(), Job::of(&input.lineage), self.concluder(ctx));
        if let Some(tombstone) = concluder.tombstone(&job).await? {
            return self.forsake(ctx, &input, started_at, &tombstone).await.map(newest);
        }
        self.account(ctx, &input, started_at).await?;
        // A deletion that came in between may have looked for points before ours were there.
        if let Some(tombstone) = concluder.tombstone(&job).await? {
            return self.forsake(ctx, &input, started_at, &tombstone).await.map(newest);
        }
        match parts::complete(ctx.ledger.as_ref(), &input.lineage, input.parts).await? {
            None => Ok(Vec::new()),
            Some(parts) => {
                let receipts = newest(concluder.conclude(&job, &parts).await?);
                tell(&receipts);
                let is_deleted = |receipt: &Receipt| receipt.state == ReceiptState::Deleted;
                if receipts.iter().any(|receipt| receipt.upload == job.upload && is_deleted(receipt)) {
                    remains::of_upload(ctx, &job.asset, job.upload).await?;
                }
                Ok(receipts)
            }
        }
    }
}

fn check(ctx: &Context, input: &ChunksEmbedded) -> Result<(), WriterError> {
    let ChunksEmbedded { lineage, part, parts, .. } = input;
    if lineage.org != ctx.org {
        return Err(WriterError::ForeignOrg { subject: ctx.org.clone(), said: lineage.org.clone() });
    }
    if part >= parts {
        return Err(WriterError::Part { part: *part, parts: *parts });
    }
    Ok(())
}

fn place(lineage: &Lineage, vectors: &Vectors) -> Place {
    let (id, dimension) = (vectors.space.clone(), vectors.dimension);
    Place { org: lineage.org.clone(), space: Space { model: lineage.model.clone(), id, dimension } }
}

fn part(ctx: &Context, event: &ChunksEmbedded, started_at: DateTime<Utc>, outcome: PartOutcome) -> Part {
    let mut trail = event.lineage.trail.clone();
    trail.push(own_time(ctx, StageName::Writer, started_at));
    let (parts, replay, document) = (event.parts, event.lineage.replay, event.document.clone());
    Part { parts, replay, document, trail, outcome }
}

/// The time a stage of this service had one message in hand.
pub(crate) fn own_time(ctx: &Context, stage: StageName, started_at: DateTime<Utc>) -> StageTime {
    let queued_at = ctx.position.stored_at;
    StageTime { stage, queued_at, started_at, finished_at: Utc::now(), messages: 1 }
}

fn unwanted() -> Failure {
    let message = "its asset was deleted while it was on its way".to_owned();
    Failure { stage: StageName::Writer, class: FailureClass::Cancelled, code: "deleted".to_owned(), message }
}

/// The last word on each upload: what is published together may be stored in any order.
pub(crate) fn newest(receipts: Vec<Receipt>) -> Vec<Receipt> {
    let mut newest: BTreeMap<UploadId, Receipt> = BTreeMap::new();
    for receipt in receipts {
        let stands = newest.get(&receipt.upload).is_some_and(|known| known.version >= receipt.version);
        if !stands {
            newest.insert(receipt.upload, receipt);
        }
    }
    newest.into_values().collect()
}

fn tell(receipts: &[Receipt]) {
    for receipt in receipts {
        tracing::info!(
            org = %receipt.org, asset = receipt.asset_id.as_ref().map(|id| id.as_str()), upload = %receipt.upload,
            state = ?receipt.state, version = receipt.version, chunks = receipt.chunks, "upload finished"
        );
    }
}
