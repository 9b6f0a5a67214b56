//! The store as a program: `HEIMDEX_STORE_*` sets it up, stdout gets one line with the bound address, stderr the log.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use heimdex_store::Config;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The engine warns about more settings of its server than [`heimdex_store::LOG_FILTER`] is about.
const DEFAULT_LOG: &str = "info,qdrant_edge=error";
/// Qdrant's own gRPC port, on this machine only.
const DEFAULT_ADDRESS: &str = "127.0.0.1:6334";

#[tokio::main]
async fn main() -> ExitCode {
    let levels = std::env::var("HEIMDEX_LOG").unwrap_or_else(|_| DEFAULT_LOG.into());
    let filter = EnvFilter::new(format!("{levels},{}", heimdex_store::LOG_FILTER));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let config = match Config::from_lookup(|key| std::env::var(key).ok()) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(%error, "bad configuration");
            return ExitCode::from(2);
        }
    };
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the store stopped");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    let address = std::env::var("HEIMDEX_STORE_ADDRESS").unwrap_or_else(|_| DEFAULT_ADDRESS.into());
    let listener = TcpListener::bind(&address).await.with_context(|| format!("bind {address}"))?;
    announce(listener.local_addr()?)?;
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone()));
    Ok(heimdex_store::serve(config, listener, shutdown).await?)
}

fn announce(address: std::net::SocketAddr) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "listening {address}")?;
    out.flush()
}

async fn cancel_on_signal(shutdown: CancellationToken) {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
                _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
            }
            shutdown.cancel();
        }
        (Err(error), _) | (_, Err(error)) => tracing::error!(%error, "signals cannot be received"),
    }
}
