//! The engine of one collection as its writer sees it: load, apply, flush, each behind a panic guard.

use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use qdrant_edge::{
    CreateIndex, EdgeConfig, EdgeShard, FieldIndexOperations, JsonPath, OperationResult, PayloadFieldSchema, PointId,
    PointInsertOperations, PointOperations, PointStructPersisted, UpdateOperation, VectorOperations,
    VectorStructPersisted,
};

use super::numbers::{self, Numbers};
use super::operation::Effect;
use crate::durable;
use crate::error::{Error, Result};

/// The engine's folder for half-built segments; what a killed process left there is of no use.
const TEMP_SEGMENTS: &str = "temp_segments";
const SEGMENTS: &str = "segments";
const WAL: &str = "wal";

/// How often an unload looks whether the last reader has let go.
const GLANCE: Duration = Duration::from_millis(5);

/// The engine and the numbers of its updates.
#[derive(Debug)]
pub struct Engine {
    dir: PathBuf,
    config: Arc<EdgeConfig>,
    /// None after a load that failed.
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    shard: Arc<EdgeShard>,
    numbers: Numbers,
}

/// Runs engine code that may panic on I/O errors and turns the panic into an error.
pub fn guarded<T>(what: &'static str, run: impl FnOnce() -> OperationResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => Ok(result?),
        Err(payload) => Err(Error::panicked(what, payload.as_ref())),
    }
}

impl Engine {
    /// Loads the engine in `dir/engine`, creating it when there is none.
    pub fn open(dir: &Path, config: Arc<EdgeConfig>) -> Result<Self> {
        let mut engine = Self { dir: dir.to_path_buf(), config, loaded: None };
        engine.load()?;
        Ok(engine)
    }

    /// Loads the engine from its files.
    pub fn load(&mut self) -> Result<()> {
        let (path, wal) = (self.path(), self.wal());
        durable::create_dir(&path)?;
        durable::remove_dir(&path.join(TEMP_SEGMENTS))?;
        let numbers = Numbers::open(self.dir.join("numbers.json"), &wal)?;
        let shard = guarded("load", || EdgeShard::load(&path, Some(self.config.as_ref().clone())))?;
        self.loaded = Some(Loaded { shard: Arc::new(shard), numbers });
        Ok(())
    }

    /// Lets go of the engine once no reader holds it; an error when one still does after `limit`.
    pub fn unload(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.loaded.as_ref().is_some_and(|loaded| Arc::strong_count(&loaded.shard) > 1) {
            if Instant::now() >= deadline {
                return Err(Error::Exhausted("a read holds the engine and keeps it from being reloaded".into()));
            }
            std::thread::park_timeout(GLANCE);
        }
        if let Some(loaded) = self.loaded.take() {
            release(loaded.shard);
        }
        Ok(())
    }

    /// The engine itself, for reading and optimizing.
    pub fn shard(&self) -> Result<&Arc<EdgeShard>> {
        self.loaded.as_ref().map(|loaded| &loaded.shard).ok_or_else(not_loaded)
    }

    fn path(&self) -> PathBuf {
        self.dir.join("engine")
    }

    fn wal(&self) -> PathBuf {
        self.path().join(WAL)
    }

    /// The collection's configuration.
    pub fn config(&self) -> &EdgeConfig {
        &self.config
    }

    /// Does an absolute change.
    pub fn apply(&mut self, effect: Effect) -> Result<()> {
        match effect {
            Effect::Delete(ids) => self.update(UpdateOperation::PointOperation(PointOperations::DeletePoints { ids })),
            Effect::Upsert(points) => {
                let leftovers = self.absent_vectors(&points);
                let points = PointInsertOperations::PointsList(points);
                self.update(UpdateOperation::PointOperation(PointOperations::UpsertPoints(points)))?;
                leftovers.into_iter().try_for_each(|(names, ids)| self.delete_vectors(ids, names))
            }
        }
    }

    /// Points grouped by the vectors they do not have: moving a point between segments, the engine keeps those of the
    /// version before.
    fn absent_vectors(&self, points: &[PointStructPersisted]) -> HashMap<Vec<String>, Vec<PointId>> {
        let names: Vec<&String> = self.config.vectors.keys().chain(self.config.sparse_vectors.keys()).collect();
        let mut groups: HashMap<Vec<String>, Vec<PointId>> = HashMap::new();
        for point in points {
            let VectorStructPersisted::Named(present) = &point.vector else { continue };
            if present.len() < names.len() {
                let absent = names.iter().filter(|name| !present.contains_key(**name));
                groups.entry(absent.map(|name| (*name).clone()).collect()).or_default().push(point.id);
            }
        }
        groups
    }

    fn delete_vectors(&mut self, ids: Vec<PointId>, names: Vec<String>) -> Result<()> {
        self.update(UpdateOperation::VectorOperation(VectorOperations::DeleteVectors(ids.into(), names)))
    }

    /// Builds a payload index unless it is there.
    pub fn create_index(&mut self, field: JsonPath, schema: PayloadFieldSchema) -> Result<()> {
        let index = CreateIndex { field_name: field, field_schema: Some(schema) };
        self.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(index)))
    }

    /// Removes a payload index.
    pub fn delete_index(&mut self, field: JsonPath) -> Result<()> {
        self.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::DeleteIndex(field)))
    }

    /// Makes everything applied durable; what an optimization notes beside its segments excepted, while one runs.
    pub fn flush(&self) -> Result<()> {
        let shard = self.shard()?;
        guarded("flush", || {
            shard.flush();
            Ok(())
        })?;
        numbers::release_closed(&self.wal());
        Ok(())
    }

    /// Removes segment folders that are not in use: an optimization that failed late leaves replaced ones behind, and
    /// the next load would bring their points back. Only sound while no optimization runs.
    pub fn remove_strays(&self) -> Result<()> {
        let shard = self.shard()?;
        let manifest = serde_json::to_value(guarded("manifest", || shard.snapshot_manifest())?);
        let Ok(serde_json::Value::Object(used)) = manifest else { return Ok(()) };
        let segments = self.path().join(SEGMENTS);
        let entries = fs::read_dir(&segments).map_err(|e| Error::io("list segments", e))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !name.is_empty() && !used.contains_key(name) {
                durable::remove_dir(&path)?;
            }
        }
        durable::sync_dir(&segments)
    }

    /// Lets go of the engine.
    pub fn close(self) {
        if let Some(loaded) = self.loaded {
            release(loaded.shard);
        }
    }

    fn update(&mut self, operation: UpdateOperation) -> Result<()> {
        let loaded = self.loaded.as_mut().ok_or_else(not_loaded)?;
        loaded.numbers.take()?;
        guarded("update", || loaded.shard.update(operation))
    }
}

fn not_loaded() -> Error {
    Error::Reloading("its engine could not be loaded yet".into())
}

/// Drops a handle to the engine; the last one flushes, and that may panic.
pub fn release(shard: Arc<EdgeShard>) {
    if catch_unwind(AssertUnwindSafe(|| drop(shard))).is_err() {
        tracing::error!("the engine panicked while it was closed; the redo log holds what it could not write");
    }
}
