//! From a configuration and a socket to a running store.

use std::sync::Arc;
use std::time::Duration;

use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::QdrantServer;
use qdrant_client::qdrant::snapshots_server::SnapshotsServer;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::service::Service;
use crate::store::Store;

/// Serves Qdrant's gRPC API on `listener` until `shutdown` is cancelled, then answers what is in flight, checkpoints
/// every collection and closes it.
///
/// Returns once the data folder is closed and may be opened again. Opening replays the redo logs first; connections
/// made meanwhile wait in the listener's backlog.
///
/// # Errors
/// [`Error::Locked`] when another store serves the folder, [`Error::Redo`] when a redo log is damaged, and whatever
/// the engine or the file system refuse at start.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
    let (limit, drain) = (config.max_message_bytes, config.drain);
    let runtime = Handle::current();
    let store = Arc::new(blocking(move || Store::open(config, runtime)).await??);
    let service = Service::new(store.clone());
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = router(service, limit).serve_with_incoming_shutdown(incoming, shutdown.cancelled());
    let served = tokio::select! {
        served = serving => served,
        () = drained(&shutdown, drain) => {
            tracing::warn!("closed connections that were still open at the end of the drain");
            Ok(())
        }
    };
    blocking(move || store.close()).await?;
    Ok(served?)
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
    tokio::task::spawn_blocking(run).await.map_err(|_| Error::Panicked("opening or closing the store"))
}
