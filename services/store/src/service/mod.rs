//! Qdrant's gRPC services. Each method reads its request, calls the store and writes the answer; no rule lives here.

mod collections;
mod points;
mod qdrant;
mod snapshots;
mod updates;

use std::sync::Arc;
use std::time::Instant;

use qdrant_edge::EdgeShard;
use tokio::sync::watch;
use tonic::{Response, Status};

use crate::collection::Collection;
use crate::error::{Error, Result as StoreResult};
use crate::store::Store;

/// Where a start stands.
#[derive(Debug, Clone)]
pub enum Phase {
    /// Logs are replayed; calls wait.
    Opening,
    /// The start failed for this reason and is tried again; calls are refused.
    Delayed(Arc<Error>),
    /// Calls are served.
    Open(Arc<Store>),
}

/// Implements every Qdrant service on a store.
#[derive(Debug, Clone)]
pub struct Service {
    phase: watch::Receiver<Phase>,
}

impl Service {
    /// The services of the store that `phase` tells of.
    pub fn new(phase: watch::Receiver<Phase>) -> Self {
        Self { phase }
    }

    /// The store, once it is open.
    async fn store(&self) -> StoreResult<Arc<Store>> {
        let mut phase = self.phase.clone();
        let settled = phase.wait_for(|phase| !matches!(phase, Phase::Opening)).await;
        match settled.map_err(|_| Error::Stopping)?.clone() {
            Phase::Open(store) => Ok(store),
            Phase::Delayed(error) => Err(error.into()),
            Phase::Opening => Err(Error::Stopping),
        }
    }

    async fn collection(&self, name: &str) -> StoreResult<Arc<Collection>> {
        self.store().await?.collection(name)
    }

    async fn read<T: Send + 'static>(
        &self,
        collection: &Collection,
        read: impl FnOnce(&EdgeShard) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.store().await?.read(collection, read).await
    }
}

type Reply<T> = Result<Response<T>, Status>;

fn unsupported<T>(call: &str) -> Reply<T> {
    Err(Status::unimplemented(format!("{call} is not supported by this store")))
}

fn seconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64()
}
