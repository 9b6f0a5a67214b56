//! `heimdex dlq purge`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use heimdex_redrive::{PurgeReport, Redrive};

use super::{bar, failure, reader};
use crate::cli::DlqPurge;
use crate::exit::{Failure, Outcome};
use crate::output;

pub async fn run(command: DlqPurge) -> Outcome {
    let filter = command.letters.filter();
    if filter.is_empty() && !command.all {
        return Err(Failure::input(anyhow::anyhow!("say which dead letters, or --all")));
    }
    let redrive = reader(&command.broker.nats).await?;
    let plan = redrive.preview_purge(&filter).await.map_err(failure)?;
    if command.dry_run {
        return show(&plan, command.broker.json, "would remove");
    }
    if !command.yes {
        confirm(&plan).await?;
    }
    show(&purge(&redrive, &plan).await?, command.broker.json, "removed")
}

async fn purge(redrive: &Redrive, plan: &PurgeReport) -> Result<PurgeReport, Failure> {
    let progress = bar(plan.removed);
    let purged = redrive.purge(&plan.filter, |_| progress.inc(1)).await;
    progress.finish_and_clear();
    purged.map_err(failure)
}

/// Asks on a terminal; elsewhere nobody is there to answer.
async fn confirm(plan: &PurgeReport) -> Outcome {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::input(anyhow::anyhow!(
            "{} dead letters would be removed for good; --yes does",
            plan.removed
        )));
    }
    let question =
        format!("Remove {} dead letters of {} causes for good? [y/N] ", plan.removed, plan.fingerprints.len());
    let answer = tokio::task::spawn_blocking(move || ask(&question)).await??;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::input(anyhow::anyhow!("nothing was removed"))),
    }
}

fn ask(question: &str) -> std::io::Result<String> {
    eprint!("{question}");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer)
}

fn show(report: &PurgeReport, as_json: bool, verb: &str) -> Outcome {
    if as_json {
        return output::json(report);
    }
    for (fingerprint, count) in &report.fingerprints {
        output::text(format_args!("{count:7}  {fingerprint}"))?;
    }
    let run = report.run.as_ref().map(|run| format!(" (run {run})")).unwrap_or_default();
    eprintln!("{verb} {} dead letters{run}", report.removed);
    Ok(())
}
