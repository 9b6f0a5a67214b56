//! What a writer does between requests and at its start: optimizations, checkpoints, replay and repair.

use std::time::Instant;

use super::{Change, Effect, IMAGE_CHUNK, Result, Writer, reads};
use crate::collection::optimize::Outcome;
use crate::redo::Frame;

impl Writer {
    /// Between requests: takes the outcome of an optimization, starts the next, and checkpoints when it is due.
    pub(super) fn maintain(&mut self) {
        let outcome = match self.log.length() > self.config.redo_max_bytes {
            true => self.optimizer.wait(),
            false => self.optimizer.take_outcome(),
        };
        let quiet = self.last_write.elapsed() >= self.config.idle;
        if let Some(outcome) = outcome {
            self.settle(outcome);
        }
        if self.optimizer.is_running() || self.wounded {
            return;
        }
        let due = self.log.length() >= self.checkpoint_at || (quiet && self.log.length() > 0);
        if (due || outcome.is_some())
            && let Err(error) = self.checkpoint()
        {
            tracing::error!(%error, "checkpoint failed; the redo log is kept");
            self.checkpoint_at = self.log.length() + self.config.redo_segment_bytes;
        }
        if self.changed >= self.config.optimize_every_points || (quiet && self.changed > 0) {
            self.start_optimization();
        }
    }

    fn start_optimization(&mut self) {
        self.changed = 0;
        if let Err(error) = self.optimizer.start(self.engine.shard().clone()) {
            tracing::error!(%error, "no thread for an optimization");
        }
    }

    /// An undone optimization loses the deletes made meanwhile: the log still has them.
    pub(super) fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Finished => {}
            Outcome::Failed => {
                if let Err(error) = self.redo_in_place() {
                    tracing::error!(%error, "could not redo the changes made during a failed optimization");
                    self.wounded = true;
                }
            }
            Outcome::Panicked => {
                tracing::error!("an optimization panicked; no checkpoints until the store is restarted");
                self.wounded = true;
            }
        }
    }

    fn redo_in_place(&mut self) -> Result<()> {
        self.engine.remove_strays()?;
        let frames = self.log.frames()?;
        self.replay(&frames)
    }

    /// Makes the engine durable by itself and forgets the log.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        let started = Instant::now();
        self.engine.flush()?;
        let bytes = self.log.length();
        self.log.cut()?;
        self.checkpoint_at = self.config.redo_segment_bytes;
        tracing::debug!(bytes, elapsed_us = started.elapsed().as_micros(), "checkpoint");
        Ok(())
    }

    pub(super) fn replay(&mut self, frames: &[Frame]) -> Result<()> {
        let started = Instant::now();
        let records = frames.iter().flat_map(|frame| frame.records.iter());
        for record in records {
            let applied = Change::replay(record, self.engine.config()).and_then(|effect| self.apply(effect));
            match applied {
                Err(error) if error.is_refusal() => tracing::warn!(%error, "a logged change was refused again"),
                other => other?,
            }
        }
        if !frames.is_empty() {
            tracing::info!(frames = frames.len(), elapsed_ms = started.elapsed().as_millis(), "replayed the redo log");
        }
        Ok(())
    }

    /// A kill between an optimized segment's arrival and the old one's removal leaves every point in both. Points the
    /// log names were repaired by the replay; the others are stored again, once.
    pub(super) fn repair_duplicates(&mut self) -> Result<()> {
        let ids = reads::matching(self.engine.shard(), None)?;
        if self.engine.shard().info().points_count == ids.len() {
            return Ok(());
        }
        let mut repaired = 0;
        for chunk in ids.chunks(IMAGE_CHUNK) {
            if reads::copies(self.engine.shard(), chunk)? > chunk.len() {
                let change = Change::images(self.images(chunk)?);
                self.log(std::slice::from_ref(&change.record))?;
                self.apply(Effect::Delete(chunk.to_vec()))?;
                self.apply(change.effect)?;
                repaired += chunk.len();
            }
        }
        tracing::warn!(repaired, "stored points again that two segments held");
        Ok(())
    }
}
