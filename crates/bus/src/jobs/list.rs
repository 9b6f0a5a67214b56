//! Listings: the newest jobs, finished or not.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use heimdex_schemas::{AssetId, Event, Org, Progress, Receipt, StageName, UploadId};
use serde::{Deserialize, Serialize};

use super::hints::{Advice, advice};
use super::waiting::{self, Waiting};
use super::{JobState, Jobs, history};
use crate::error::BusError;
use crate::receipts;
use crate::topology::PROGRESS_STREAM;

/// Look-ups at the same time.
const LOOK_UPS: usize = 32;

/// Which jobs to list.
#[derive(Debug, Clone)]
pub struct Selection {
    /// `None` for all.
    pub org: Option<Org>,
    /// `None` for all. A state is looked for among the newest [`super::JobOptions::scan_newest`] jobs.
    pub state: Option<JobState>,
    pub limit: usize,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSummary {
    pub org: Org,
    pub job_id: UploadId,
    pub asset_id: Option<AssetId>,
    pub state: JobState,
    /// The stage that last reported of an unfinished job.
    pub stage: Option<StageName>,
    pub pages: Option<u32>,
    pub chunks: Option<u32>,
    /// The first thing that is wrong with it.
    pub error: Option<Advice>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
    /// The receipt's sequence.
    pub sequence: Option<u64>,
}

impl From<receipts::ReceiptUpdate> for JobSummary {
    fn from(update: receipts::ReceiptUpdate) -> Self {
        let (receipt, sequence) = (update.receipt, update.sequence);
        Self {
            error: advice(&receipt).into_iter().next(),
            org: receipt.org,
            job_id: receipt.upload,
            asset_id: receipt.asset_id,
            state: receipt.state.into(),
            stage: None,
            pages: Some(receipt.pages),
            chunks: Some(receipt.chunks),
            accepted_at: Some(receipt.accepted_at),
            updated_at: receipt.completed_at,
            sequence: Some(sequence),
        }
    }
}

impl JobSummary {
    fn unfinished(org: Org, job_id: UploadId, state: JobState, updated_at: DateTime<Utc>) -> Self {
        Self {
            org,
            job_id,
            asset_id: None,
            state,
            stage: None,
            pages: None,
            chunks: None,
            error: None,
            accepted_at: None,
            updated_at,
            sequence: None,
        }
    }
}

fn filter(prefix: &str, org: Option<&Org>, rest: &str) -> String {
    format!("{prefix}.{}.{rest}", org.map_or("*", Org::as_str))
}

impl Selection {
    fn takes(&self, state: JobState) -> bool {
        self.state.is_none_or(|wanted| wanted == state)
    }
}

impl Jobs {
    /// The newest jobs of `selection`, newest first.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub async fn list(&self, selection: &Selection) -> Result<Vec<JobSummary>, BusError> {
        let mut jobs = Vec::new();
        if selection.state.is_none_or(JobState::is_over) {
            jobs.extend(self.finished(selection).await?);
        }
        if selection.state.is_none_or(|state| !state.is_over()) {
            let known: HashSet<UploadId> = jobs.iter().map(|job| job.job_id).collect();
            let running = self.running(selection, &known).await?;
            let moving: HashSet<UploadId> = running.iter().map(|job| job.job_id).chain(known).collect();
            jobs.extend(running);
            jobs.extend(self.queued(selection, &moving).await?);
        }
        jobs.retain(|job| selection.takes(job.state));
        jobs.sort_by_key(|job| std::cmp::Reverse(job.updated_at));
        jobs.truncate(selection.limit);
        Ok(jobs)
    }

    async fn finished(&self, selection: &Selection) -> Result<Vec<JobSummary>, BusError> {
        let want = match selection.state {
            None => selection.limit as u64,
            Some(_) => self.options.scan_newest,
        };
        let filter = filter("heimdex.receipt", selection.org.as_ref(), "*");
        let messages = history::newest(&self.link, Receipt::STREAM, &filter, want).await?;
        let readable = messages.into_iter().filter_map(|message| receipts::read(message).ok());
        Ok(readable.map(JobSummary::from).collect())
    }

    /// Jobs that a stage reported of and that have no receipt.
    async fn running(&self, selection: &Selection, known: &HashSet<UploadId>) -> Result<Vec<JobSummary>, BusError> {
        let filter = filter("heimdex.progress", selection.org.as_ref(), "*.*.*");
        let messages = history::newest(&self.link, PROGRESS_STREAM, &filter, self.options.scan_newest).await?;
        let mut newest: HashMap<UploadId, Progress> = HashMap::new();
        for report in messages.iter().filter_map(history::progress).filter(|report| !known.contains(&report.upload)) {
            newest.insert(report.upload, report);
        }
        let jobs = futures::stream::iter(newest.into_values()).map(|report| self.unfinished(report));
        let jobs: Vec<Option<JobSummary>> = jobs.buffer_unordered(LOOK_UPS).try_collect().await?;
        Ok(jobs.into_iter().flatten().collect())
    }

    async fn unfinished(&self, report: Progress) -> Result<Option<JobSummary>, BusError> {
        if self.receipts.current(&report.org, report.upload).await?.is_some() {
            return Ok(None);
        }
        let accepted = self.accepted(report.upload).await?;
        let mut job = JobSummary::unfinished(report.org, report.upload, JobState::Running, report.at);
        job.stage = Some(report.stage);
        job.accepted_at = accepted.as_ref().map(|accepted| accepted.accepted_at);
        job.asset_id = accepted.and_then(|accepted| accepted.asset_id);
        Ok(Some(job))
    }

    /// Jobs whose event waits for its first stage, or is in its hand.
    async fn queued(&self, selection: &Selection, moving: &HashSet<UploadId>) -> Result<Vec<JobSummary>, BusError> {
        let mut found = Vec::new();
        let collect = |waiting: Waiting| {
            if !moving.contains(&waiting.job) {
                found.push(waiting);
            }
            found.len() >= selection.limit
        };
        waiting::scan(&self.link, selection.org.as_ref(), self.options.scan_waiting, collect).await?;
        let jobs = futures::stream::iter(found).map(|waiting| self.first_step(waiting));
        let jobs: Vec<Option<JobSummary>> = jobs.buffer_unordered(LOOK_UPS).try_collect().await?;
        Ok(jobs.into_iter().flatten().collect())
    }

    async fn first_step(&self, waiting: Waiting) -> Result<Option<JobSummary>, BusError> {
        if self.receipts.current(&waiting.org, waiting.job).await?.is_some() {
            return Ok(None);
        }
        let accepted = self.accepted(waiting.job).await?;
        let state = if accepted.is_some() { JobState::Running } else { JobState::Queued };
        let mut job = JobSummary::unfinished(waiting.org, waiting.job, state, waiting.stored_at);
        job.asset_id = waiting.asset_id.or_else(|| accepted.and_then(|accepted| accepted.asset_id));
        job.accepted_at = Some(waiting.stored_at);
        Ok(Some(job))
    }
}
