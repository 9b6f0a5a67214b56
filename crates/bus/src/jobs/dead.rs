//! The dead letters of a job, as far as its reader needs them.

use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, FailureClass, Org, StageName, UploadId};
use serde::{Deserialize, Serialize};

use super::Jobs;
use crate::dead_letter::{Address, Depth, Letter};
use crate::error::BusError;

/// One dead letter: where it lies and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterNote {
    /// In `HEIMDEX_DLQ`.
    pub sequence: u64,
    pub stage: Option<StageName>,
    pub class: Option<FailureClass>,
    pub code: String,
    pub message: String,
    pub fingerprint: String,
    pub stored_at: DateTime<Utc>,
}

impl From<Letter> for DeadLetterNote {
    fn from(letter: Letter) -> Self {
        Self {
            sequence: letter.sequence,
            stage: letter.stage,
            class: letter.class,
            code: letter.code,
            message: letter.message,
            fingerprint: letter.fingerprint,
            stored_at: letter.stored_at,
        }
    }
}

impl Jobs {
    /// Oldest first, among those of the job's asset.
    pub(super) async fn dead_letters(
        &self,
        org: &Org,
        job: UploadId,
        asset: &AssetId,
    ) -> Result<Vec<DeadLetterNote>, BusError> {
        let address = Address::of(org, Some(&asset.hash()));
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = self.letters.page(&address, after, Depth::Headers).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.sequence;
            found.extend(page.into_iter().filter(|letter| letter.upload == Some(job)).map(DeadLetterNote::from));
        }
    }
}
