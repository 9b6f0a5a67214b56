//! `heimdex jobs watch`: a job, or all of an org, until the receipts are there.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use heimdex_bus::jobs::{JobSummary, Selection};
use heimdex_bus::{Job, JobState, JobUpdate, Jobs};
use heimdex_schemas::{Org, UploadId};

use super::board::Board;
use super::{jobs, row, show, unknown};
use crate::cli::JobsWatch;
use crate::exit::{Failure, Outcome};
use crate::output;

/// How often queues are looked at beside the reports that come by themselves.
const LOOK: Duration = Duration::from_secs(2);
/// Most unfinished jobs of an org that are waited for from the start; later ones join by their reports.
const JOBS: usize = 10_000;

pub async fn run(command: JobsWatch) -> Outcome {
    let jobs = jobs(&command.connection).await?;
    let org = &command.connection.org;
    match command.job {
        Some(job) => one(&jobs, org, job, command.json).await,
        None => all(&jobs, org, command.json).await,
    }
}

async fn one(jobs: &Jobs, org: &Org, job: UploadId, as_json: bool) -> Outcome {
    let board = Board::new();
    let ended = until_receipt(jobs, org, job, board).await?;
    if as_json {
        output::json(&ended)?
    } else {
        output::text(show::describe(&ended))?
    }
    match ended.state {
        JobState::Failed => Err(Failure::some_failed(format_args!("job {job} failed"))),
        _ => Ok(()),
    }
}

async fn until_receipt(jobs: &Jobs, org: &Org, job: UploadId, mut board: Board) -> Result<Job, Failure> {
    // First the stream, then the look: what happens between the two is in both.
    let mut updates = jobs.watch(org, Some(job)).await.map_err(Failure::unreachable)?;
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => {
                let found = look_up(jobs, org, job).await?;
                if found.state.is_over() {
                    board.clear();
                    return Ok(found);
                }
                board.note(format!("waits {}; time left: {}", show::waits(&found), show::left(&found)));
            }
            update = updates.next() => match update.context("the reports stopped")? {
                Ok(JobUpdate::Progress(report)) => board.add(&report),
                Ok(JobUpdate::Receipt(_)) => {
                    board.clear();
                    return look_up(jobs, org, job).await;
                }
                Err(error) => tracing::warn!(%error, "a report could not be read"),
            },
        }
    }
}

async fn look_up(jobs: &Jobs, org: &Org, job: UploadId) -> Result<Job, Failure> {
    jobs.get(org, job).await.map_err(Failure::unreachable)?.ok_or_else(|| unknown(org, job))
}

/// Jobs of an org that are under way, and how those that were ended.
struct Crowd {
    open: HashSet<UploadId>,
    ended: HashSet<UploadId>,
    failed: usize,
}

async fn all(jobs: &Jobs, org: &Org, as_json: bool) -> Outcome {
    let mut updates = jobs.watch(org, None).await.map_err(Failure::unreachable)?;
    let mut crowd = Crowd { open: under_way(jobs, org).await?, ended: HashSet::new(), failed: 0 };
    let mut board = Board::new();
    let mut look = tokio::time::interval(LOOK);
    look.tick().await;
    while !crowd.open.is_empty() {
        board.note(crowd.describe());
        tokio::select! {
            // A receipt from before the stream began is found here.
            _ = look.tick() => crowd.open = under_way(jobs, org).await?,
            update = updates.next() => match update.context("the reports stopped")? {
                Ok(JobUpdate::Progress(report)) => {
                    crowd.meet(report.upload);
                    board.add(&report);
                }
                Ok(JobUpdate::Receipt(update)) => crowd.end(&board, JobSummary::from(*update), as_json)?,
                Err(error) => tracing::warn!(%error, "a report could not be read"),
            },
        }
    }
    board.clear();
    match crowd.failed {
        0 => Ok(()),
        failed => Err(Failure::some_failed(format_args!("{failed} of {} jobs failed", crowd.ended.len()))),
    }
}

impl Crowd {
    /// A report may come after its job's receipt: the writer's last one does.
    fn meet(&mut self, job: UploadId) {
        if !self.ended.contains(&job) {
            self.open.insert(job);
        }
    }

    fn describe(&self) -> String {
        format!("{} under way, {} ended, {} of them failed", self.open.len(), self.ended.len(), self.failed)
    }

    fn end(&mut self, board: &Board, job: JobSummary, as_json: bool) -> Outcome {
        self.open.remove(&job.job_id);
        self.ended.insert(job.job_id);
        self.failed += usize::from(job.state == JobState::Failed);
        if as_json {
            return output::json(&job);
        }
        board.say(&row(&job, false));
        Ok(())
    }
}

async fn under_way(jobs: &Jobs, org: &Org) -> Result<HashSet<UploadId>, Failure> {
    let mut open = HashSet::new();
    for state in [JobState::Running, JobState::Queued] {
        let selection = Selection { org: Some(org.clone()), state: Some(state), limit: JOBS };
        let found = jobs.list(&selection).await.map_err(Failure::unreachable)?;
        open.extend(found.into_iter().map(|job| job.job_id));
    }
    Ok(open)
}
