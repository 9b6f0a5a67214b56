//! `heimdex ingest PATH…`: files in, receipts out.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use heimdex_bus::jobs::{Advice, advice, hint};
use heimdex_bus::{Bus, JobState, ReceiptUpdate};
use heimdex_schemas::{AssetId, StageTime};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::Ingest;
use crate::exit::{Failure, Outcome};
use crate::upload::{Body, Ended, Plan, Upload, upload_all};
use crate::{connect, output, receipt};

/// One line of `--json`.
#[derive(Debug, Serialize)]
pub struct Line {
    pub path: Option<String>,
    pub asset_id: AssetId,
    pub job_id: String,
    pub state: &'static str,
    pub chunks: u32,
    pub pages: u32,
    /// Chunks whose vector was kept from the version before.
    pub reused: u32,
    /// The receipt's sequence, for `min_seq` of a search.
    pub sequence: Option<u64>,
    /// The first thing that went wrong or is missing, and what to do about it.
    pub error: Option<Advice>,
    pub stages: Vec<StageTime>,
    /// For people: counts and time.
    #[serde(skip)]
    pub told: String,
}

pub async fn run(command: Ingest) -> Outcome {
    let uploads = uploads(&command.paths, command.asset_id.as_ref()).map_err(Failure::input)?;
    let bus = connect::bus(&command.connection.nats).await?;
    let plan = Plan {
        org: command.connection.org.clone(),
        lane: command.lane,
        in_flight: usize::from(command.in_flight),
        patience: Duration::from_secs(command.timeout),
    };
    let failed = ingest(&bus, &plan, uploads, |line, bar| report(line, bar, &command)).await?;
    match failed {
        0 => Ok(()),
        n => Err(Failure::some_failed(format_args!("{n} assets failed"))),
    }
}

/// Uploads with a progress bar; returns how many failed.
pub async fn ingest(
    bus: &Bus,
    plan: &Plan,
    uploads: Vec<Upload>,
    mut on_line: impl FnMut(&Line, &ProgressBar),
) -> anyhow::Result<usize> {
    let names: Vec<_> = uploads.iter().map(|upload| (upload.asset_id.clone(), upload.source.clone())).collect();
    let bar = bar(uploads.len());
    let mut failed = 0;
    let uploaded = upload_all(bus, plan, uploads, |ended| {
        let Some((asset_id, path)) = names.get(ended.index).cloned() else { return };
        let line = line(asset_id, path, ended);
        failed += usize::from(line.state == "failed");
        on_line(&line, &bar);
        bar.inc(1);
    });
    uploaded.await?;
    bar.finish_and_clear();
    Ok(failed)
}

fn bar(total: usize) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} [{bar:40}] {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn line(asset_id: AssetId, path: Option<String>, ended: Ended) -> Line {
    let job_id = ended.job.to_string();
    match ended.receipt {
        Ok(update) => of_receipt(asset_id, path, job_id, update),
        Err(error) => {
            let (code, message) = ("not_published".to_owned(), format!("{error:#}"));
            let error = Advice { hint: hint(&code, None).to_owned(), code, message };
            Line {
                path,
                asset_id,
                job_id,
                state: "failed",
                chunks: 0,
                pages: 0,
                reused: 0,
                sequence: None,
                error: Some(error),
                stages: Vec::new(),
                told: "not published".to_owned(),
            }
        }
    }
}

fn of_receipt(asset_id: AssetId, path: Option<String>, job_id: String, update: ReceiptUpdate) -> Line {
    let ReceiptUpdate { sequence, receipt } = update;
    Line {
        path,
        asset_id,
        job_id,
        state: JobState::from(receipt.state).as_str(),
        chunks: receipt.chunks,
        pages: receipt.pages,
        reused: receipt.reused,
        sequence: Some(sequence),
        error: advice(&receipt).into_iter().next(),
        told: receipt::counts(&receipt),
        stages: receipt.stages,
    }
}

fn report(line: &Line, bar: &ProgressBar, command: &Ingest) {
    if command.json {
        let _ = output::json(line);
        return;
    }
    bar.suspend(|| {
        eprintln!("{:9} {}: {}", line.state, line.asset_id, line.told);
        if let Some(error) = &line.error {
            eprintln!("          {}", receipt::trouble(error));
        }
        if command.verbose {
            line.stages.iter().for_each(|time| eprintln!("          {}", receipt::stage(time)));
        }
    });
}

fn uploads(paths: &[PathBuf], asset_id: Option<&AssetId>) -> anyhow::Result<Vec<Upload>> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    anyhow::ensure!(!files.is_empty(), "there is no file in {paths:?}");
    anyhow::ensure!(
        asset_id.is_none() || files.len() == 1,
        "--asset-id names one file, but {} were given",
        files.len()
    );
    files.into_iter().map(|file| upload(file, asset_id)).collect()
}

fn upload(file: PathBuf, asset_id: Option<&AssetId>) -> anyhow::Result<Upload> {
    let source = file.display().to_string();
    let asset_id = match asset_id {
        Some(asset_id) => asset_id.clone(),
        None => source
            .trim_start_matches("./")
            .parse()
            .with_context(|| format!("{source:?} cannot be an asset id; give one with --asset-id"))?,
    };
    Ok(Upload { asset_id, title: None, source: Some(source), body: Body::File(file) })
}

/// A file, or every file below a folder in name order. Hidden entries of folders are left out.
fn collect(path: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let kind = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !kind.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let visible = entries.iter().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    visible.map(std::fs::DirEntry::path).try_for_each(|entry| collect(&entry, into))
}
