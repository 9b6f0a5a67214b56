//! The one thread that changes a collection: log, apply, answer; [`upkeep`] between requests, [`repair`] after a failure.

mod operate;
mod repair;
mod upkeep;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use qdrant_edge::{EdgeConfig, JsonPath, PayloadFieldSchema};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::engine::Engine;
use super::operation::{Change, Effect, Operation};
use super::optimize::Optimizer;
use super::state::State;
use crate::durable;
use crate::error::{Error, Result};
use crate::failpoint;
use crate::redo::{Record, RedoLog};
use crate::retry::Retry;
use crate::volume::Volume;
use repair::Damage;
use upkeep::Fullness;

/// Longest wait between looks at a running optimization.
const TICK: Duration = Duration::from_millis(250);
/// How long a write stays in memory when the store is told to answer too early.
const SABOTAGED: Duration = Duration::from_millis(100);
/// Shortest wait between looks at anything.
const SHORTEST_TICK: Duration = Duration::from_millis(10);

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
    shared: Shared,
    state: Arc<State>,
    volume: Volume,
    indexes: Vec<(JsonPath, PayloadFieldSchema)>,
    /// Points changed since the last optimization began.
    changed: usize,
    /// Log length from which the next checkpoint is due.
    checkpoint_at: u64,
    last_write: Instant,
    full: Option<Fullness>,
    /// The engine may lack changes that the log has, so the log must not be cut.
    damage: Option<Damage>,
    mending: Retry,
    optimizing: Retry,
}

impl Writer {
    /// Loads the collection in `dir`, replays its log, and brings the engine's files in order.
    pub fn open(
        dir: &Path,
        config: Arc<EdgeConfig>,
        indexes: Vec<(JsonPath, PayloadFieldSchema)>,
        state: Arc<State>,
        shared: &Shared,
    ) -> Result<Self> {
        let settings = &shared.config;
        durable::create_dir(dir)?;
        let volume = Volume::new(dir, settings.min_free_bytes);
        let (log, frames) = RedoLog::open(&dir.join("redo"))?;
        volume.require_reserve(log.inherited())?;
        let retry = |work| Retry::new(work, settings.retry, settings.retry_max);
        let mut writer = Self {
            engine: Engine::open(dir, config)?,
            log,
            optimizer: Optimizer::new(shared.clone(), state.clone()),
            checkpoint_at: settings.redo_segment_bytes,
            shared: shared.clone(),
            state,
            volume,
            indexes,
            changed: 0,
            last_write: Instant::now(),
            full: None,
            damage: None,
            mending: retry("a checkpoint"),
            optimizing: retry("an optimization"),
        };
        writer.bring_up(&frames)?;
        writer.changed = writer.engine.shard()?.info().points_count;
        Ok(writer)
    }

    /// Serves the inbox until told to stop.
    pub fn run(mut self, mut inbox: mpsc::Receiver<Message>, runtime: &Runtime) {
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
                Some(Message::Index(change, reply)) => {
                    let changed = self.change_index(change);
                    self.answer(reply, changed);
                }
                Some(Message::Stop { keep }) => break keep,
                None => {}
            }
            self.maintain();
        };
        self.finish(keep);
    }

    fn receive(&self, inbox: &mut mpsc::Receiver<Message>, runtime: &Runtime) -> Received {
        let tick = self.tick();
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
            if bytes >= self.shared.config.group_bytes {
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
                    self.answer(request.reply, done);
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
        if failpoint::is_broken("sabotage.ack_before_redo") {
            self.answer_before_it_is_true(&mut effects);
        }
        if let Err(error) = self.log(&records) {
            let error = Arc::new(error);
            effects.into_iter().for_each(|(_, reply)| self.answer(reply, Err(error.clone().into())));
            return;
        }
        for (applied, reply) in effects {
            let done = applied.into_iter().try_for_each(|effect| self.apply(effect));
            self.answer(reply, done);
        }
    }

    /// Makes changes durable. Refused before anything is written when they could not be applied either.
    fn log(&mut self, records: &[Record]) -> Result<()> {
        self.engine.shard()?;
        self.refuse_overflow()?;
        failpoint::pass("store_before_append");
        let bytes = records.iter().map(|record| record.bytes.len() as u64).sum();
        let written = self.volume.require(bytes).and_then(|()| Ok(self.log.append(records)?));
        failpoint::pass("store_after_append");
        match written {
            Ok(()) => self.note_space(),
            Err(error) => return Err(self.note_full(error, bytes)),
        }
        Ok(())
    }

    fn refuse_overflow(&self) -> Result<()> {
        let held = self.log.length();
        if self.damage.is_some() && held > self.shared.config.redo_max_bytes {
            return Err(Error::Exhausted(format!(
                "the redo log holds {held} bytes and the engine waits for its repair: {}",
                self.state.troubles()
            )));
        }
        Ok(())
    }

    fn apply(&mut self, effect: Effect) -> Result<()> {
        self.changed += effect.points();
        let applied = self.engine.apply(effect);
        // The engine may have done half of it, or be unable to take any more.
        if let Err(error) = &applied
            && !error.is_refusal()
        {
            self.damaged(Damage::Reload, error.to_string());
        }
        failpoint::pass("store_after_apply");
        applied
    }

    fn change_index(&mut self, change: IndexChange) -> Result<()> {
        match change {
            IndexChange::Create(field, schema) => {
                self.indexes.retain(|(indexed, _)| *indexed != field);
                self.indexes.push((field.clone(), schema.clone()));
                self.engine.create_index(field, schema)
            }
            IndexChange::Delete(field) => {
                self.indexes.retain(|(indexed, _)| *indexed != field);
                self.engine.delete_index(field)
            }
        }
    }

    /// Sabotage: whoever waits is told "done" while nothing is on disk, and for a while nothing will be.
    fn answer_before_it_is_true(&self, effects: &mut [(Vec<Effect>, Reply)]) {
        for (_, reply) in effects {
            let (unheard, _) = oneshot::channel();
            self.answer(std::mem::replace(reply, unheard), Ok(()));
        }
        std::thread::sleep(SABOTAGED);
    }

    fn answer(&self, reply: Reply, result: Result<()>) {
        // The caller may have gone; what it asked for is done all the same.
        let _gone = reply.send(result.map_err(|error| self.volume.explain(error)));
    }

    fn finish(mut self, keep: bool) {
        if keep {
            let outcome = self.optimizer.wait_for(self.shared.config.stop_wait);
            self.leave_in_order(outcome);
        } else {
            // Nothing is done to files that are about to be removed while an optimization still writes them.
            while self.optimizer.is_running() && !self.shared.closing.is_cancelled() {
                self.optimizer.wait_for(TICK);
            }
        }
        self.engine.close();
    }
}

enum Received {
    Message(Message),
    Quiet,
    Closed,
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
