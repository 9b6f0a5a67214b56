//! `heimdex store`: the embedded Qdrant as a process of its own.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use heimdex_store::Config;
use tokio::net::TcpListener;

use crate::exit::{Failure, Outcome};

pub async fn run(data_dir: PathBuf, listen: SocketAddr) -> Outcome {
    let config = Config::from_lookup(|key| std::env::var(key).ok()).map_err(Failure::input)?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let mut out = std::io::stdout();
    writeln!(out, "listening {}", listener.local_addr()?)?;
    out.flush()?;
    Ok(heimdex_store::serve(Config { data_dir, ..config }, listener, heimdex_runtime::signals::shutdown()?).await?)
}
