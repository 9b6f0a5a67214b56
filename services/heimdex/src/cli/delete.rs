//! What the commands that delete can be asked.

use clap::Args;
use heimdex_schemas::AssetId;

use super::Connection;

#[derive(Debug, Args)]
pub struct Delete {
    /// The assets, as they were called when they were uploaded. One that does not exist is fine.
    #[arg(required = true)]
    pub assets: Vec<AssetId>,
    /// Kept with the deletion.
    #[arg(long)]
    pub reason: Option<String>,
    /// How long to wait for a receipt, in seconds since the last one.
    #[arg(long, default_value_t = 300)]
    pub timeout: u64,
    /// One JSON line per asset on standard output.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub struct Purge {
    /// Yes, delete everything that the org has.
    #[arg(long)]
    pub yes: bool,
    /// Kept with the deletion.
    #[arg(long)]
    pub reason: Option<String>,
    /// How long to wait for the receipt, in seconds.
    #[arg(long, default_value_t = 3600)]
    pub timeout: u64,
    /// One JSON line on standard output.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}
