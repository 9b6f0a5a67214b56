//! All collections of one data folder.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use qdrant_client::qdrant as proto;
use qdrant_edge::{EdgeShard, PayloadFieldSchema};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::collection::state::Troubles;
use crate::collection::writer::IndexChange;
use crate::collection::{Collection, Shared};
use crate::config::Config;
use crate::convert::{collection, json_path, payload};
use crate::durable;
use crate::error::{Error, Result};
use crate::registry::{AliasStep, CollectionSpec, Registry};
use crate::search_pool::SearchPool;
use crate::volume::Volume;

const REGISTRY: &str = "registry.json";
const COLLECTIONS: &str = "collections";
const LOCK: &str = "lock";

/// An open data folder.
#[derive(Debug)]
pub struct Store {
    shared: Shared,
    registry: AsyncMutex<Registry>,
    /// Collections and aliases as readers see them, by every name that stands for one.
    names: RwLock<HashMap<String, Arc<Collection>>>,
    open: Mutex<HashMap<String, Arc<Collection>>>,
    pool: SearchPool,
}

impl Store {
    /// Opens a data folder and every collection in it. Blocks for the replay of their logs; `closing` ends that, and
    /// later everything else.
    pub fn open(config: Config, closing: CancellationToken) -> Result<Self> {
        durable::create_dir(&config.data_dir)?;
        let volume = Volume::new(&config.data_dir, config.min_free_bytes);
        Self::open_folder(config, closing).map_err(|error| volume.explain(error))
    }

    fn open_folder(config: Config, closing: CancellationToken) -> Result<Self> {
        let lock = Arc::new(lock(&config.data_dir)?);
        durable::create_dir(&config.data_dir.join(COLLECTIONS))?;
        let registry = Registry::open(config.data_dir.join(REGISTRY))?;
        remove_unknown(&config.data_dir.join(COLLECTIONS), &registry)?;
        let pool = SearchPool::start(config.search_threads, config.search_queue)?;
        let shared = Shared { config: Arc::new(config), optimization: Arc::default(), closing, lock };
        let open = open_all(&registry, &shared)?;
        let store = Self {
            names: RwLock::new(HashMap::new()),
            open: Mutex::new(open),
            registry: AsyncMutex::new(registry),
            shared,
            pool,
        };
        store.publish(store.registry.try_lock().map_err(|_| Error::Stopping)?.aliases());
        Ok(store)
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The collection that a name or alias stands for.
    pub fn collection(&self, name: &str) -> Result<Arc<Collection>> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(name).cloned().ok_or_else(|| Error::NotFound(format!("collection {name:?} does not exist")))
    }

