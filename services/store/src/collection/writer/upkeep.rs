//! What a writer does between requests: optimizations, checkpoints, and a look at the volume.

use std::time::{Duration, Instant};

use super::repair::Damage;
use super::{Change, Error, Record, Result, SHORTEST_TICK, TICK, Writer};
use crate::collection::optimize::Outcome;
use crate::collection::state::Troubles;
use crate::failpoint;

/// The volume is too full for writes.
#[derive(Debug)]
pub(super) struct Fullness {
    /// What was told to the writer of the last refused change.
    text: String,
    /// Bytes of that change.
    needed: u64,
    /// Not looked at again before: a limit that is not the volume's cannot be seen from outside.
    again_at: Instant,
}

impl Writer {
    /// How long to wait for a request before looking at everything else.
    pub(super) fn tick(&self) -> Duration {
        let settings = &self.shared.config;
        let running = self.optimizer.is_running().then_some(TICK);
        let full = self.full.is_some().then_some(settings.retry);
        let failing = [&self.mending, &self.optimizing].into_iter().filter(|work| work.is_failing());
        let waits = failing.map(|work| work.wait().max(SHORTEST_TICK)).chain(running).chain(full);
        waits.fold(settings.idle, Duration::min)
    }

    /// Between requests: takes the outcome of an optimization, mends and checkpoints when that is due, and starts the
    /// next optimization.
    pub(super) fn maintain(&mut self) {
        let outcome = match self.log.length() > self.shared.config.redo_max_bytes {
            true => self.await_optimization(),
            false => self.optimizer.take_outcome(),
        };
        let ended = outcome.is_some();
        if let Some(outcome) = outcome {
            self.settle(outcome);
        }
        self.watch_volume();
        if self.mending.wait().is_zero() {
            match self.optimizer.is_running() {
                true => self.keep_up_beside(),
                false => self.keep_up(ended),
            }
        }
        self.show();
    }

    /// While an optimization runs the log may be cut too, so that a replay stays short.
    fn keep_up_beside(&mut self) {
        if self.damage.is_none() && self.log.length() >= self.checkpoint_at {
            match self.checkpoint_beside() {
                Ok(()) => self.mending.succeed(),
                Err(error) => {
                    self.mending.fail(self.volume.explain(error).to_string());
                }
            }
        }
    }

    fn keep_up(&mut self, ended: bool) {
        let quiet = self.last_write.elapsed() >= self.shared.config.idle;
        // Also what a checkpoint beside an optimization had to keep goes with the first one after it.
        let due = self.log.length() >= self.checkpoint_at || (quiet && self.log.length() > 0);
        if due || ended || self.damage.is_some() || self.mending.is_failing() {
            if let Err(error) = self.mend().and_then(|()| self.checkpoint()) {
                self.mending.fail(self.volume.explain(error).to_string());
                return;
            }
            self.mending.succeed();
        }
        let pending = self.changed >= self.shared.config.optimize_every_points || (quiet && self.changed > 0);
        if pending && self.full.is_none() && self.optimizing.wait().is_zero() {
            self.start_optimization();
        }
    }

    /// Writes wait while the log is too long, unless the collection is to end.
    fn await_optimization(&mut self) -> Option<Outcome> {
        let mut outcome = self.optimizer.take_outcome();
        while self.optimizer.is_running() && !self.state.is_stopping() {
            outcome = self.optimizer.wait_for(TICK);
        }
        outcome
    }

    fn start_optimization(&mut self) {
        let Ok(shard) = self.engine.shard().cloned() else { return };
        self.changed = 0;
        if let Err(error) = self.optimizer.start(shard) {
            self.retry_optimization(Error::io("start a thread for an optimization", error).to_string());
        }
    }

