//! Replaying: dead messages are published again, unchanged, at a pace; first a few, to see what becomes of them.
//!
//! One letter is replayed in steps that may be interrupted anywhere and done again: a mark in the ledger
//! (`redriven.<letter>`), the publish under a Msg-Id that belongs to this letter and this replay, the mark completed,
//! the letter removed. Who finds a mark sends under the same Msg-Id or not at all.

mod journal;
mod pace;
mod pin;
mod plan;
mod run;
mod steps;
mod watch;

use std::time::Duration;

use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, Lane, Org, UploadId};
use serde::{Deserialize, Serialize};

use crate::{Filter, RedriveError};

pub use journal::{Counts, RunRecord, RunState};
pub use pace::Pace;
pub use plan::{Plan, Planned, Skipped};
pub use steps::{Intent, Mark};

/// Where replayed messages go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// Where they came from.
    #[default]
    Origin,
    /// There, but in this lane.
    Lane(Lane),
    /// This subject of the flow, in the same org.
    Subject(String),
    /// The first stage: the upload as a whole is begun anew from its uploader's event, which the ledger keeps.
    Start,
}

/// What to replay, and how carefully.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    pub filter: Filter,
    #[serde(default)]
    pub destination: Destination,
    /// So many are sent first, and the rest only when they have come through.
    pub canary: u32,
    /// How long they may take.
    pub canary_patience: Duration,
    /// Messages per second; 0 for no limit.
    pub rate: f64,
    /// Messages being sent at the same time.
    pub in_flight: usize,
    /// Stop when so many of the messages have come back dead with the fingerprint they had.
    pub stop_after: u64,
    /// A message that was replayed so often is left where it is, unless `force`.
    pub max_replays: u32,
    /// Replay also what was replayed before, and what was replayed too often.
    pub force: bool,
    /// Leave the letters in the stream.
    pub keep: bool,
    /// How long to wait at the end for what becomes of the messages; zero not to.
    pub wait: Duration,
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            destination: Destination::Origin,
            canary: 1,
            canary_patience: Duration::from_secs(60),
            rate: 50.0,
            in_flight: 8,
            stop_after: 3,
            max_replays: 3,
            force: false,
            keep: false,
            wait: Duration::ZERO,
        }
    }
}

impl Replay {
    /// # Errors
    /// [`RedriveError::Request`] names the setting that makes no sense.
    pub fn check(&self) -> Result<(), RedriveError> {
        let bad = |what: &str| Err(RedriveError::Request(what.to_owned()));
        if !self.rate.is_finite() || self.rate < 0.0 {
            return bad("the rate is a number of messages per second, 0 for no limit");
        }
        if self.in_flight == 0 {
            return bad("at least one message must be in flight");
        }
        if self.stop_after == 0 {
            return bad("stopping after 0 messages would never begin");
        }
        Ok(())
    }
}

/// What became of one letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterResult {
    pub sequence: u64,
    /// Names the letter also when the stream is made anew.
    pub letter: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Org>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    pub fingerprint: String,
    /// Where it was, or would be, sent to, and under which Msg-Id; absent for what is left where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg_id: Option<String>,
    /// How often it has been replayed then.
    pub replay: u32,
    /// Version of the job's receipt before it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<u32>,
    pub result: Sent,
}

/// How far a letter got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Sent {
    /// A dry run: it would be sent.
    Planned,
    /// Stored at this sequence of the stream of its subject.
    Sent {
        sequence: u64,
        /// The broker had it already: an earlier run got so far and no further.
        duplicate: bool,
    },
    Skipped {
        reason: Skipped,
    },
    /// It cannot be sent, and why.
    Failed {
        code: String,
        message: String,
    },
}

/// How a run went, or would go.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayReport {
    /// Absent for a dry run.
    pub run: Option<String>,
    pub state: RunState,
    pub counts: Counts,
    pub letters: Vec<LetterResult>,
}

/// What happens while a run goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<'a> {
    /// The run has this id, and at most so many letters before it.
    Started {
        run: &'a str,
        letters: u64,
    },
    Letter(&'a LetterResult),
    /// So many were sent, and are waited for.
    Canary {
        sent: u64,
    },
    /// At the end: so many have not settled yet.
    Waiting {
        left: u64,
    },
}

/// When a run was made, for people: the time is in its id.
pub(crate) fn new_run_id(now: DateTime<Utc>) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{}-{}", now.format("%Y%m%dT%H%M%SZ"), random.get(..6).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        Replay::default().check().unwrap();
        let refused = [
            Replay { rate: -1.0, ..Replay::default() },
            Replay { rate: f64::NAN, ..Replay::default() },
            Replay { in_flight: 0, ..Replay::default() },
            Replay { stop_after: 0, ..Replay::default() },
        ];
        assert!(refused.iter().all(|replay| matches!(replay.check(), Err(RedriveError::Request(_)))));
    }

    #[test]
    fn run_ids_are_ledger_tokens_in_order_of_time() {
        let at = |seconds| new_run_id(DateTime::from_timestamp(seconds, 0).unwrap());
        assert!(at(1_790_000_000) < at(1_790_000_001));
        heimdex_stage::ledger::check_key(&at(1_790_000_000)).unwrap();
        assert_ne!(at(5), at(5));
    }
}
