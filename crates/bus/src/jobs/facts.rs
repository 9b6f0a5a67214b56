//! From what was found of a job to what is told of it.

use std::collections::BTreeMap;

use heimdex_schemas::{AssetId, Org, Progress, Receipt, StageName, UploadId};
use heimdex_stage::Acceptance;

use super::hints::advice;
use super::waiting::Waiting;
use super::{Job, JobState, PartCount, StageStatus};
use crate::receipts::ReceiptUpdate;

/// The stages of an upload.
const PIPELINE: [StageName; 4] = [StageName::Extractor, StageName::Chunker, StageName::Embedder, StageName::Writer];

/// All that was found of a job.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub receipt: Option<ReceiptUpdate>,
    pub accepted: Option<Acceptance>,
    pub waiting: Option<Waiting>,
    /// How many reports each stage made, and its newest.
    pub reports: BTreeMap<StageName, (u32, Progress)>,
    /// Parts with a key in the ledger.
    pub written: u32,
    pub cancel_requested: bool,
}

impl Facts {
    /// The job as far as it can be told without looking at queues; `None` when the org has none.
    pub(super) fn job(&self, org: &Org, job_id: UploadId) -> Option<Job> {
        // An acceptance is found by its id alone, which another org may know.
        let accepted = self.accepted.as_ref().filter(|accepted| accepted.org == *org);
        let is_known =
            self.receipt.is_some() || accepted.is_some() || self.waiting.is_some() || !self.reports.is_empty();
        if !is_known {
            return None;
        }
        let receipt = self.receipt.as_ref().map(|update| &update.receipt);
        let stages = self.stages(receipt);
        Some(Job {
            org: org.clone(),
            job_id,
            asset_id: self.asset_id(),
            state: self.state(),
            lane: accepted.map(|accepted| accepted.lane).or_else(|| self.waiting.as_ref().map(|waiting| waiting.lane)),
            model: accepted.and_then(|accepted| accepted.model.clone()),
            accepted_at: self.accepted_at(),
            cancel_requested: self.cancel_requested,
            pages: receipt.map(|receipt| receipt.pages),
            chunks: receipt.map(|receipt| receipt.chunks),
            parts: parts(&stages),
            stages,
            queue: None,
            estimate_seconds: None,
            failures: receipt.map(advice).unwrap_or_default(),
            dead_letters: Vec::new(),
            sequence: self.receipt.as_ref().map(|update| update.sequence),
            receipt: receipt.cloned(),
        })
    }

    /// The sequence of the job's newest message in the queue that follows stage `before`; the uploads' for `None`.
    pub(super) fn sequence_after(&self, before: Option<StageName>) -> Option<u64> {
        match before {
            Some(stage) => self.reports.get(&stage).and_then(|(_, report)| report.sequence),
            None => {
                let accepted = self.accepted.as_ref().map(|accepted| accepted.position.sequence());
                accepted.or_else(|| self.waiting.as_ref().map(|waiting| waiting.sequence))
            }
        }
    }

    fn state(&self) -> JobState {
        match &self.receipt {
            Some(update) => update.receipt.state.into(),
            None if self.accepted.is_none() && self.reports.is_empty() => JobState::Queued,
            None => JobState::Running,
        }
    }

    fn asset_id(&self) -> Option<AssetId> {
        let of_receipt = self.receipt.as_ref().and_then(|update| update.receipt.asset_id.clone());
        let of_acceptance = || self.accepted.as_ref().and_then(|accepted| accepted.asset_id.clone());
        let of_message = || self.waiting.as_ref().and_then(|waiting| waiting.asset_id.clone());
        of_receipt.or_else(of_acceptance).or_else(of_message)
    }

    fn accepted_at(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        let accepted = self.accepted.as_ref().map(|accepted| accepted.accepted_at);
        let of_receipt = || self.receipt.as_ref().map(|update| update.receipt.accepted_at);
        accepted.or_else(of_receipt).or_else(|| self.waiting.as_ref().map(|waiting| waiting.stored_at))
    }

    fn stages(&self, receipt: Option<&Receipt>) -> Vec<StageStatus> {
        let deletion = [StageName::Eraser, StageName::Purger];
        let eraser = deletion.into_iter().find(|stage| self.takes_part(*stage, receipt));
        let names = eraser.map_or_else(|| PIPELINE.to_vec(), |stage| vec![stage]);
        names.into_iter().map(|stage| self.stage(stage, receipt)).collect()
    }

    fn takes_part(&self, stage: StageName, receipt: Option<&Receipt>) -> bool {
        let in_receipt = receipt.is_some_and(|receipt| receipt.stages.iter().any(|time| time.stage == stage));
        let by_acceptance = self.accepted.as_ref().is_some_and(|accepted| {
            let eraser = if accepted.asset_id.is_some() { StageName::Eraser } else { StageName::Purger };
            accepted.model.is_none() && eraser == stage
        });
        self.reports.contains_key(&stage) || in_receipt || by_acceptance
    }

