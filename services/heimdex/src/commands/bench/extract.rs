//! `heimdex bench extract`: files and pages a second by format, in a child and without one.

use std::path::PathBuf;

use heimdex_extractor::PoolConfig;
use heimdex_extractor::bench::{BenchError, run as measure};
use heimdex_provision::File;

use crate::exit::{Failure, Outcome};
use crate::output::{self, provisioned};

pub async fn run(paths: Vec<PathBuf>, rounds: u32, json: bool) -> Outcome {
    let config = PoolConfig::from_env(provisioned(File::Pdfium).await?)?;
    let figures = measure(config, &paths, rounds).await.map_err(|error| match error {
        BenchError::Read { .. } | BenchError::NoDocuments(_) => Failure::input(error),
        other => other.into(),
    })?;
    if json { output::json(&figures) } else { output::text(figures.table().trim_end()) }
}
