//! `heimdex jobs`: what can be asked.

use clap::{Args, Subcommand};
use heimdex_bus::JobState;
use heimdex_schemas::UploadId;

use super::Connection;

#[derive(Debug, Subcommand)]
pub enum Jobs {
    /// The newest jobs: uploads and deletions, finished or not.
    Ls(JobsLs),
    /// One job: where it is, how it ended, what to do about what went wrong.
    Show(OneJob),
    /// Follow a job until its receipt, or all jobs of the org until none is under way. Exit code 3 when one failed.
    Watch(JobsWatch),
    /// Ask the stages to drop a job that is not over.
    Cancel(JobsCancel),
}

#[derive(Debug, Args)]
pub struct JobsLs {
    /// Only jobs in this state: queued, running, indexed, degraded, failed, superseded, deleted.
    #[arg(long, value_parser = state)]
    pub state: Option<JobState>,
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub limit: u16,
    /// The jobs of every org, whatever --org says.
    #[arg(long)]
    pub all_orgs: bool,
    /// One JSON array on standard output.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct OneJob {
    /// The job's id, as `ingest` and receipts say it.
    pub job: UploadId,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct JobsWatch {
    /// The job; all of the org when absent.
    pub job: Option<UploadId>,
    /// The job as JSON at the end; without a job, one JSON line for each that ends.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct JobsCancel {
    pub job: UploadId,
    /// Kept beside the wish.
    #[arg(long)]
    pub reason: Option<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

fn state(text: &str) -> Result<JobState, String> {
    let known = JobState::ALL.map(JobState::as_str).join(", ");
    JobState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| format!("there are: {known}"))
}
