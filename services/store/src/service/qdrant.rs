//! The health check.

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::qdrant_server::Qdrant;
use tonic::{Request, Response};

use super::{Reply, Service};

/// The Qdrant release whose engine `qdrant-edge` 0.7.2 is; clients compare it with their own version.
const ENGINE_VERSION: &str = "1.18.0";

#[async_trait::async_trait]
impl Qdrant for Service {
    async fn health_check(&self, _: Request<proto::HealthCheckRequest>) -> Reply<proto::HealthCheckReply> {
        Ok(Response::new(proto::HealthCheckReply {
            title: concat!("heimdex-store ", env!("CARGO_PKG_VERSION")).into(),
            version: ENGINE_VERSION.into(),
            commit: None,
        }))
    }
}
