//! `heimdex jobs`: what became of uploads and deletions, or where they are.

mod board;
mod show;
mod watch;

use chrono::Utc;
use heimdex_bus::jobs::{CancelError, Cancelled, JobSummary, Selection};
use heimdex_schemas::{Org, UploadId};
use serde_json::json;

use crate::cli::{Connection, Jobs, JobsCancel, JobsLs, OneJob};
use crate::exit::{Failure, Outcome};
use crate::{connect, output, receipt};

pub async fn run(command: Jobs) -> Outcome {
    match command {
        Jobs::Ls(command) => list(command).await,
        Jobs::Show(command) => show_one(command).await,
        Jobs::Watch(command) => watch::run(command).await,
        Jobs::Cancel(command) => cancel(command).await,
    }
}

async fn jobs(connection: &Connection) -> Result<heimdex_bus::Jobs, Failure> {
    Ok(connect::bus(&connection.nats).await?.jobs())
}

/// A job that is not there, with what that may mean.
fn unknown(org: &Org, job: UploadId) -> Failure {
    Failure::input(anyhow::anyhow!(
        "org {org} has no job {job}: it is another org's (--org), it was never published, or its receipt has expired"
    ))
}

async fn list(command: JobsLs) -> Outcome {
    let selection = Selection {
        org: (!command.all_orgs).then(|| command.connection.org.clone()),
        state: command.state,
        limit: usize::from(command.limit),
    };
    let found = jobs(&command.connection).await?.list(&selection).await.map_err(Failure::unreachable)?;
    if command.json {
        return output::json(&found);
    }
    found.iter().try_for_each(|job| output::text(row(job, command.all_orgs)))?;
    eprintln!("{} jobs", found.len());
    Ok(())
}

fn row(job: &JobSummary, with_org: bool) -> String {
    let org = if with_org { format!("{} ", job.org) } else { String::new() };
    let asset = job.asset_id.as_ref().map_or("–", |asset| asset.as_str());
    let detail = match (&job.error, job.stage, job.chunks) {
        (Some(error), ..) => format!("{} ({})", error.message, error.code),
        (None, Some(stage), _) => format!("{stage} is done"),
        (None, None, Some(chunks)) => receipt::plural(chunks, "chunk"),
        (None, None, None) => String::new(),
    };
    let at = job.updated_at.format("%Y-%m-%d %H:%M:%S");
    format!("{at} {} {:10} {org}{asset}  {detail}", job.job_id, job.state.as_str())
}

async fn show_one(command: OneJob) -> Outcome {
    let org = &command.connection.org;
    let found = jobs(&command.connection).await?.get(org, command.job).await.map_err(Failure::unreachable)?;
    let job = found.ok_or_else(|| unknown(org, command.job))?;
    if command.json { output::json(&job) } else { output::text(show::describe(&job)) }
}

async fn cancel(command: JobsCancel) -> Outcome {
    let org = command.connection.org.clone();
    let wish =
        Cancelled { org: org.clone(), at: Utc::now(), by: "heimdex jobs cancel".to_owned(), reason: command.reason };
    let cancelled = jobs(&command.connection).await?.cancel(&org, command.job, &wish).await;
    cancelled.map_err(|error| match error {
        CancelError::Unknown { .. } => unknown(&org, command.job),
        error @ CancelError::Over { .. } => Failure::input(error),
        error @ CancelError::Bus(_) => Failure::unreachable(error),
    })?;
    if command.json {
        return output::json(&json!({"org": org, "job_id": command.job, "cancel_requested": true}));
    }
    eprintln!("the stages will drop job {}; `heimdex jobs watch` shows its end", command.job);
    Ok(())
}
