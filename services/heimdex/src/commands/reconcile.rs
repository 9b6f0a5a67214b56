//! `heimdex reconcile MANIFEST`.

use std::time::Duration;

use anyhow::Context as _;
use heimdex_index::{Index, Options as IndexOptions};
use heimdex_keeper::KeeperError;
use heimdex_keeper::reconcile::{Action, Finding, Manifest, Reconciliation, Repair, Report};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::cli::Reconcile;
use crate::exit::{Failure, Outcome};
use crate::{connect, output};

/// Pause between two comparisons while a repair takes effect.
const AGAIN: Duration = Duration::from_millis(500);

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    report: Report,
    /// Of a repair: what was done about each difference that was found first.
    #[serde(skip_serializing_if = "Option::is_none")]
    repairs: Option<Vec<Repair>>,
}

pub async fn run(command: Reconcile) -> Outcome {
    let text = std::fs::read_to_string(&command.manifest);
    let text = text.with_context(|| format!("cannot read {}", command.manifest.display())).map_err(Failure::input)?;
    let manifest = Manifest::parse(&text).map_err(Failure::input)?;
    let index = Index::connect(&command.qdrant, IndexOptions::default()).map_err(Failure::input)?;
    index.ready().await.map_err(Failure::unreachable)?;
    let bus = connect::bus(&command.connection.nats).await?;
    let (org, model) = (command.connection.org.clone(), command.model.clone());
    let reconciliation = Reconciliation { bus, index, org, model };
    let answer = match command.repair {
        false => Answer { report: reconciliation.compare(&manifest).await.map_err(failure)?, repairs: None },
        true => repair(&reconciliation, &manifest, Duration::from_secs(command.timeout)).await?,
    };
    match command.json {
        true => output::json(&answer)?,
        false => show(&answer)?,
    }
    match answer.report.findings.len() {
        0 => Ok(()),
        n => Err(Failure::some_failed(format_args!("{n} assets differ"))),
    }
}

/// Repairs, and compares again until nothing differs or the patience is over. Differences that nothing was done about are
/// not waited for.
async fn repair(reconciliation: &Reconciliation, manifest: &Manifest, patience: Duration) -> Result<Answer, Failure> {
    let give_up = Instant::now() + patience;
    let (mut report, repairs) = reconciliation.repair(manifest).await.map_err(failure)?;
    let is_hopeless = |finding: &Finding| {
        let of_asset = repairs.iter().find(|repair| repair.finding.asset_id == finding.asset_id);
        of_asset.is_some_and(|repair| matches!(repair.action, Action::Nothing { .. }))
    };
    while Instant::now() < give_up && !report.findings.iter().all(is_hopeless) {
        sleep(AGAIN).await;
        report = reconciliation.compare(manifest).await.map_err(failure)?;
    }
    Ok(Answer { report, repairs: Some(repairs) })
}

fn failure(error: KeeperError) -> Failure {
    match error {
        KeeperError::Bus(_) | KeeperError::Index(_) | KeeperError::Ledger(_) | KeeperError::Blob(_) => {
            Failure::unreachable(error)
        }
        error => error.into(),
    }
}

fn show(answer: &Answer) -> Outcome {
    let width = answer.report.findings.iter().map(|finding| finding.asset_id.as_str().chars().count()).max();
    let width = width.unwrap_or(0).clamp(5, 48);
    for Repair { finding, action } in answer.repairs.iter().flatten() {
        output::text(format_args!(
            "{:13} {:width$} {}",
            finding.drift.as_str(),
            finding.asset_id.as_str(),
            done(action)
        ))?;
    }
    if answer.repairs.is_none() && !answer.report.findings.is_empty() {
        output::text(format_args!("{:13} {:width$} DETAIL", "DRIFT", "ASSET"))?;
    }
    if answer.repairs.as_ref().is_some_and(|repairs| !repairs.is_empty()) {
        output::text(format_args!("{} assets still differ", answer.report.findings.len()))?;
    }
    for finding in &answer.report.findings {
        let Finding { asset_id, drift, detail, .. } = finding;
        output::text(format_args!("{:13} {:width$} {detail}", drift.as_str(), asset_id.as_str()))?;
    }
    let Report { listed, indexed, unverified, drift, .. } = &answer.report;
    eprintln!(
        "{listed} assets listed, {indexed} indexed: {} missing, {} extra, {} of an older version, {} incomplete, \
         {unverified} of unknown version",
        drift.missing, drift.extra, drift.older_version, drift.incomplete
    );
    Ok(())
}

fn done(action: &Action) -> String {
    match action {
        Action::Deleted { job } => format!("deleted by job {job}"),
        Action::Redriven { job } => format!("job {job} is driven again"),
        Action::Nothing { reason } => format!("nothing done: {reason}"),
    }
}
