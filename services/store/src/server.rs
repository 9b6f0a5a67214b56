//! From a configuration and a socket to a running store.

use std::sync::Arc;
use std::time::Duration;

use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::QdrantServer;
use qdrant_client::qdrant::snapshots_server::SnapshotsServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::retry::Retry;
use crate::service::{Phase, Service};
use crate::store::Store;

/// Serves Qdrant's gRPC API on `listener` until `shutdown` is cancelled, then answers what is in flight, checkpoints
/// every collection and closes it.
///
/// Opening replays the redo logs first, and calls made meanwhile wait. While the volume has too little space for that,
/// calls are refused and the start is tried again.
///
/// Returns once the data folder is closed and may be opened again, with one exception: an optimization that takes longer
/// than `stop_wait` keeps it locked until it ends, or the process does.
///
/// # Errors
/// [`Error::Locked`] when another store serves the folder, [`Error::Redo`] when a redo log is damaged, and whatever
/// the engine or the file system refuse at start.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
    let (limit, drain) = (config.max_message_bytes, config.drain);
    let (phase, watched) = watch::channel(Phase::Opening);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let ended = shutdown.clone().cancelled_owned();
    let mut server = tokio::spawn(router(Service::new(watched), limit).serve_with_incoming_shutdown(incoming, ended));
    let store = match start(config, &phase, &shutdown).await {
        Ok(store) => store,
        Err(error) => {
            server.abort();
            return if matches!(error, Error::Stopping) { Ok(()) } else { Err(error) };
        }
    };
    phase.send_replace(Phase::Open(store.clone()));
    let served = tokio::select! {
        served = &mut server => served.map_err(|e| Error::unfinished("the server", &e)),
        () = drained(&shutdown, drain) => {
            server.abort();
            tracing::warn!("closed connections that were still open at the end of the drain");
            Ok(Ok(()))
        }
    };
    blocking(move || store.close()).await?;
    Ok(served??)
}

/// Opens the store. Where the volume is too full for that, tries again until there is space or a shutdown.
async fn start(config: Config, phase: &watch::Sender<Phase>, shutdown: &CancellationToken) -> Result<Arc<Store>> {
    let mut retry = Retry::new("the start", config.retry, config.retry_max);
    loop {
        match open(config.clone(), shutdown).await {
            Err(error) if error.is_storage_full() => {
                let wait = retry.fail(error.to_string());
                phase.send_replace(Phase::Delayed(Arc::new(error)));
                let stopped = tokio::time::timeout(wait, shutdown.cancelled()).await;
                if stopped.is_ok() {
                    return Err(Error::Stopping);
                }
            }
            opened => return opened.map(Arc::new),
        }
    }
}

async fn open(config: Config, shutdown: &CancellationToken) -> Result<Store> {
    let closing = CancellationToken::new();
    let opening = blocking({
        let closing = closing.clone();
        move || Store::open(config, closing)
    });
    tokio::pin!(opening);
    tokio::select! {
        opened = &mut opening => return opened?,
        () = shutdown.cancelled() => closing.cancel(),
    }
    opening.await?
}

/// A client that neither answers nor hangs up must not hold the store up.
async fn drained(shutdown: &CancellationToken, limit: Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(limit).await;
}

fn router(service: Service, limit: usize) -> tonic::transport::server::Router {
    let points = PointsServer::new(service.clone()).max_decoding_message_size(limit);
    let collections = CollectionsServer::new(service.clone()).max_decoding_message_size(limit);
    Server::builder()
        .add_service(points.accept_compressed(CompressionEncoding::Gzip).send_compressed(CompressionEncoding::Gzip))
        .add_service(collections.accept_compressed(CompressionEncoding::Gzip))
        .add_service(SnapshotsServer::new(service.clone()))
        .add_service(QdrantServer::new(service))
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(run).await.map_err(|e| Error::unfinished("opening or closing the store", &e))
}
