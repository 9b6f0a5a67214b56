//! One job for people: a line a fact, in the order in which they matter.

use heimdex_bus::Job;
use heimdex_bus::jobs::StageStatus;

use crate::receipt;

/// Several lines, without the final newline.
pub fn describe(job: &Job) -> String {
    let mut lines = vec![
        fact("job", job.job_id),
        fact("asset", format_args!("{} of org {}", job.asset_id.as_ref().map_or("–", |asset| asset.as_str()), job.org)),
        fact("state", state(job)),
    ];
    lines.extend(job.accepted_at.map(|at| fact("accepted", at.format("%Y-%m-%d %H:%M:%S%.3f UTC"))));
    lines.extend(job.receipt.as_ref().map(|found| fact("document", receipt::counts(found))));
    lines.extend(job.parts.map(|parts| fact("parts", format_args!("{} of {} accounted for", parts.done, parts.total))));
    lines.extend(job.stages.iter().map(|status| fact("stage", stage(status))));
    lines.extend(queue(job));
    lines.extend(job.failures.iter().map(|advice| fact("trouble", receipt::trouble(advice))));
    lines.extend(job.dead_letters.iter().map(|letter| {
        fact(
            "dead",
            format_args!("letter {} ({}), `heimdex dlq show {}`", letter.sequence, letter.code, letter.sequence),
        )
    }));
    let superseded = job.receipt.as_ref().and_then(|found| found.superseded_by);
    lines.extend(superseded.map(|by| fact("because", format_args!("of job {by}"))));
    lines.extend(job.sequence.map(|sequence| fact("receipt", format_args!("{sequence}, for `search --min-seq`"))));
    lines.join("\n")
}

fn fact(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name:9} {value}")
}

fn state(job: &Job) -> String {
    let cancelled = if job.cancel_requested { ", cancel requested" } else { "" };
    format!("{}{cancelled}", job.state.as_str())
}

/// `embedder   3 of 8, 0.81 s after 0.02 s in the queue`.
fn stage(status: &StageStatus) -> String {
    let total = status.total.map_or_else(|| "?".to_owned(), |total| total.to_string());
    let times = status.queued_at.zip(status.started_at).zip(status.finished_at).map(|((queued, started), finished)| {
        let (waited, worked) = (receipt::seconds(queued, started), receipt::seconds(started, finished));
        format!(", {worked:.2} s after {waited:.2} s in the queue")
    });
    format!("{:9} {} of {total}{}", status.stage, status.done, times.unwrap_or_default())
}

fn queue(job: &Job) -> Vec<String> {
    if job.state.is_over() {
        return Vec::new();
    }
    vec![fact("waits", waits(job)), fact("left", left(job))]
}

/// Where an unfinished job waits.
pub fn waits(job: &Job) -> String {
    match &job.queue {
        Some(queue) => format!("for the {} ({} lane), about {} before it", queue.stage, queue.lane, queue.ahead),
        None => "for nobody: it is in hand, or between two tries".to_owned(),
    }
}

/// How long that may take.
pub fn left(job: &Job) -> String {
    job.estimate_seconds.map_or_else(|| "unknown".to_owned(), |left| format!("about {left:.0} s"))
}
