//! `heimdex reconcile`: what can be asked.

use std::path::PathBuf;

use clap::Args;
use heimdex_schemas::ModelName;

use super::Connection;

/// Compares an org's index with the list of its source. Exit code 3 when they differ (with --repair: still differ).
#[derive(Debug, Args)]
pub struct Reconcile {
    /// JSON Lines, or CSV with a header: asset_id, and where known sequence (or version) and sha256.
    pub manifest: PathBuf,
    /// Delete what the source does not list, and drive again what is missing and can be rebuilt.
    #[arg(long)]
    pub repair: bool,
    /// With --repair: how long to wait for the differences to go, in seconds; 0 does not wait.
    #[arg(long, default_value_t = 120)]
    pub timeout: u64,
    /// Only this model's index; every model's otherwise.
    #[arg(long)]
    pub model: Option<ModelName>,
    /// The Qdrant server (gRPC).
    #[arg(long, env = "QDRANT_URL", default_value = "http://127.0.0.1:6334")]
    pub qdrant: String,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}
