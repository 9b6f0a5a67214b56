//! Jobs: what became of an upload or a deletion, or where it is, put together from what the stages leave behind.
//!
//! A job is its receipt once there is one. Before that it is its acceptance in the ledger and the progress reports of
//! the stages; before that, a message in the uploads stream. Nothing here is stored: everything is read.

mod cancel;
mod dead;
mod facts;
mod hints;
mod history;
mod list;
mod queue;
mod waiting;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, Lane, ModelName, Org, Progress, Receipt, ReceiptState, StageName, UploadId};
use heimdex_stage::{Acceptance, Ledger as _, LedgerError, accept};
use serde::{Deserialize, Serialize};

use crate::dead_letter::DeadLetters;
use crate::error::BusError;
use crate::ledger::KvLedger;
use crate::link::{ApiError, Link};
use crate::receipts::Receipts;
use crate::topology::PROGRESS_STREAM;

pub use cancel::{CancelError, Cancelled};
pub use dead::DeadLetterNote;
pub use hints::{Advice, advice, hint};
pub use list::{JobSummary, Selection};
pub use queue::QueuePosition;
pub use watch::{JobUpdate, JobUpdates};

use facts::Facts;
use queue::Remaining;
use waiting::Waiting;

/// How far looking for a job goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobOptions {
    /// Uploads that nobody has accepted yet are looked at one by one: at most so many.
    pub scan_waiting: usize,
    /// Receipts and progress reports that are looked at for a listing by state: the newest so many.
    pub scan_newest: u64,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self { scan_waiting: 2_000, scan_newest: 5_000 }
    }
}

/// How a job ended, or that it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for its first stage.
    Queued,
    /// At least one stage has begun.
    Running,
    Indexed,
    Degraded,
    Failed,
    Superseded,
    Deleted,
}

impl JobState {
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Running, Self::Indexed, Self::Degraded, Self::Failed, Self::Superseded, Self::Deleted];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Indexed => "indexed",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Deleted => "deleted",
        }
    }

    /// Whether there is a receipt.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl From<ReceiptState> for JobState {
    fn from(state: ReceiptState) -> Self {
        match state {
            ReceiptState::Indexed => Self::Indexed,
            ReceiptState::Degraded => Self::Degraded,
            ReceiptState::Failed => Self::Failed,
            ReceiptState::Superseded => Self::Superseded,
            ReceiptState::Deleted => Self::Deleted,
        }
    }
}

/// What one stage has done for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageStatus {
    pub stage: StageName,
    /// Messages of the job that it has handled.
    pub done: u32,
    /// Messages of the job that it has to handle; `null` until the stage before has said.
    pub total: Option<u32>,
    /// When the broker stored the first of them; known when the job is over.
    pub queued_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    /// When the last of them was done.
    pub finished_at: Option<DateTime<Utc>>,
}

impl StageStatus {
    const fn is_done(&self) -> bool {
        matches!(self.total, Some(total) if self.done >= total)
    }
}

/// Parts of the document that are accounted for: written to the index, or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCount {
    pub done: u32,
    pub total: u32,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub org: Org,
    pub job_id: UploadId,
    /// `null` for the purge of an org, and for what is too large to look into while it waits.
    pub asset_id: Option<AssetId>,
    pub state: JobState,
    pub lane: Option<Lane>,
    pub model: Option<ModelName>,
    /// When the broker stored the event.
    pub accepted_at: Option<DateTime<Utc>>,
    pub cancel_requested: bool,
    pub pages: Option<u32>,
    pub chunks: Option<u32>,
    /// `null` until the document is cut.
    pub parts: Option<PartCount>,
    pub stages: Vec<StageStatus>,
    /// `null` when it is over, or in some worker's hand.
    pub queue: Option<QueuePosition>,
    /// Seconds until the receipt if all goes on as in the last minute; `null` when nobody can tell.
    pub estimate_seconds: Option<f64>,
    /// What went wrong or is missing, and what to do about it.
    pub failures: Vec<Advice>,
    pub dead_letters: Vec<DeadLetterNote>,
    /// The receipt's sequence, what `min_seq` of a search takes.
    pub sequence: Option<u64>,
    pub receipt: Option<Receipt>,
}

/// Looks jobs up.
#[derive(Clone)]
pub struct Jobs {
    link: Link,
    ledger: Arc<KvLedger>,
    receipts: Receipts,
    letters: DeadLetters,
    options: JobOptions,
}

impl Jobs {
    pub(crate) fn new(link: Link, ledger: Arc<KvLedger>, receipts: Receipts, letters: DeadLetters) -> Self {
        Self { link, ledger, receipts, letters, options: JobOptions::default() }
    }

    #[must_use]
    pub const fn with_options(mut self, options: JobOptions) -> Self {
        self.options = options;
        self
    }

    /// The job, `None` when the org has none of this id (or it is older than receipts are kept).
    ///
    /// # Errors
    /// [`BusError::Unavailable`], or [`BusError::Malformed`] for records that cannot be read.
    pub async fn get(&self, org: &Org, job: UploadId) -> Result<Option<Job>, BusError> {
        let facts = self.facts(org, job).await?;
        let Some(mut found) = facts.job(org, job) else { return Ok(None) };
        if let Some(asset) = &found.asset_id {
            found.dead_letters = self.dead_letters(org, job, asset).await?;
        }
        if !found.state.is_over() {
            self.look_ahead(&facts, &mut found).await?;
        }
        Ok(Some(found))
    }

