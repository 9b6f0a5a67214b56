//! Which parts of an upload are accounted for: one ledger key each, `part.<upload>.<model>.<n>`.

use heimdex_schemas::{ChunksEmbedded, DocumentFacts, Failure, Lineage, MissingChunk, ModelName, StageTime, UploadId};
use heimdex_stage::Ledger;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::error::WriterError;
use crate::record;

/// What became of one part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// How many parts its sender knew of. A failure from before the document was cut knows of one.
    pub parts: u32,
    pub replay: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentFacts>,
    /// The stages that its message passed, this one included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trail: Vec<StageTime>,
    pub outcome: PartOutcome,
}

/// Written, or given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartOutcome {
    /// The points are durable.
    Written {
        space: String,
        dimension: u32,
        points: u32,
        /// How many of them kept the vector of an earlier upload.
        #[serde(default)]
        reused: u32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missing: Vec<MissingChunk>,
    },
    /// A dead letter stands for the part.
    Failed(Failure),
}

impl Part {
    fn is_written(&self) -> bool {
        matches!(self.outcome, PartOutcome::Written { .. })
    }

    /// Points beat a failure, and a later replay beats an earlier one; a failure never takes written points back. So a
    /// record only ever moves forward, whatever order deliveries come in.
    fn improves_on(&self, found: &Self) -> bool {
        (self.is_written(), self.replay) > (found.is_written(), found.replay)
    }

    /// Grows with every change that [`Part::improves_on`] lets through, since a written part outweighs any replay count.
    fn progress(&self) -> u64 {
        1 + u64::from(self.replay) + if self.is_written() { 1 << 32 } else { 0 }
    }
}

/// All parts of an upload, in order.
pub(crate) type Parts = BTreeMap<u32, Part>;

fn prefix(upload: UploadId, model: &ModelName) -> String {
    format!("part.{upload}.{model}")
}

/// Accounts for one part.
pub(crate) async fn record(ledger: &dyn Ledger, event: &ChunksEmbedded, part: Part) -> Result<(), WriterError> {
    let key = format!("{}.{}", prefix(event.lineage.upload, &event.lineage.model), event.part);
    record::settle(ledger, &key, part, |found, ours| ours.improves_on(found).then(|| ours.clone())).await?;
    Ok(())
}

/// All parts, once each of them is accounted for. `parts` is what the message at hand knows of.
pub(crate) async fn complete(ledger: &dyn Ledger, lineage: &Lineage, parts: u32) -> Result<Option<Parts>, WriterError> {
    if ledger.count(&prefix(lineage.upload, &lineage.model)).await? < u64::from(parts) {
        return Ok(None);
    }
    let found = present(ledger, lineage.upload, &lineage.model).await?;
    let expected = found.values().map(|part| part.parts).max().unwrap_or(0).max(parts);
    Ok((0..expected).all(|n| found.contains_key(&n)).then_some(found))
}

/// The parts that are accounted for so far.
pub(crate) async fn present(ledger: &dyn Ledger, upload: UploadId, model: &ModelName) -> Result<Parts, WriterError> {
    let mut found = Parts::new();
    for (key, value) in ledger.list(&prefix(upload, model)).await? {
        found.insert(number(&key)?, record::parse(&key, &value)?);
    }
    Ok(found)
}

fn number(key: &str) -> Result<u32, WriterError> {
    let last = key.rsplit('.').next().unwrap_or_default();
    last.parse()
        .map_err(|_| WriterError::Record { key: key.to_owned(), reason: "it ends in no part number".to_owned() })
}

/// How far the account of an upload has come: a receipt from more progress replaces one from less.
pub(crate) fn progress(parts: &Parts) -> u64 {
    parts.values().map(Part::progress).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use heimdex_schemas::{FailureClass, StageName};
    use proptest::prelude::*;

    fn part(written: bool, replay: u32) -> Part {
        let failure = Failure {
            stage: StageName::Embedder,
            class: FailureClass::Rejected,
            code: "c".to_owned(),
            message: String::new(),
        };
        let outcome = match written {
            true => {
                PartOutcome::Written { space: "s".to_owned(), dimension: 1, points: 1, reused: 0, missing: Vec::new() }
            }
            false => PartOutcome::Failed(failure),
        };
        Part { parts: 1, replay, document: None, trail: Vec::new(), outcome }
    }

    proptest! {
        #[test]
        fn every_improvement_is_progress(a in any::<(bool, u32)>(), b in any::<(bool, u32)>()) {
            let (old, new) = (part(a.0, a.1), part(b.0, b.1));
            prop_assert_eq!(new.improves_on(&old), new.progress() > old.progress());
        }
    }
}
