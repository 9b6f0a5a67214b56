//! `heimdex dlq`: what can be asked.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use heimdex_redrive::{Filter, GroupBy};
use heimdex_schemas::{AssetId, DEFAULT_MODEL, FailureClass, Lane, ModelName, Org, StageName};

#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// The dead letters, or groups of them.
    Ls(DlqLs),
    /// One dead letter in full: its message, its error, and what happened to it.
    Show(DlqShow),
    /// Send dead messages again, unchanged: a few first, the rest when they came through. Exit code 3 when it stopped,
    /// or when messages failed or came back.
    Replay(DlqReplay),
    /// Remove dead letters for good.
    Purge(DlqPurge),
    /// Write dead letters as lines of JSON.
    Export(DlqExport),
    /// Put exported dead letters back; those that are there are left alone.
    Import(DlqImport),
    /// What expires within the next days.
    Expiring(DlqExpiring),
}

/// Where the broker is.
#[derive(Debug, Clone, Args)]
pub struct Broker {
    /// The NATS server.
    #[arg(long, env = "HEIMDEX_NATS_URL", default_value = "nats://127.0.0.1:4222")]
    pub nats: String,
    /// One JSON value on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Which dead letters: those that fit every option that is given.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which dead letters (those that fit all that is given)")]
pub struct Letters {
    /// Sequence in the dead-letter stream, as `ls` shows it.
    #[arg(long = "id", value_delimiter = ',')]
    pub ids: Vec<u64>,
    /// rejected, exhausted, poison, cancelled.
    #[arg(long = "class", value_delimiter = ',', value_parser = class)]
    pub classes: Vec<FailureClass>,
    /// The stage that gave them up.
    #[arg(long = "stage", value_delimiter = ',')]
    pub stages: Vec<StageName>,
    /// Fingerprint of the cause, or its beginning.
    #[arg(long = "fingerprint", value_delimiter = ',')]
    pub fingerprints: Vec<String>,
    /// Error code: `corrupt`, `encrypted`, …
    #[arg(long = "code", value_delimiter = ',')]
    pub codes: Vec<String>,
    /// The tenant; all when absent.
    #[arg(long)]
    pub org: Option<Org>,
    #[arg(long)]
    pub asset_id: Option<AssetId>,
    /// Dead since then: a time (RFC 3339), or how long ago (`30m`, `6h`, `2d`).
    #[arg(long, value_parser = instant)]
    pub since: Option<DateTime<Utc>>,
    /// Dead before then.
    #[arg(long, value_parser = instant)]
    pub until: Option<DateTime<Utc>>,
    /// The embedding model they were for.
    #[arg(long)]
    pub model: Option<String>,
    /// The version of Heimdex that gave them up.
    #[arg(long)]
    pub build: Option<String>,
}

impl Letters {
    pub fn filter(&self) -> Filter {
        let Self { ids, classes, stages, fingerprints, codes, org, asset_id, since, until, model, build } =
            self.clone();
        Filter { ids, classes, stages, fingerprints, codes, org, asset: asset_id, since, until, model, build }
    }
}

#[derive(Debug, Args)]
pub struct DlqLs {
    /// fingerprint (one cause), stage, org, class, age.
    #[arg(long)]
    pub group_by: Option<GroupBy>,
    /// Only the newest so many; 50 for people, all as JSON when absent.
    #[arg(long)]
    pub limit: Option<usize>,
    #[command(flatten)]
    pub letters: Letters,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Debug, Args)]
pub struct DlqShow {
    /// Sequence in the dead-letter stream, as `ls` shows it.
    pub sequence: u64,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Debug, Args)]