    /// Draws the consequence of how an optimization ended.
    pub(super) fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Finished => self.optimizing.succeed(),
            Outcome::NoSpace(reason) => self.retry_optimization(reason),
            Outcome::Failed(reason) => {
                self.damaged(Damage::Replay, reason.clone());
                self.delete_again();
                self.retry_optimization(reason);
            }
            Outcome::Panicked(reason) => {
                self.damaged(Damage::Reload, reason.clone());
                self.retry_optimization(reason);
            }
        }
    }

    fn retry_optimization(&mut self, reason: String) {
        self.changed = self.changed.max(self.shared.config.optimize_every_points);
        self.optimizing.fail(reason);
    }

    /// Makes the engine durable by itself and forgets the log.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        self.flush_and_cut(&[])
    }

    /// The same while an optimization runs. A flush then makes new versions of points durable, but not that older ones
    /// in the segments under optimization are gone. The log keeps the deletes, and of two versions a start keeps the
    /// newer ([`Writer::bring_up`]).
    fn checkpoint_beside(&mut self) -> Result<()> {
        let deleted = self.deleted()?;
        let keep = if deleted.is_empty() { vec![] } else { vec![Change::delete(deleted).record] };
        self.flush_and_cut(&keep)
    }

    fn flush_and_cut(&mut self, keep: &[Record]) -> Result<()> {
        self.volume.require_reserve(0)?;
        let started = Instant::now();
        if let Err(error) = self.engine.flush() {
            // What a failed sync has dropped, a second one would not write.
            self.damaged(Damage::Replay, error.to_string());
            return Err(error);
        }
        let bytes = self.log.length();
        failpoint::pass("store_before_cut");
        self.log.cut(keep)?;
        failpoint::pass("store_after_cut");
        self.checkpoint_at = self.log.length() + self.shared.config.redo_segment_bytes;
        let elapsed_us = started.elapsed().as_micros();
        tracing::debug!(bytes, elapsed_us, kept = self.log.length(), "checkpoint");
        Ok(())
    }

    /// Remembers that a change of `bytes` found no space.
    pub(super) fn note_full(&mut self, error: Error, bytes: u64) -> Error {
        let error = self.volume.explain(error);
        if error.is_storage_full() {
            self.fill(error.to_string(), bytes);
            self.show();
        }
        error
    }

    /// Remembers that there is space.
    pub(super) fn note_space(&mut self) {
        if self.full.take().is_some() {
            tracing::info!("the volume has space again");
        }
    }

    fn watch_volume(&mut self) {
        let needed = self.full.as_ref().map_or(0, |full| full.needed);
        let settled = self.full.as_ref().is_none_or(|full| full.again_at <= Instant::now());
        match self.volume.require(needed) {
            Ok(()) if settled => self.note_space(),
            Err(error) if error.is_storage_full() => self.fill(error.to_string(), needed),
            Ok(()) | Err(_) => {}
        }
    }

    fn fill(&mut self, text: String, needed: u64) {
        if self.full.is_none() {
            tracing::error!(text, "writes are refused");
        }
        self.full = Some(Fullness { text, needed, again_at: Instant::now() + self.shared.config.retry });
    }

    fn show(&self) {
        let upkeep: Vec<String> = [&self.mending, &self.optimizing].into_iter().filter_map(|w| w.trouble()).collect();
        self.state.show(Troubles {
            storage: self.full.as_ref().map(|full| full.text.clone()),
            upkeep: (!upkeep.is_empty()).then(|| upkeep.join("; ")),
        });
    }

    /// The last checkpoint, where one can be made.
    pub(super) fn leave_in_order(&mut self, outcome: Option<Outcome>) {
        if let Some(outcome) = outcome {
            self.settle(outcome);
        }
        let bytes = self.log.length();
        if self.optimizer.is_running() || self.damage.is_some() {
            tracing::info!(bytes, "stopped without a checkpoint; the next start replays the redo log");
        } else if let Err(error) = self.checkpoint() {
            tracing::error!(%error, bytes, "no last checkpoint; the next start replays the redo log");
        }
    }
}
