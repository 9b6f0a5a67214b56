//! `heimdex dlq`: looking into dead letters, replaying and removing them. What it does is decided in `heimdex-redrive`.

mod expiring;
mod list;
mod purge;
mod replay;
mod show;
mod transfer;

use heimdex_redrive::{Redrive, RedriveError};
use heimdex_schemas::ModelName;
use heimdex_stage::{Class, Classify as _};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Dlq;
use crate::connect;
use crate::exit::{Failure, Outcome};

pub async fn run(command: Dlq) -> Outcome {
    match command {
        Dlq::Ls(command) => list::run(command).await,
        Dlq::Show(command) => show::run(command).await,
        Dlq::Replay(command) => replay::run(command).await,
        Dlq::Purge(command) => purge::run(command).await,
        Dlq::Export(command) => transfer::export(command).await,
        Dlq::Import(command) => transfer::import(command).await,
        Dlq::Expiring(command) => expiring::run(command).await,
    }
}

/// For commands that send nothing.
async fn reader(nats: &str) -> Result<Redrive, Failure> {
    let no_upload_is_sent: ModelName = "none".parse()?;
    redrive(nats, no_upload_is_sent).await
}

async fn redrive(nats: &str, default_model: ModelName) -> Result<Redrive, Failure> {
    Ok(Redrive::new(&connect::bus(nats).await?, who(), default_model))
}

/// Who stands in the audit, as far as the system says: `user@host`.
fn who() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let uid = || format!("uid{}", rustix::process::getuid().as_raw());
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(uid);
    let named = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let host = named.or_else(|| variable("HOSTNAME")).unwrap_or_else(|| "unknown".to_owned());
    format!("{user}@{host}")
}

/// Exit code 4 for what is away, 2 for what was asked wrongly.
fn failure(error: RedriveError) -> Failure {
    match error {
        error @ RedriveError::Record { .. } => error.into(),
        error if error.class() == Class::Unavailable => Failure::unreachable(error),
        error => Failure::input(error),
    }
}

fn bar(total: u64) -> ProgressBar {
    use std::io::IsTerminal as _;
    let is_terminal = std::io::stderr().is_terminal();
    let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} [{bar:40}] {per_sec}, {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar
}

/// `12 s`, `5 min`, `3 h`, `12 d`.
fn age(at: chrono::DateTime<chrono::Utc>) -> String {
    let seconds = chrono::Utc::now().signed_duration_since(at).num_seconds().unsigned_abs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
