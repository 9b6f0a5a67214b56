//! `heimdex extract FILE`: what the extractor reads, in the same limited child process as in production.

use std::path::Path;

use heimdex_extractor::report::{Report, ReportFailure, extract_file};
use heimdex_extractor::{Pool, PoolConfig, Status};
use heimdex_provision::File;

use crate::cli::OneFile;
use crate::exit::{Failure, Outcome};
use crate::output::{self, provisioned};

pub async fn run(command: OneFile) -> Outcome {
    let report = report(&command.file).await?;
    match (command.json, &report.error) {
        (true, _) => output::json(&report)?,
        (false, None) => show(&report)?,
        (false, Some(_)) => {}
    }
    match report.error {
        None => Ok(()),
        Some(error) => {
            Err(Failure::input(anyhow::anyhow!("{}: {} ({})", command.file.display(), error.message, error.code)))
        }
    }
}

/// Extracts one file with one child.
pub async fn report(file: &Path) -> Result<Report, Failure> {
    let pdfium = provisioned(File::Pdfium).await?;
    let pool = Pool::start(PoolConfig { parallelism: 1, ..PoolConfig::from_env(pdfium)? }).await?;
    extract_file(&pool, file).await.map_err(|error| match error {
        ReportFailure::Read { .. } => Failure::input(error),
        ReportFailure::Pool(_) => error.into(),
    })
}

fn show(report: &Report) -> Outcome {
    for page in &report.pages {
        let mark = if page.needs_ocr { " (needs OCR)" } else { "" };
        output::text(format_args!("--- page {}{mark}\n{}", page.number, page.text))?;
    }
    let degraded = if report.status == Status::Degraded { ", degraded" } else { "" };
    let language = report.language.as_deref().unwrap_or("language unknown");
    eprintln!("{} pages, {language}, {} ms{degraded}", report.pages.len(), report.elapsed_ms);
    Ok(())
}