    /// Runs a blocking read of a collection.
    pub async fn read<T: Send + 'static>(
        &self,
        collection: &Collection,
        read: impl FnOnce(&EdgeShard) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shard = collection.shard().await?;
        self.pool.run(move || read(&shard)).await
    }

    /// The registry, for reading or a change of metadata.
    pub async fn registry(&self) -> tokio::sync::MutexGuard<'_, Registry> {
        self.registry.lock().await
    }

    /// Creates a collection; it exists once this returns, and not before.
    pub async fn create(self: &Arc<Self>, request: proto::CreateCollection) -> Result<()> {
        let mut registry = self.registry.lock().await;
        registry.check_new(&request.collection_name)?;
        let spec = CollectionSpec {
            id: Uuid::new_v4(),
            engine: collection::engine_config(&request, self.config().optimizer_threads)?,
            indexes: BTreeMap::new(),
            metadata: payload::payload(request.metadata).0,
        };
        let (shared, opened) = (self.shared.clone(), spec.clone());
        let dir = folder(&shared, spec.id);
        let collection = blocking(move || Collection::open(&dir, &opened, &shared)).await?;
        registry.insert(request.collection_name.clone(), spec)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(request.collection_name, Arc::new(collection));
        drop(open);
        self.publish(registry.aliases());
        Ok(())
    }

    /// Deletes a collection with its aliases; false when there is none. Its files are removed in the background.
    pub async fn delete(&self, name: &str) -> Result<bool> {
        let mut registry = self.registry.lock().await;
        if !registry.remove(name)? {
            return Ok(false);
        }
        let removed = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.publish(registry.aliases());
        if let Some(collection) = removed {
            tokio::task::spawn_blocking(move || {
                if collection.stop(false)
                    && let Err(error) = durable::remove_dir(collection.dir())
                {
                    tracing::warn!(%error, "a deleted collection's files stay until the next start");
                }
            });
        }
        Ok(true)
    }

    /// Takes all alias steps or none.
    pub async fn change_aliases(&self, steps: Vec<AliasStep>) -> Result<()> {
        let mut registry = self.registry.lock().await;
        registry.change_aliases(steps)?;
        self.publish(registry.aliases());
        Ok(())
    }

    /// Builds a payload index, or with `None` drops it.
    pub async fn set_index(&self, name: &str, field: String, schema: Option<PayloadFieldSchema>) -> Result<()> {
        let path = json_path(&field)?;
        let mut registry = self.registry.lock().await;
        let name = registry.resolve(name)?.to_string();
        let collection = self.collection(&name)?;
        registry.set_index(&name, field, schema.clone())?;
        drop(registry);
        let change = match schema {
            Some(schema) => IndexChange::Create(path, schema),
            None => IndexChange::Delete(path),
        };
        collection.change_index(change).await
    }

    /// What keeps collections from full service, by name; empty when nothing does.
    pub fn troubles(&self) -> Vec<(String, Troubles)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let troubles = open.iter().map(|(name, collection)| (name.clone(), collection.troubles()));
        troubles.filter(|(_, troubles)| !troubles.is_empty()).collect()
    }

    /// Stops every collection, each after a last checkpoint, unless an optimization keeps it from one. Blocks.
    pub fn close(&self) {
        self.shared.closing.cancel();
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        self.names.write().unwrap_or_else(PoisonError::into_inner).clear();
        for collection in open.values() {
            collection.stop(true);
        }
    }

    fn publish(&self, aliases: &BTreeMap<String, String>) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = open.clone();
        for (alias, name) in aliases {
            if let Some(collection) = open.get(name) {
                names.insert(alias.clone(), collection.clone());
            }
        }
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
    }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(run).await.map_err(|e| Error::unfinished("a collection's start", &e))?
}

/// Opens every collection, or none: what was opened before one that cannot be is closed again.
fn open_all(registry: &Registry, shared: &Shared) -> Result<HashMap<String, Arc<Collection>>> {
    let mut open: HashMap<String, Arc<Collection>> = HashMap::new();
    for (name, spec) in registry.collections() {
        match Collection::open(&folder(shared, spec.id), spec, shared) {
            Ok(collection) => open.insert(name.clone(), Arc::new(collection)),
            Err(error) => {
                for collection in open.values() {
                    collection.stop(true);
                }
                return Err(error);
            }
        };
    }
    Ok(open)
}

fn folder(shared: &Shared, id: Uuid) -> std::path::PathBuf {
    shared.config.data_dir.join(COLLECTIONS).join(id.to_string())
}

fn lock(data_dir: &Path) -> Result<File> {
    let path = data_dir.join(LOCK);
    let file = File::create(&path).map_err(|e| Error::io(format!("create {}", path.display()), e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked(data_dir.to_path_buf())),
        Err(TryLockError::Error(e)) => Err(Error::io(format!("lock {}", path.display()), e)),
    }
}

/// Folders the registry does not name are deleted collections, or creations that a crash cut short.
fn remove_unknown(collections: &Path, registry: &Registry) -> Result<()> {
    let known: Vec<String> = registry.collections().values().map(|spec| spec.id.to_string()).collect();
    let entries = fs::read_dir(collections).map_err(|e| Error::io("list collections", e))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !known.iter().any(|id| path.ends_with(id)))
        .try_for_each(|path| durable::remove_dir(&path))
}
