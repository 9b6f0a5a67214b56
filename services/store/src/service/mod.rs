//! Qdrant's gRPC services. Each method reads its request, calls the store and writes the answer; no rule lives here.

mod collections;
mod points;
mod qdrant;
mod snapshots;
mod updates;

use std::sync::Arc;
use std::time::Instant;

use tonic::{Response, Status};

use crate::store::Store;

/// Implements every Qdrant service on a store.
#[derive(Debug, Clone)]
pub struct Service {
    store: Arc<Store>,
}

impl Service {
    /// The services of `store`.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }
}

type Reply<T> = Result<Response<T>, Status>;

fn unsupported<T>(call: &str) -> Reply<T> {
    Err(Status::unimplemented(format!("{call} is not supported by this store")))
}

fn seconds(started: Instant) -> f64 {
    started.elapsed().as_secs_f64()
}