pub struct DlqReplay {
    /// Say which messages would be sent where, and send none.
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with a run that stopped, from where it was, as it was asked for.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["dry_run", "ids", "classes", "stages", "fingerprints", "codes", "org"])]
    pub resume: Option<String>,
    /// Send so many first, and the rest only when they came through; 0 for none.
    #[arg(long, default_value_t = 1)]
    pub canary: u32,
    /// How long those may take, in seconds.
    #[arg(long, default_value_t = 60)]
    pub canary_timeout: u64,
    /// Messages per second; 0 for no limit.
    #[arg(long, default_value_t = 50.0)]
    pub rate: f64,
    /// Messages being sent at the same time.
    #[arg(long, default_value_t = 8)]
    pub in_flight: usize,
    /// Stop when so many have come back dead of the same cause.
    #[arg(long, default_value_t = 3)]
    pub stop_after: u64,
    /// Leave alone what was replayed so often.
    #[arg(long, default_value_t = 3)]
    pub max_replays: u32,
    /// Send also what was replayed before or too often.
    #[arg(long)]
    pub force: bool,
    /// Keep the dead letters in the stream.
    #[arg(long)]
    pub keep: bool,
    /// Send to this lane instead of the one they came from.
    #[arg(long, conflicts_with = "to")]
    pub lane: Option<Lane>,
    /// Send to this subject of the same org instead.
    #[arg(long, value_name = "SUBJECT")]
    pub to: Option<String>,
    /// Begin the uploads anew at the first stage, from their uploaders' events.
    #[arg(long, conflicts_with_all = ["lane", "to"])]
    pub from_start: bool,
    /// Wait so many seconds at the end for what becomes of the messages.
    #[arg(long, default_value_t = 0)]
    pub wait: u64,
    /// The embedding model of uploads that name none, as the stages are run with.
    #[arg(long, env = "HEIMDEX_MODEL", default_value = DEFAULT_MODEL)]
    pub default_model: ModelName,
    #[command(flatten)]
    pub letters: Letters,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Debug, Args)]
pub struct DlqPurge {
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Everything, where no other option says which.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub letters: Letters,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Debug, Args)]
pub struct DlqExport {
    /// The file to write; standard output when absent.
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub letters: Letters,
    /// The NATS server.
    #[arg(long, env = "HEIMDEX_NATS_URL", default_value = "nats://127.0.0.1:4222")]
    pub nats: String,
}

#[derive(Debug, Args)]
pub struct DlqImport {
    /// A file that `export` wrote; `-` for standard input.
    pub file: PathBuf,
    #[command(flatten)]
    pub broker: Broker,
}

#[derive(Debug, Args)]
pub struct DlqExpiring {
    /// Days to look ahead.
    #[arg(long, default_value_t = 5)]
    pub days: u32,
    #[command(flatten)]
    pub broker: Broker,
}

fn class(text: &str) -> Result<FailureClass, String> {
    let all = [FailureClass::Rejected, FailureClass::Exhausted, FailureClass::Poison, FailureClass::Cancelled];
    let named = |class: &FailureClass| heimdex_redrive::group::class_name(*class) == text;
    all.into_iter().find(named).ok_or_else(|| "there are: rejected, exhausted, poison, cancelled".to_owned())
}

/// A time, or how long ago.
fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    let bad = || format!("{text:?} is neither a time like 2026-11-22T10:00:00Z nor an age like 30m, 6h or 2d");
    let split = text.len().checked_sub(1).and_then(|end| text.split_at_checked(end));
    let (number, unit) = split.ok_or_else(bad)?;
    let number: u32 = number.parse().map_err(|_| bad())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(bad()),
    };
    let age = TimeDelta::from_std(Duration::from_secs(u64::from(number) * seconds)).map_err(|_| bad())?;
    Utc::now().checked_sub_signed(age).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn times_are_given_as_times_or_ages() {
        let hours = Utc::now().signed_duration_since(instant("6h").unwrap()).num_minutes();
        assert!((359..=361).contains(&hours), "{hours}");
        assert_eq!(instant("2026-11-22T10:00:00Z").unwrap().timestamp(), 1_795_341_600);
        for bad in ["", "6", "h", "6w", "-1d", "ä"] {
            assert!(instant(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn classes_have_names() {
        assert_eq!(class("poison").unwrap(), FailureClass::Poison);
        assert!(class("Poison").is_err());
    }
}
