//! What a run has done, in the ledger: `redrive.<run>.run`, and its letters in pages, `redrive.<run>.letters.<n>`. An
//! audit, and the place to go on from.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use heimdex_stage::Ledger as _;
use serde::{Deserialize, Serialize};

use super::{LetterResult, Replay, Sent, Skipped, new_run_id};
use crate::{Redrive, RedriveError, record};

/// Letters of one page.
const PAGE: usize = 200;
/// A page is written at least so often.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RunState {
    /// Under way, or its process died.
    Running,
    /// Every letter that was there at its start was looked at.
    Finished,
    /// It stopped by itself, and why; it can be resumed.
    Stopped { reason: String },
}

/// Letters of a run by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// That the filter let through.
    pub selected: u64,
    /// Sent, or would be in a dry run.
    pub sent: u64,
    /// Of those, already stored by an earlier run.
    pub duplicates: u64,
    pub skipped: BTreeMap<Skipped, u64>,
    /// That cannot be sent.
    pub failed: u64,
    /// That came back dead with the fingerprint they had.
    pub came_back: u64,
    /// That came back dead of something else.
    pub came_back_changed: u64,
    /// That were seen to come through.
    pub came_through: u64,
}

impl Counts {
    pub(super) fn add(&mut self, result: &Sent) {
        self.selected += 1;
        match result {
            Sent::Planned => self.sent += 1,
            Sent::Sent { duplicate, .. } => {
                self.sent += 1;
                self.duplicates += u64::from(*duplicate);
            }
            Sent::Skipped { reason } => *self.skipped.entry(*reason).or_default() += 1,
            Sent::Failed { .. } => self.failed += 1,
        }
    }
}

/// One run in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub run: String,
    /// `user@host`.
    pub by: String,
    pub started_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub request: Replay,
    /// Letters up to this sequence were there at the start.
    pub upto: u64,
    /// Letters up to this sequence were looked at.
    pub after: u64,
    #[serde(flatten)]
    pub state: RunState,
    pub counts: Counts,
}

/// The record of a run under way.
pub(super) struct Journal {
    pub record: RunRecord,
    page: Vec<LetterResult>,
    pages: u64,
    written: Instant,
}

fn run_key(run: &str) -> String {
    format!("redrive.{run}.run")
}

impl Journal {
    /// Begins a run over the letters up to `upto`.
    pub async fn begin(redrive: &Redrive, request: Replay, upto: u64) -> Result<Self, RedriveError> {
        let now = Utc::now();
        let record = RunRecord {
            run: new_run_id(now),
            by: redrive.by.clone(),
            started_at: now,
            updated_at: now,
            request,
            upto,
            after: 0,
            state: RunState::Running,
            counts: Counts::default(),
        };
        record::put(redrive.ledger.as_ref(), &run_key(&record.run), &record).await?;
        Ok(Self { record, page: Vec::new(), pages: 0, written: Instant::now() })
    }

    /// Goes on where a run was, with the letters it has been through.
    pub async fn open(redrive: &Redrive, run: &str) -> Result<(Self, Vec<LetterResult>), RedriveError> {
        let found = redrive.run(run).await?;
        let mut record = found.ok_or_else(|| RedriveError::NoRun(run.to_owned()))?;
        if record.state == RunState::Finished {
            return Err(RedriveError::Ended(run.to_owned()));
        }
        let pages = redrive.ledger.list(&format!("redrive.{run}.letters")).await?;
        let mut letters: Vec<LetterResult> = Vec::new();
        for (key, value) in &pages {
            let page: Vec<LetterResult> = serde_json::from_slice(value)
                .map_err(|e| RedriveError::Record { key: key.clone(), reason: e.to_string() })?;
            letters.extend(page);
        }
        // A page may have been written after the record was written last.
        let mut counts = Counts::default();
        letters.iter().for_each(|letter| counts.add(&letter.result));
        let Counts { came_back, came_back_changed, came_through, .. } = record.counts;
        record.counts = Counts { came_back, came_back_changed, came_through, ..counts };
        record.after = letters.iter().map(|letter| letter.sequence).max().unwrap_or(0).max(record.after);
        record.state = RunState::Running;
        let pages = pages.len() as u64;
        Ok((Self { record, page: Vec::new(), pages, written: Instant::now() }, letters))
    }

    /// Adds a letter; writes when it is time to.
    pub async fn note(&mut self, redrive: &Redrive, letter: LetterResult) -> Result<(), RedriveError> {
        self.record.after = letter.sequence;
        self.record.counts.add(&letter.result);
        self.page.push(letter);
        if self.page.len() >= PAGE || self.written.elapsed() >= WRITE_EVERY {
            self.write(redrive).await?;
        }
        Ok(())
    }

    pub async fn end(&mut self, redrive: &Redrive, state: RunState) -> Result<(), RedriveError> {
        self.record.state = state;
        self.write(redrive).await
    }

    async fn write(&mut self, redrive: &Redrive) -> Result<(), RedriveError> {
        let ledger = redrive.ledger.as_ref();
        let run = &self.record.run;
        while !self.page.is_empty() {
            self.pages += 1;
            let key = format!("redrive.{run}.letters.{:06}", self.pages);
            if record::create(ledger, &key, &self.page).await?.is_some() {
                self.page.clear();
            }
        }
        self.record.updated_at = Utc::now();
        self.written = Instant::now();
        record::put(ledger, &run_key(run), &self.record).await
    }
}

impl Redrive {
    /// The record of a run.
    ///
    /// # Errors
    /// [`RedriveError::Ledger`], [`RedriveError::Record`].
    pub async fn run(&self, run: &str) -> Result<Option<RunRecord>, RedriveError> {
        let key = run_key(run);
        if heimdex_stage::ledger::check_key(&key).is_err() {
            return Ok(None);
        }
        Ok(record::read(self.ledger.as_ref(), &key).await?.map(|(_, record)| record))
    }
}
