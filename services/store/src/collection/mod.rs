//! One collection: a writer thread, and readers beside it.

pub mod engine;
mod numbers;
pub mod operation;
pub mod optimize;
pub mod reads;
pub mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use qdrant_edge::{EdgeConfig, EdgeShard};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::convert::json_path;
use crate::error::{Error, Result};
use crate::registry::CollectionSpec;
use engine::Engine;
use operation::Operation;
use optimize::Optimizer;
use writer::{IndexChange, Message, WriteRequest, Writer};

/// What every collection of a store shares.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The store's settings.
    pub config: Arc<Config>,
    /// Held by the one optimization that runs.
    pub optimization: Arc<Mutex<()>>,
    /// Where writers wait for requests.
    pub runtime: Handle,
}

/// An open collection.
#[derive(Debug)]
pub struct Collection {
    dir: PathBuf,
    config: Arc<EdgeConfig>,
    inbox: mpsc::Sender<Message>,
    shard: RwLock<Option<Arc<EdgeShard>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    optimizing: Arc<AtomicBool>,
}

impl Collection {
    /// Loads or creates the collection in `dir`. Blocks for the replay of its log.
    pub fn open(dir: &Path, spec: &CollectionSpec, shared: &Shared) -> Result<Self> {
        let mut config = spec.engine.clone();
        let own = config.vectors.values_mut().filter_map(|vector| vector.hnsw_config.as_mut());
        for hnsw in own.chain([&mut config.hnsw_config]) {
            hnsw.max_indexing_threads = shared.config.optimizer_threads;
        }
        let config = Arc::new(config);
        let indexes = spec.indexes.iter().map(|(field, schema)| Ok((json_path(field)?, schema.clone())));
        let indexes = indexes.collect::<Result<Vec<_>>>()?;
        let optimizing = Arc::new(AtomicBool::new(false));
        let optimizer = Optimizer::new(shared.optimization.clone(), optimizing.clone());
        let engine = Engine::open(dir, config.clone())?;
        let writer = Writer::open(dir, engine, indexes, optimizer, shared.config.clone())?;
        let shard = RwLock::new(Some(writer.engine().shard().clone()));
        let (inbox, receiver) = mpsc::channel(shared.config.write_queue);
        let runtime = shared.runtime.clone();
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || writer.run(receiver, &runtime))
            .map_err(|e| Error::io("start a writer thread", e))?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { dir: dir.to_path_buf(), config, inbox, shard, thread, optimizing })
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
    pub fn shard(&self) -> Result<Arc<EdgeShard>> {
        let shard = self.shard.read().unwrap_or_else(PoisonError::into_inner);
        shard.clone().ok_or(Error::Stopping)
    }

    /// Whether an optimization runs.
    pub fn is_optimizing(&self) -> bool {
        self.optimizing.load(Ordering::Relaxed)
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

    /// Finishes what is queued and closes the engine; with `keep` false its files are about to be removed. Blocks.
    pub fn stop(&self, keep: bool) {
        if let Some(shard) = self.shard.write().unwrap_or_else(PoisonError::into_inner).take() {
            engine::release(shard);
        }
        // A writer that is gone already needs no telling.
        let _gone = self.inbox.blocking_send(Message::Stop { keep });
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(dir = %self.dir.display(), "a writer thread panicked");
        }
    }
}
