//! HTTP: the same operations that NATS has, for callers with a token. It translates and does not think: searches are asked
//! of the query service, uploads and deletions are published as events, jobs are read from what the stages leave behind.
//!
//! | route | scope | does |
//! |---|---|---|
//! | `POST /vectors/search` | `search` | asks the query service |
//! | `POST /vectors/embed` | `ingest` | uploads text from the request's JSON |
//! | `POST /assets` | `ingest` | uploads the request's body |
//! | `DELETE /assets/{asset_id}` | `ingest` | deletes an asset |
//! | `GET /jobs/{job_id}` | `ingest` | says what became of an upload or deletion |
//! | `GET /jobs/{job_id}/events` | `ingest` | the same as it happens (server-sent events) |
//! | `GET /` | none | the playground page |
//!
//! The org is the token's, on every route. Errors are problem details (RFC 9457), see [`Problem`].

mod caller;
mod limits;
mod metrics;
mod page;
mod problem;
pub mod routes;
mod settings;

use std::sync::Arc;

use axum::Router;
use heimdex_auth::Verifier;
use heimdex_bus::Bus;
use heimdex_runtime::Metrics;
use tokio::sync::Semaphore;

pub use problem::Problem;
pub use settings::Settings;

use limits::Limits;
use metrics::GatewayMetrics;

/// What all requests share. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    bus: Bus,
    verifier: Verifier,
    settings: Settings,
    limits: Limits,
    places: Semaphore,
    metrics: GatewayMetrics,
}

impl Gateway {
    #[must_use]
    pub fn new(bus: Bus, verifier: Verifier, settings: Settings, metrics: &Metrics) -> Self {
        let (limits, metrics) = (Limits::new(&settings), metrics.register(GatewayMetrics::register));
        let places = Semaphore::new(settings.concurrency);
        Self { inner: Arc::new(Inner { bus, verifier, settings, limits, places, metrics }) }
    }

    /// Every route, to be served alone or merged into a larger router.
    pub fn router(&self) -> Router {
        routes::router(self)
    }
}
