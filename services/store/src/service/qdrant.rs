//! The health check: an error while the store cannot be opened; else its title says what is wrong, if something is.

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::qdrant_server::Qdrant;
use tonic::{Request, Response};

use super::{Reply, Service};

/// The Qdrant release whose engine `qdrant-edge` 0.7.2 is; clients compare it with their own version.
const ENGINE_VERSION: &str = "1.18.0";
const TITLE: &str = concat!("heimdex-store ", env!("CARGO_PKG_VERSION"));

#[async_trait::async_trait]
impl Qdrant for Service {
    async fn health_check(&self, _: Request<proto::HealthCheckRequest>) -> Reply<proto::HealthCheckReply> {
        let troubles = self.store().await?.troubles();
        let troubles = troubles.iter().map(|(collection, troubles)| format!(", {collection}: {troubles}"));
        Ok(Response::new(proto::HealthCheckReply {
            title: [TITLE.to_owned()].into_iter().chain(troubles).collect(),
            version: ENGINE_VERSION.into(),
            commit: None,
        }))
    }
}
