//! `heimdex token …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use heimdex_auth::Scope;
use heimdex_schemas::Org;

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token with the development keys of a data folder, and print it.
    Mint(TokenMint),
}

#[derive(Debug, Args)]
pub struct TokenMint {
    /// The tenant whose token it is.
    #[arg(long, env = "HEIMDEX_ORG", default_value = "demo")]
    pub org: Org,
    /// What its bearer may do: search, ingest, vectors, admin.
    #[arg(long, value_delimiter = ',', default_value = "search,ingest")]
    pub scope: Vec<Scope>,
    /// How long it is valid, in seconds.
    #[arg(long, default_value_t = 12 * 60 * 60)]
    pub lifetime: u64,
    /// Whose it is, for logs.
    #[arg(long)]
    pub subject: Option<String>,
    /// The data folder of the `heimdex up` that it is for.
    #[arg(long, env = "HEIMDEX_DATA_DIR", default_value = "heimdex-data")]
    pub data_dir: PathBuf,
    /// One JSON value on standard output.
    #[arg(long)]
    pub json: bool,
}