    fn stage(&self, stage: StageName, receipt: Option<&Receipt>) -> StageStatus {
        let report = self.reports.get(&stage);
        let time = receipt.and_then(|receipt| receipt.stages.iter().find(|time| time.stage == stage));
        let reported = report.map_or(0, |(count, _)| *count);
        let written = if stage == StageName::Writer { self.written } else { 0 };
        let recorded = time.map_or(0, |time| time.messages);
        StageStatus {
            stage,
            done: reported.max(written).max(recorded),
            total: self.total(stage).or_else(|| time.map(|time| time.messages)),
            queued_at: time.map(|time| time.queued_at),
            started_at: time.map(|time| time.started_at),
            finished_at: time.map(|time| time.finished_at).or_else(|| report.map(|(_, report)| report.at)),
        }
    }

    /// How many messages of the job the stage has to handle: the stages before the cut have one.
    fn total(&self, stage: StageName) -> Option<u32> {
        let own = self.reports.get(&stage).map(|(_, report)| report.parts);
        match stage {
            StageName::Extractor | StageName::Chunker | StageName::Eraser | StageName::Purger => Some(1),
            StageName::Embedder | StageName::Writer => {
                own.or_else(|| self.reports.get(&StageName::Chunker).map(|(_, report)| report.outputs))
            }
        }
    }
}

fn parts(stages: &[StageStatus]) -> Option<PartCount> {
    let writer = stages.iter().find(|status| status.stage == StageName::Writer)?;
    writer.total.map(|total| PartCount { done: writer.done.min(total), total })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;
    use chrono::DateTime;
    use heimdex_schemas::{Lane, Order};

    fn org() -> Org {
        "acme".parse().unwrap()
    }

    fn job_id() -> UploadId {
        UploadId::new(&org(), "/cms", "1")
    }

    fn accepted(org: &str) -> Acceptance {
        Acceptance {
            org: org.parse().unwrap(),
            asset_id: Some("a".parse().unwrap()),
            model: Some("tiny".parse().unwrap()),
            lane: Lane::Bulk,
            order: Order::by_uploader(3),
            position: Order::by_stream(1, 42),
            accepted_at: DateTime::UNIX_EPOCH,
        }
    }

    fn report(stage: StageName, part: u32, parts: u32, outputs: u32) -> Progress {
        let sequence = Some(u64::from(part) + 100);
        Progress { org: org(), upload: job_id(), stage, part, parts, outputs, sequence, at: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn parts_are_counted_in_whatever_order_they_come() {
        let reports = BTreeMap::from([
            (StageName::Extractor, (1, report(StageName::Extractor, 0, 1, 1))),
            (StageName::Chunker, (1, report(StageName::Chunker, 0, 1, 5))),
            (StageName::Embedder, (3, report(StageName::Embedder, 4, 5, 1))),
        ]);
        let facts = Facts { accepted: Some(accepted("acme")), reports, written: 2, ..Facts::default() };
        let job = facts.job(&org(), job_id()).unwrap();
        let counts: Vec<_> = job.stages.iter().map(|status| (status.done, status.total)).collect();
        assert_eq!(counts, [(1, Some(1)), (1, Some(1)), (3, Some(5)), (2, Some(5))]);
        assert_eq!(job.parts, Some(PartCount { done: 2, total: 5 }));
        assert_eq!((job.state, job.lane), (JobState::Running, Some(Lane::Bulk)));
        assert_eq!(facts.sequence_after(Some(StageName::Embedder)), Some(104));
        assert_eq!(facts.sequence_after(None), Some(42));
    }

    #[test]
    fn before_the_cut_nobody_knows_the_parts() {
        let facts = Facts { accepted: Some(accepted("acme")), ..Facts::default() };
        let job = facts.job(&org(), job_id()).unwrap();
        assert_eq!((job.parts, job.stages.last().unwrap().total), (None, None));
    }

    #[test]
    fn another_org_learns_nothing() {
        let facts = Facts { accepted: Some(accepted("globex")), ..Facts::default() };
        assert_eq!(facts.job(&org(), job_id()), None);
        assert_eq!(Facts::default().job(&org(), job_id()), None);
    }

    #[test]
    fn a_deletion_has_one_stage() {
        let deletion = Acceptance { model: None, ..accepted("acme") };
        let facts = Facts { accepted: Some(deletion), ..Facts::default() };
        let job = facts.job(&org(), job_id()).unwrap();
        assert_eq!(job.stages.iter().map(|status| status.stage).collect::<Vec<_>>(), [StageName::Eraser]);
    }
}
