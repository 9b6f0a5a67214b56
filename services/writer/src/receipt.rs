//! From the parts of an upload to its receipt.

use chrono::{DateTime, Utc};
use heimdex_schemas::{DocumentFacts, Failure, MissingChunk, Receipt, ReceiptState, StageTime, UploadId};
use heimdex_stage::Head;

use crate::job::Job;
use crate::parts::{PartOutcome, Parts};
use crate::times;

/// What the parts amount to.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Space and dimension of the points, when any part was embedded.
    pub(crate) space: Option<(String, u32)>,
    pub(crate) points: u32,
    reused: u32,
    document: Option<DocumentFacts>,
    missing: Vec<MissingChunk>,
    failures: Vec<Failure>,
    stages: Vec<StageTime>,
}

impl Summary {
    pub(crate) fn of(parts: &Parts) -> Self {
        let stages = times::by_stage(parts.values().flat_map(|part| &part.trail));
        let mut summary = Self { stages, ..Self::default() };
        for part in parts.values() {
            summary.document = summary.document.take().or_else(|| part.document.clone());
            summary.add(&part.outcome);
        }
        summary.missing.sort_by_key(|chunk| chunk.ordinal);
        summary
    }

    fn add(&mut self, outcome: &PartOutcome) {
        match outcome {
            PartOutcome::Failed(failure) if self.failures.contains(failure) => {}
            PartOutcome::Failed(failure) => self.failures.push(failure.clone()),
            PartOutcome::Written { space, dimension, points, reused, missing } => {
                self.space = Some((space.clone(), *dimension));
                self.points = self.points.saturating_add(*points);
                self.reused = self.reused.saturating_add(*reused);
                self.missing.extend(missing.iter().cloned());
            }
        }
    }

    /// The head that this upload is entitled to. An upload of which nothing is searchable because it went wrong never
    /// hides an older version; one that has no text to search (scanned pages) does replace it.
    pub(crate) fn head(&self, job: &Job) -> Option<Head> {
        let went_wrong = !self.failures.is_empty() || !self.missing.is_empty();
        if self.points == 0 && went_wrong {
            return None;
        }
        let (space, dimension) = self.space.clone()?;
        Some(Head { upload: job.upload, order: job.order, position: job.position, space, dimension })
    }

    fn is_whole(&self) -> bool {
        let warned = self.document.as_ref().is_some_and(|document| !document.warnings.is_empty());
        self.missing.is_empty() && self.failures.is_empty() && !warned
    }

    /// The outcome, given who is head: `None` when this upload may not be.
    pub(crate) fn verdict(&self, job: &Job, head: Option<&Head>) -> (ReceiptState, Option<UploadId>) {
        match head {
            None => (ReceiptState::Failed, None),
            Some(head) if head.upload != job.upload => (ReceiptState::Superseded, Some(head.upload)),
            Some(_) if self.is_whole() => (ReceiptState::Indexed, None),
            Some(_) => (ReceiptState::Degraded, None),
        }
    }

    /// The receipt; its version is the ledger's to give.
    pub(crate) fn receipt(
        self,
        job: &Job,
        (state, superseded_by): (ReceiptState, Option<UploadId>),
        completed_at: DateTime<Utc>,
    ) -> Receipt {
        let searchable = matches!(state, ReceiptState::Indexed | ReceiptState::Degraded);
        let document = self.document;
        Receipt {
            org: job.org.clone(),
            asset_id: Some(job.asset.clone()),
            upload: job.upload,
            state,
            version: 0,
            order: job.order,
            model: Some(job.model.clone()),
            chunks: if searchable { self.points } else { 0 },
            pages: document.as_ref().map_or(0, |document| document.pages),
            format: document.as_ref().map(|document| document.format.clone()),
            language: document.as_ref().and_then(|document| document.language.clone()),
            warnings: document.map(|document| document.warnings).unwrap_or_default(),
            missing: self.missing,
            failures: self.failures,
            reused: self.reused,
            // The embedder refuses a chunk beyond the model's window and lists it as missing; nothing is ever cut.
            truncated_tokens: 0,
            removed: 0,
            stages: self.stages,
            superseded_by,
            accepted_at: job.accepted_at,
            completed_at,
        }
    }
}
