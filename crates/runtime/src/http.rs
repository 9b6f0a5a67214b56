//! `/healthz`, `/readyz` and `/metrics` of one process.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::metrics::Metrics;

const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Served {
    health: Health,
    metrics: Metrics,
}

/// The routes, to be served alone or merged into a larger router.
pub fn router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Served { health, metrics })
}

/// Binds `address` (port 0 for any) and serves until `shutdown`. Returns the bound address and the running task.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) -> std::io::Result<(SocketAddr, tokio::task::JoinHandle<std::io::Result<()>>)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned());
    let task = tokio::spawn(async move { served.await });
    tracing::info!(%bound, "serving health and metrics");
    Ok((bound, task))
}

async fn healthz(State(served): State<Served>) -> impl IntoResponse {
    let status = if served.health.is_alive() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, report(&served.health))
}

async fn readyz(State(served): State<Served>) -> impl IntoResponse {
    let status = if served.health.report().ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, report(&served.health))
}

fn report(health: &Health) -> impl IntoResponse + use<> {
    let body = serde_json::to_string(&health.report()).unwrap_or_default();
    ([(header::CONTENT_TYPE, JSON)], body)
}

async fn scrape(State(served): State<Served>) -> impl IntoResponse {
    match served.metrics.encode() {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, OPEN_METRICS)], text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], error.to_string()),
    }
}