    async fn facts(&self, org: &Org, job: UploadId) -> Result<Facts, BusError> {
        let (receipt, accepted, reports, cancelled) = futures::try_join!(
            self.receipts.current(org, job),
            self.accepted(job),
            self.reports(org, job),
            self.is_cancelled(job),
        )?;
        let model = accepted.as_ref().and_then(|accepted| accepted.model.clone());
        let written = match (&receipt, model) {
            (None, Some(model)) => self.written(job, &model).await?,
            _ => 0,
        };
        let is_unseen = receipt.is_none() && accepted.is_none();
        let waiting = if is_unseen { self.waiting(org, job).await? } else { None };
        Ok(Facts { receipt, accepted, waiting, reports, written, cancel_requested: cancelled })
    }

    async fn accepted(&self, job: UploadId) -> Result<Option<Acceptance>, BusError> {
        let key = accept::key(job);
        let Some((_, value)) = self.ledger.get(&key).await.map_err(ledger_away)? else { return Ok(None) };
        let read = serde_json::from_slice(&value);
        read.map(Some).map_err(|e| BusError::Malformed { what: format!("ledger key {key}"), reason: e.to_string() })
    }

    async fn written(&self, job: UploadId, model: &ModelName) -> Result<u32, BusError> {
        let parts = self.ledger.count(&format!("part.{job}.{model}")).await.map_err(ledger_away)?;
        Ok(u32::try_from(parts).unwrap_or(u32::MAX))
    }

    async fn waiting(&self, org: &Org, job: UploadId) -> Result<Option<Waiting>, BusError> {
        let mut found = None;
        let look = |waiting: Waiting| {
            found = (waiting.job == job).then_some(waiting);
            found.is_some()
        };
        waiting::scan(&self.link, Some(org), self.options.scan_waiting, look).await?;
        Ok(found)
    }

    /// The reports of a job: their number by stage from the subjects, and the newest of each stage.
    async fn reports(&self, org: &Org, job: UploadId) -> Result<BTreeMap<StageName, (u32, Progress)>, BusError> {
        let asked = StageName::ALL.iter().map(|stage| async move {
            let filter = format!("heimdex.progress.{org}.{job}.{stage}.*");
            let Some(newest) = self.newest_report(&filter).await? else { return Ok(None) };
            let count = if newest.parts == 1 { 1 } else { self.count_subjects(&filter).await? };
            Ok::<_, BusError>(Some((*stage, (count, newest))))
        });
        Ok(futures::future::try_join_all(asked).await?.into_iter().flatten().collect())
    }

    async fn newest_report(&self, filter: &str) -> Result<Option<Progress>, BusError> {
        let call = format!("STREAM.MSG.GET.{PROGRESS_STREAM}");
        let found: Result<Stored, ApiError> = self.link.api(&call, &GetLast { last_by_subj: filter }).await;
        match found {
            Ok(found) => Ok(found.message.progress()),
            Err(ApiError::Refused { code: ApiError::NO_MESSAGE, .. }) => Ok(None),
            Err(error) => Err(error.into_bus(format!("stream {PROGRESS_STREAM}"))),
        }
    }

    async fn count_subjects(&self, filter: &str) -> Result<u32, BusError> {
        let subjects = self.link.subjects(PROGRESS_STREAM, filter).await;
        let count = subjects.map_err(|e| e.into_bus(format!("stream {PROGRESS_STREAM}")))?.len();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Adds the place in the queue and the estimate.
    async fn look_ahead(&self, facts: &Facts, job: &mut Job) -> Result<(), BusError> {
        let done = job.stages.iter().take_while(|status| status.is_done()).count();
        let (before, stages) = job.stages.split_at(done);
        let sequence = facts.sequence_after(before.last().map(|status| status.stage));
        let remaining = Remaining { lane: job.lane.unwrap_or(Lane::Interactive), stages, sequence };
        let queue = queue::position(&self.link, &remaining).await?;
        let estimate = queue::estimate(&self.link, &remaining, queue.as_ref()).await?;
        (job.queue, job.estimate_seconds) = (queue, estimate);
        Ok(())
    }
}

#[derive(Serialize)]
struct GetLast<'a> {
    last_by_subj: &'a str,
}

#[derive(Deserialize)]
struct Stored {
    message: StoredMessage,
}

#[derive(Deserialize)]
struct StoredMessage {
    #[serde(default)]
    data: String,
}

impl StoredMessage {
    fn progress(&self) -> Option<Progress> {
        let bytes = STANDARD.decode(&self.data).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

fn ledger_away(error: LedgerError) -> BusError {
    BusError::Unavailable { what: "the ledger".to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_for_a_job_has_an_end() {
        let options = JobOptions::default();
        assert_eq!((options.scan_waiting, options.scan_newest), (2_000, 5_000));
        assert!(JobState::ALL.iter().filter(|state| state.is_over()).count() == 5);
    }
}
