//! One collection: a writer thread, and readers beside it.

pub mod engine;
mod numbers;
pub mod operation;
pub mod optimize;
pub mod reads;
pub mod state;
pub mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use qdrant_edge::{EdgeConfig, EdgeShard, JsonPath, PayloadFieldSchema};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::convert::json_path;
use crate::error::{Error, Result};
use crate::registry::CollectionSpec;
use operation::Operation;
use state::{State, Troubles};
use writer::{IndexChange, Message, WriteRequest, Writer};

/// What every collection of a store shares.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The store's settings.
    pub config: Arc<Config>,
    /// Held by the one optimization that runs.
    pub optimization: Arc<Mutex<()>>,
    /// Ends every collection.
    pub closing: CancellationToken,
    /// Locks the data folder for as long as anyone may touch it.
    #[expect(dead_code, reason = "it is held, not read")]
    pub lock: Arc<File>,
}

/// An open collection.
#[derive(Debug)]
pub struct Collection {
    dir: PathBuf,
    config: Arc<EdgeConfig>,
    shared: Shared,
    state: Arc<State>,
    inbox: mpsc::Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Collection {
    /// Loads or creates the collection in `dir`. Blocks for the replay of its log.
    pub fn open(dir: &Path, spec: &CollectionSpec, shared: &Shared) -> Result<Self> {
        let config = Arc::new(bounded(spec, shared.config.optimizer_threads));
        let state = Arc::new(State::new(&shared.closing));
        let writer = Writer::open(dir, config.clone(), indexes(spec)?, state.clone(), shared)?;
        let (inbox, receiver) = mpsc::channel(shared.config.write_queue);
        // Its own: the caller's may be shut down while the writer still has something to finish.
        let runtime = runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|e| Error::io("start a writer thread", e))?;
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || writer.run(receiver, &runtime))
            .map_err(|e| Error::io("start a writer thread", e))?;
        let (dir, shared) = (dir.to_path_buf(), shared.clone());
        Ok(Self { dir, config, shared, state, inbox, thread: Mutex::new(Some(thread)) })
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its vectors and settings.
    pub fn config(&self) -> &EdgeConfig {
        &self.config
    }

    /// The engine, for a read.
    pub async fn shard(&self) -> Result<Arc<EdgeShard>> {
        self.state.engine(self.shared.config.reload_wait).await
    }

    /// Whether an optimization runs.
    pub fn is_optimizing(&self) -> bool {
        self.state.is_optimizing()
    }

    /// What keeps it from full service.
    pub fn troubles(&self) -> Troubles {
        self.state.troubles()
    }

    /// Does operations in order; returns once they are durable and visible.
    pub async fn write(&self, operations: Vec<Operation>) -> Result<()> {
        self.ask(|reply| Message::Write(WriteRequest { operations, reply })).await
    }

    /// Builds or drops a payload index that the registry has recorded.
    pub async fn change_index(&self, change: IndexChange) -> Result<()> {
        self.ask(|reply| Message::Index(change, reply)).await
    }

    async fn ask(&self, message: impl FnOnce(oneshot::Sender<Result<()>>) -> Message) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.inbox.send(message(reply)).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }

    /// Closes the engine after the request in hand; with `keep` false its files are about to be removed. Blocks. False
    /// when an optimization still works on the files.
    pub fn stop(&self, keep: bool) -> bool {
        self.state.stop();
        // A writer that is gone already needs no telling.
        let _gone = self.inbox.blocking_send(Message::Stop { keep });
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(dir = %self.dir.display(), "a writer thread panicked");
        }
        !self.is_optimizing()
    }
}

/// The engine's configuration with no more threads than the store allows.
fn bounded(spec: &CollectionSpec, threads: usize) -> EdgeConfig {
    let mut config = spec.engine.clone();
    let own = config.vectors.values_mut().filter_map(|vector| vector.hnsw_config.as_mut());
    for hnsw in own.chain([&mut config.hnsw_config]) {
        hnsw.max_indexing_threads = threads;
    }
    config
}

fn indexes(spec: &CollectionSpec) -> Result<Vec<(JsonPath, PayloadFieldSchema)>> {
    spec.indexes.iter().map(|(field, schema)| Ok((json_path(field)?, schema.clone()))).collect()
}
