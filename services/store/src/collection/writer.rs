//! The one thread that changes a collection: log, apply, answer; [`upkeep`] between requests.

mod upkeep;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use qdrant_edge::{JsonPath, PayloadFieldSchema, PointId, PointStructPersisted, WithPayloadInterface, WithVector};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::engine::Engine;
use super::operation::{Change, Effect, Operation, PayloadEdit, Target};
use super::optimize::Optimizer;
use super::reads;
use crate::config::Config;
use crate::convert::points;
use crate::durable;
use crate::error::{Error, Result};
use crate::redo::{Record, RedoLog};

/// Points read, logged and stored at a time when an operation is turned into absolute changes.
const IMAGE_CHUNK: usize = 1024;
/// Shortest wait between looks at a running optimization.
const TICK: Duration = Duration::from_millis(250);

/// What the thread is asked.
#[derive(Debug)]
pub enum Message {
    /// Change points.
    Write(WriteRequest),
    /// Change payload indexes, which the caller has already recorded.
    Index(IndexChange, Reply),
    /// Finish what is queued and end; with `false` nothing needs to be durable any more.
    Stop {
        /// Whether to checkpoint.
        keep: bool,
    },
}

/// Operations that are logged and applied in order.
#[derive(Debug)]
pub struct WriteRequest {
    /// What to do.
    pub operations: Vec<Operation>,
    /// Told once everything is durable and visible.
    pub reply: Reply,
}

/// Where an answer goes.
pub type Reply = oneshot::Sender<Result<()>>;

/// A change of a payload index.
#[derive(Debug)]
pub enum IndexChange {
    /// Build it.
    Create(JsonPath, PayloadFieldSchema),
    /// Drop it.
    Delete(JsonPath),
}

/// A collection's writer.
#[derive(Debug)]
pub struct Writer {
    engine: Engine,
    log: RedoLog,
    optimizer: Optimizer,
    config: Arc<Config>,
    dir: PathBuf,
    /// Points changed since the last optimization began.
    changed: usize,
    /// Log length from which the next checkpoint is due.
    checkpoint_at: u64,
    last_write: Instant,
    /// An optimization panicked: the engine may hold deletes only in memory, so the log must not be cut.
    wounded: bool,
}

impl Writer {
    /// Loads the collection in `dir`, replays its log, and brings the engine's files in order.
    pub fn open(
        dir: &Path,
        engine: Engine,
        indexes: Vec<(JsonPath, PayloadFieldSchema)>,
        optimizer: Optimizer,
        config: Arc<Config>,
    ) -> Result<Self> {
        let (log, frames) = RedoLog::open(&dir.join("redo"))?;
        let checkpoint_at = config.redo_segment_bytes;
        let mut writer = Self {
            engine,
            log,
            optimizer,
            config,
            dir: dir.to_path_buf(),
            changed: 0,
            checkpoint_at,
            last_write: Instant::now(),
            wounded: false,
        };
        for (field, schema) in indexes {
            writer.engine.create_index(field, schema)?;
        }
        writer.replay(&frames)?;
        writer.repair_duplicates()?;
        writer.checkpoint()?;
        writer.changed = writer.engine.shard().info().points_count;
        Ok(writer)
    }

    /// The engine, for readers.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Serves the inbox until told to stop.
    pub fn run(mut self, mut inbox: mpsc::Receiver<Message>, runtime: &Handle) {
        let mut held = None;
        let keep = loop {
            let message = match held.take() {
                Some(message) => Some(message),
                None => match self.receive(&mut inbox, runtime) {
                    Received::Message(message) => Some(message),
                    Received::Quiet => None,
                    Received::Closed => break true,
                },
            };
            match message {
                Some(Message::Write(first)) => held = self.write_group(first, &mut inbox),
                Some(Message::Index(change, reply)) => answer(reply, self.change_index(change)),
                Some(Message::Stop { keep }) => break keep,
                None => {}
            }
            self.maintain();
        };
        self.finish(keep);
    }

