//! Where a job is, for whoever watches. Best effort: nothing waits for it, and a lost report costs a step of a progress bar.

use chrono::Utc;
use heimdex_schemas::{Org, Progress, UploadId};
use heimdex_stage::{Event, Stage};

use super::Worker;

/// Which of a job's messages is in hand.
#[derive(Debug, Clone)]
pub(super) struct Step {
    org: Org,
    upload: UploadId,
    part: u32,
    parts: u32,
}

impl Step {
    /// `None` for an event of an uploader, whose job is known when it has been accepted.
    pub(super) fn of(input: &impl Event) -> Option<Self> {
        let lineage = input.lineage()?;
        let (org, upload) = (lineage.org.clone(), lineage.upload);
        Some(Self { org, upload, part: input.ordinal(), parts: input.parts() })
    }

    /// The first step of a job, as what it made says.
    fn first(output: &impl Event) -> Option<Self> {
        let lineage = output.lineage()?;
        Some(Self { org: lineage.org.clone(), upload: lineage.upload, part: 0, parts: 1 })
    }
}

impl<S: Stage> Worker<S> {
    /// Says that a message was handled and what it became; `sequence` is the highest of the outputs'.
    pub(super) async fn report_progress(&self, step: Option<Step>, outputs: &[S::Out], sequence: Option<u64>) {
        let Some(step) = step.or_else(|| Step::first(outputs.first()?)) else { return };
        let progress = Progress {
            org: step.org,
            upload: step.upload,
            stage: S::NAME,
            part: step.part,
            parts: step.parts,
            outputs: u32::try_from(outputs.len()).unwrap_or(u32::MAX),
            sequence,
            at: Utc::now(),
        };
        self.bus.progress(&progress).await;
    }
}
