//! From the parts of a complete upload to its receipt.

use chrono::{DateTime, Utc};
use heimdex_index::Version;
use heimdex_schemas::{DocumentFacts, Failure, Lineage, MissingChunk, Receipt, ReceiptState, UploadId};

use crate::head::Head;
use crate::parts::{PartOutcome, Parts};

/// What the parts amount to.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Space and dimension of the points, when any part was embedded.
    pub(crate) space: Option<(String, u32)>,
    pub(crate) points: u32,
    document: Option<DocumentFacts>,
    missing: Vec<MissingChunk>,
    failures: Vec<Failure>,
}

impl Summary {
    pub(crate) fn of(parts: Parts) -> Self {
        let mut summary = Self::default();
        for part in parts.into_values() {
            summary.document = summary.document.take().or(part.document);
            match part.outcome {
                PartOutcome::Failed(failure) if summary.failures.contains(&failure) => {}
                PartOutcome::Failed(failure) => summary.failures.push(failure),
                PartOutcome::Written { space, dimension, points, missing } => {
                    summary.space = Some((space, dimension));
                    summary.points = summary.points.saturating_add(points);
                    summary.missing.extend(missing);
                }
            }
        }
        summary.missing.sort_by_key(|chunk| chunk.ordinal);
        summary
    }

    /// The head that this upload is entitled to. An upload of which nothing is searchable because it went wrong never
    /// hides an older version; one that has no text to search (scanned pages) does replace it.
    pub(crate) fn head(&self, lineage: &Lineage) -> Option<Head> {
        let went_wrong = !self.failures.is_empty() || !self.missing.is_empty();
        if self.points == 0 && went_wrong {
            return None;
        }
        let (space, dimension) = self.space.clone()?;
        Some(Head { version: Version { upload: lineage.upload, order: lineage.order }, space, dimension })
    }

    fn is_whole(&self) -> bool {
        let warned = self.document.as_ref().is_some_and(|document| !document.warnings.is_empty());
        self.missing.is_empty() && self.failures.is_empty() && !warned
    }

    /// The outcome, given who is head: `None` when this upload may not be.
    pub(crate) fn verdict(&self, lineage: &Lineage, head: Option<&Head>) -> (ReceiptState, Option<UploadId>) {
        match head {
            None => (ReceiptState::Failed, None),
            Some(head) if head.version.upload != lineage.upload => {
                (ReceiptState::Superseded, Some(head.version.upload))
            }
            Some(_) if self.is_whole() => (ReceiptState::Indexed, None),
            Some(_) => (ReceiptState::Degraded, None),
        }
    }

    /// The receipt; its version is the ledger's to give.
    pub(crate) fn receipt(self, lineage: &Lineage, head: Option<&Head>, completed_at: DateTime<Utc>) -> Receipt {
        let (state, superseded_by) = self.verdict(lineage, head);
        let searchable = matches!(state, ReceiptState::Indexed | ReceiptState::Degraded);
        let document = self.document;
        Receipt {
            org: lineage.org.clone(),
            asset_id: lineage.asset_id.clone(),
            upload: lineage.upload,
            state,
            version: 0,
            order: lineage.order,
            model: lineage.model.clone(),
            chunks: if searchable { self.points } else { 0 },
            pages: document.as_ref().map_or(0, |document| document.pages),
            format: document.as_ref().map(|document| document.format.clone()),
            language: document.as_ref().and_then(|document| document.language.clone()),
            warnings: document.map(|document| document.warnings).unwrap_or_default(),
            missing: self.missing,
            failures: self.failures,
            superseded_by,
            accepted_at: lineage.accepted_at,
            completed_at,
        }
    }
}