    fn receive(&self, inbox: &mut mpsc::Receiver<Message>, runtime: &Handle) -> Received {
        let tick = if self.optimizer.is_running() { TICK.min(self.config.idle) } else { self.config.idle };
        match runtime.block_on(async { tokio::time::timeout(tick, inbox.recv()).await }) {
            Ok(Some(message)) => Received::Message(message),
            Ok(None) => Received::Closed,
            Err(_) => Received::Quiet,
        }
    }

    /// Serves a request together with those waiting behind it; returns the message that ended the group, if one did.
    fn write_group(&mut self, first: WriteRequest, inbox: &mut mpsc::Receiver<Message>) -> Option<Message> {
        let mut group = Vec::new();
        let mut bytes = 0;
        let mut next = Some(Message::Write(first));
        let held = loop {
            match next {
                Some(Message::Write(request)) => {
                    bytes += logged_bytes(&request.operations);
                    group.push(request);
                }
                other => break other,
            }
            if bytes >= self.config.group_bytes {
                break None;
            }
            next = inbox.try_recv().ok();
        };
        self.serve(group);
        self.last_write = Instant::now();
        held
    }

    /// Requests of absolute changes share a sync; one that has to look at the points first waits for those before it.
    fn serve(&mut self, group: Vec<WriteRequest>) {
        let mut absolute = Vec::new();
        for request in group {
            match all_changes(request.operations) {
                Ok(changes) => absolute.push((changes, request.reply)),
                Err(operations) => {
                    self.commit(std::mem::take(&mut absolute));
                    let done = operations.into_iter().try_for_each(|operation| self.operate(operation));
                    answer(request.reply, done);
                }
            }
        }
        self.commit(absolute);
    }

    fn commit(&mut self, requests: Vec<(Vec<Change>, Reply)>) {
        if requests.is_empty() {
            return;
        }
        let mut records = Vec::new();
        let mut effects = Vec::new();
        for (changes, reply) in requests {
            let (logged, applied): (Vec<_>, Vec<_>) =
                changes.into_iter().map(|change| (change.record, change.effect)).unzip();
            records.extend(logged);
            effects.push((applied, reply));
        }
        if let Err(error) = self.log(&records) {
            let error = Arc::new(error);
            effects.into_iter().for_each(|(_, reply)| answer(reply, Err(error.clone().into())));
            return;
        }
        for (applied, reply) in effects {
            let done = applied.into_iter().try_for_each(|effect| self.apply(effect));
            answer(reply, done);
        }
    }

    fn operate(&mut self, operation: Operation) -> Result<()> {
        match operation {
            Operation::Change(change) => self.change(change),
            Operation::Insert(points) => self.insert(points),
            Operation::DeleteMatching(filter) => {
                let ids = reads::matching(self.engine.shard(), Some(filter))?;
                if ids.is_empty() { Ok(()) } else { self.change(Change::delete(ids)) }
            }
            Operation::Edit(target, edit) => self.edit(target, &edit),
        }
    }

    fn insert(&mut self, mut points: Vec<PointStructPersisted>) -> Result<()> {
        let found = self.found(&points.iter().map(|point| point.id).collect::<Vec<_>>())?;
        points.retain(|point| !found.contains(&point.id));
        if points.is_empty() { Ok(()) } else { self.change(Change::images(points)) }
    }

    fn edit(&mut self, target: Target, edit: &PayloadEdit) -> Result<()> {
        let ids = match target {
            Target::Matching(filter) => reads::matching(self.engine.shard(), Some(filter))?,
            Target::Ids(ids) => self.existing(ids)?,
        };
        ids.chunks(IMAGE_CHUNK).try_for_each(|chunk| {
            let mut images = self.images(chunk)?;
            images.iter_mut().filter_map(|image| image.payload.as_mut()).for_each(|payload| edit.edit(payload));
            self.change(Change::images(images))
        })
    }

