//! The engine of one collection as its writer sees it: load, apply, flush, each behind a panic guard.

use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// The engine and the numbers of its updates.
#[derive(Debug)]
pub struct Engine {
    shard: Arc<EdgeShard>,
    config: Arc<EdgeConfig>,
    numbers: Numbers,
    wal: PathBuf,
}

/// Runs engine code that may panic on I/O errors and turns the panic into an error.
pub fn guarded<T>(what: &'static str, run: impl FnOnce() -> OperationResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Panicked(what)),
    }
}

impl Engine {
    /// Loads the engine in `dir/engine`, creating it when there is none.
    pub fn open(dir: &Path, config: Arc<EdgeConfig>) -> Result<Self> {
        let path = dir.join("engine");
        let wal = path.join(WAL);
        durable::create_dir(&path)?;
        durable::remove_dir(&path.join(TEMP_SEGMENTS))?;
        let numbers = Numbers::open(dir.join("numbers.json"), &wal)?;
        let shard = guarded("load", || EdgeShard::load(&path, Some(config.as_ref().clone())))?;
        Ok(Self { shard: Arc::new(shard), config, numbers, wal })
    }

    /// The engine itself, for reading and optimizing.
    pub fn shard(&self) -> &Arc<EdgeShard> {
        &self.shard
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

    /// Makes everything applied durable. Only sound while no optimization runs.
    pub fn flush(&self) -> Result<()> {
        guarded("flush", || {
            self.shard.flush();
            Ok(())
        })?;
        numbers::release_closed(&self.wal);
        Ok(())
    }

    /// Removes segment folders that are not in use: an optimization that failed late leaves replaced ones behind, and
    /// the next load would bring their points back. Only sound while no optimization runs.
    pub fn remove_strays(&self) -> Result<()> {
        let manifest = serde_json::to_value(guarded("manifest", || self.shard.snapshot_manifest())?);
        let Ok(serde_json::Value::Object(used)) = manifest else { return Ok(()) };
        let segments = self.shard.path().join(SEGMENTS);
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
        release(self.shard);
    }

    fn update(&mut self, operation: UpdateOperation) -> Result<()> {
        self.numbers.take()?;
        guarded("update", || self.shard.update(operation))
    }
}

/// Drops a handle to the engine; the last one flushes, and that may panic.
pub fn release(shard: Arc<EdgeShard>) {
    if catch_unwind(AssertUnwindSafe(|| drop(shard))).is_err() {
        tracing::error!("the engine panicked while it was closed; the redo log holds what it could not write");
    }
}
