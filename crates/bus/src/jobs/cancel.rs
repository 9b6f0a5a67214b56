//! Cancelling: a key in the ledger that every stage looks at before it begins with a message of the job.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_schemas::{Org, UploadId};
use heimdex_stage::Ledger as _;
use serde::{Deserialize, Serialize};

use super::{JobState, Jobs, ledger_away};
use crate::error::BusError;

/// What stands in the ledger for a cancelled job, under `cancelled.<upload>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    pub org: Org,
    pub at: DateTime<Utc>,
    /// Who asked, as they call themselves.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a job cannot be cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    #[error("org {org} has no job {job}")]
    Unknown { org: Org, job: UploadId },
    #[error("job {job} is over: {}", .state.as_str())]
    Over { job: UploadId, state: JobState },
    #[error(transparent)]
    Bus(#[from] BusError),
}

fn key(job: UploadId) -> String {
    format!("cancelled.{job}")
}

impl Jobs {
    /// Asks the stages to drop the job. What is searchable already stays; the receipt says `failed` with class
    /// `cancelled`, unless the last part was written before anyone looked. Doing it twice is doing it once.
    ///
    /// # Errors
    /// See [`CancelError`].
    pub async fn cancel(&self, org: &Org, job: UploadId, wish: &Cancelled) -> Result<(), CancelError> {
        let found = self.facts(org, job).await?.job(org, job);
        let state = found.ok_or_else(|| CancelError::Unknown { org: org.clone(), job })?.state;
        if state.is_over() {
            return Err(CancelError::Over { job, state });
        }
        let value = serde_json::to_vec(wish);
        let value = value.map_err(|e| BusError::Malformed { what: key(job), reason: e.to_string() })?;
        self.ledger.create(&key(job), Bytes::from(value)).await.map_err(ledger_away)?;
        Ok(())
    }

    pub(super) async fn is_cancelled(&self, job: UploadId) -> Result<bool, BusError> {
        Ok(self.ledger.get(&key(job)).await.map_err(ledger_away)?.is_some())
    }
}
