//! `heimdex dlq replay`.

use std::time::Duration;

use heimdex_redrive::replay::{Counts, LetterResult, RunState, Sent, Step};
use heimdex_redrive::{Destination, Replay, ReplayReport};
use indicatif::ProgressBar;

use super::{bar, failure, redrive};
use crate::cli::DlqReplay;
use crate::exit::{Failure, Outcome};
use crate::output;

pub async fn run(command: DlqReplay) -> Outcome {
    let redrive = redrive(&command.broker.nats, command.default_model.clone()).await?;
    let request = request(&command);
    if command.dry_run {
        return show_plan(&redrive.preview(&request).await.map_err(failure)?, command.broker.json);
    }
    let progress = bar(redrive.count(&request.filter).await.map_err(failure)?);
    let mut run = None;
    let observe = |step: Step<'_>| observe(&progress, &mut run, &step);
    let replayed = match &command.resume {
        Some(id) => redrive.resume(id, observe).await,
        None => redrive.replay(request, observe).await,
    };
    progress.finish_and_clear();
    let report = replayed.map_err(|error| interrupted(failure(error), run.as_deref()))?;
    if command.broker.json {
        output::json(&report)?;
    }
    verdict(&report)
}

fn request(command: &DlqReplay) -> Replay {
    let destination = match (&command.to, command.lane) {
        (Some(subject), _) => Destination::Subject(subject.clone()),
        (None, Some(lane)) => Destination::Lane(lane),
        (None, None) if command.from_start => Destination::Start,
        (None, None) => Destination::Origin,
    };
    Replay {
        filter: command.letters.filter(),
        destination,
        canary: command.canary,
        canary_patience: Duration::from_secs(command.canary_timeout),
        rate: command.rate,
        in_flight: command.in_flight,
        stop_after: command.stop_after,
        max_replays: command.max_replays,
        force: command.force,
        keep: command.keep,
        wait: Duration::from_secs(command.wait),
    }
}

fn observe(bar: &ProgressBar, run: &mut Option<String>, step: &Step<'_>) {
    match step {
        Step::Started { run: id, .. } => {
            *run = Some((*id).to_owned());
            bar.suspend(|| eprintln!("run {id}"));
        }
        Step::Letter(letter) => {
            bar.inc(1);
            if let Some(note) = note(letter) {
                bar.suspend(|| eprintln!("#{}: {note}", letter.sequence));
            }
        }
        Step::Canary { sent } => bar.suspend(|| eprintln!("{sent} sent first, waiting for what becomes of them")),
        Step::Waiting { left } => bar.set_message(format!("waiting for {left}")),
    }
}

/// What of one letter is worth a line.
fn note(letter: &LetterResult) -> Option<String> {
    match &letter.result {
        Sent::Planned | Sent::Sent { .. } => None,
        Sent::Skipped { reason } => Some(format!("left alone: {}", name(reason))),
        Sent::Failed { code, message } => Some(format!("cannot be sent: {message} ({code})")),
    }
}

/// As JSON calls it.
fn name(value: &impl serde::Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}

fn show_plan(report: &ReplayReport, as_json: bool) -> Outcome {
    if as_json {
        return output::json(report);
    }
    for letter in &report.letters {
        let asset = letter.asset.as_ref().map_or("–", |asset| asset.as_str());
        let what = match (&letter.subject, note(letter)) {
            (_, Some(note)) => note,
            (Some(subject), None) => format!("to {subject}, replay {}", letter.replay),
            (None, None) => String::new(),
        };
        output::text(format_args!("{:9}  {asset}  {what}", letter.sequence))?;
    }
    eprintln!("would send: {}", summary(&report.counts));
    Ok(())
}

fn summary(counts: &Counts) -> String {
    let mut parts = vec![format!("{} of {} letters", counts.sent, counts.selected)];
    parts.extend(counts.skipped.iter().map(|(reason, count)| format!("{count} left alone ({})", name(reason))));
    let more = [
        (counts.failed, "cannot be sent"),
        (counts.came_through, "seen to come through"),
        (counts.came_back, "came back dead of the same cause"),
        (counts.came_back_changed, "came back dead of another"),
    ];
    parts.extend(more.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    parts.join(", ")
}

fn verdict(report: &ReplayReport) -> Outcome {
    let counts = &report.counts;
    eprintln!("sent {}", summary(counts));
    let run = report.run.as_deref().unwrap_or_default();
    match &report.state {
        RunState::Stopped { reason } => Err(Failure::some_failed(format_args!(
            "stopped: {reason}. Look at `heimdex dlq ls`; when the cause is mended, `heimdex dlq replay --resume {run}`"
        ))),
        RunState::Finished | RunState::Running => match counts.failed + counts.came_back + counts.came_back_changed {
            0 => Ok(()),
            n => Err(Failure::some_failed(format_args!("{n} messages failed or came back"))),
        },
    }
}

fn interrupted(failure: Failure, run: Option<&str>) -> Failure {
    let Some(run) = run else { return failure };
    let error =
        failure.error.context(format!("run {run} was interrupted; `heimdex dlq replay --resume {run}` goes on"));
    Failure { error, ..failure }
}