    /// All of these ids, or an error that names one that does not exist.
    fn existing(&self, mut ids: Vec<PointId>) -> Result<Vec<PointId>> {
        ids.sort_unstable();
        ids.dedup();
        let found = self.found(&ids)?;
        match ids.iter().find(|id| !found.contains(id)) {
            Some(missing) => Err(Error::NotFound(format!("no point with id {missing} found"))),
            None => Ok(ids),
        }
    }

    /// Those of these ids that exist.
    fn found(&self, ids: &[PointId]) -> Result<HashSet<PointId>> {
        let (payload, vectors) = (WithPayloadInterface::Bool(false), WithVector::Bool(false));
        let records = reads::get(self.engine.shard(), ids, payload, vectors)?;
        Ok(records.into_iter().map(|record| record.id).collect())
    }

    fn images(&self, ids: &[PointId]) -> Result<Vec<PointStructPersisted>> {
        let (payload, vectors) = (WithPayloadInterface::Bool(true), WithVector::Bool(true));
        let records = reads::get(self.engine.shard(), ids, payload, vectors)?;
        Ok(records.into_iter().map(points::image).collect())
    }

    fn change(&mut self, change: Change) -> Result<()> {
        self.log(std::slice::from_ref(&change.record))?;
        self.apply(change.effect)
    }

    fn log(&mut self, records: &[Record]) -> Result<()> {
        let free = durable::free_bytes(&self.dir)?;
        if free < self.config.min_free_bytes {
            return Err(Error::Exhausted(format!("only {free} bytes are free on the disk of the store")));
        }
        if self.wounded && self.log.length() > self.config.redo_max_bytes {
            return Err(Error::Exhausted("the engine is damaged in memory: restart the store".into()));
        }
        Ok(self.log.append(records)?)
    }

    fn apply(&mut self, effect: Effect) -> Result<()> {
        self.changed += effect.points();
        self.engine.apply(effect)
    }

    fn change_index(&mut self, change: IndexChange) -> Result<()> {
        match change {
            IndexChange::Create(field, schema) => self.engine.create_index(field, schema),
            IndexChange::Delete(field) => self.engine.delete_index(field),
        }
    }

    fn finish(mut self, keep: bool) {
        // Nothing is done to files that are about to be removed while an optimization still writes them.
        let outcome = if keep { self.optimizer.wait_for(self.config.drain) } else { self.optimizer.wait() };
        if let Some(outcome) = outcome.filter(|_| keep) {
            self.settle(outcome);
        }
        if keep
            && !self.optimizer.is_running()
            && !self.wounded
            && let Err(error) = self.checkpoint()
        {
            tracing::error!(%error, "no last checkpoint; the next start replays the redo log");
        }
        self.engine.close();
    }
}

enum Received {
    Message(Message),
    Quiet,
    Closed,
}

fn answer(reply: Reply, result: Result<()>) {
    // The caller may have gone; what it asked for is done all the same.
    let _gone = reply.send(result);
}

fn logged_bytes(operations: &[Operation]) -> usize {
    let bytes = operations.iter().map(|operation| match operation {
        Operation::Change(change) => change.record.bytes.len(),
        Operation::Insert(_) | Operation::DeleteMatching(_) | Operation::Edit(..) => 0,
    });
    bytes.sum()
}

/// The changes of a request that needs no look at the points, else its operations.
fn all_changes(operations: Vec<Operation>) -> std::result::Result<Vec<Change>, Vec<Operation>> {
    if !operations.iter().all(|operation| matches!(operation, Operation::Change(_))) {
        return Err(operations);
    }
    let changes = operations.into_iter().filter_map(|operation| match operation {
        Operation::Change(change) => Some(change),
        Operation::Insert(_) | Operation::DeleteMatching(_) | Operation::Edit(..) => None,
    });
    Ok(changes.collect())
}
