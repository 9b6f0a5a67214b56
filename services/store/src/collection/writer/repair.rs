//! From the log and whatever the engine has to exactly what was acknowledged: at a start, and after a failure.

use std::collections::HashMap;
use std::time::Instant;

use qdrant_edge::PointId;

use super::operate::IMAGE_CHUNK;
use super::{Change, Effect, Result, Writer};
use crate::collection::reads;
use crate::redo::Frame;

/// What it takes before the engine may be trusted to hold all that the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Damage {
    /// It forgot changes: the log is replayed over it.
    Replay,
    /// It is in no known state: it is loaded again, as at a start.
    Reload,
}

/// Milliseconds from lap to lap.
struct Laps(Instant);

impl Laps {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> u128 {
        std::mem::replace(&mut self.0, Instant::now()).elapsed().as_millis()
    }
}

impl Writer {
    /// Notes damage; the worse of two is what counts.
    pub(super) fn damaged(&mut self, damage: Damage, reason: String) {
        if self.damage < Some(damage) {
            tracing::error!(?damage, reason, "the engine is damaged; the redo log is kept until it is repaired");
            self.damage = Some(damage);
        }
    }

    /// Repairs what is damaged, once there is space for it.
    pub(super) fn mend(&mut self) -> Result<()> {
        let Some(damage) = self.damage else { return Ok(()) };
        self.volume.require_reserve(self.log.length())?;
        let started = Instant::now();
        let mended = match damage {
            Damage::Replay => self.replay_in_place(),
            Damage::Reload => self.reload(),
        };
        match mended {
            Ok(()) => {
                self.damage = None;
                tracing::info!(?damage, elapsed_ms = started.elapsed().as_millis(), "the engine is repaired");
            }
            // What a replay does not mend, a reload may.
            Err(error) if !error.is_storage_full() => {
                self.damage = Some(Damage::Reload);
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn replay_in_place(&mut self) -> Result<()> {
        self.engine.remove_strays()?;
        let frames = self.log.frames()?;
        self.replay(&frames)?;
        self.repair_duplicates()
    }

    /// Readers wait meanwhile. They get at the engine again only when it holds everything.
    fn reload(&mut self) -> Result<()> {
        self.state.withdraw("its engine failed");
        if let Err(error) = self.engine.unload(self.shared.config.reload_wait) {
            self.state.publish(self.engine.shard()?);
            return Err(error);
        }
        self.engine.load()?;
        let frames = self.log.frames()?;
        self.bring_up(&frames)
    }

    /// Makes a loaded engine hold what the log holds, each point once, and shows it to readers.
    pub(super) fn bring_up(&mut self, frames: &[Frame]) -> Result<()> {
        let mut laps = Laps::start();
        for (field, schema) in self.indexes.clone() {
            self.engine.create_index(field, schema)?;
        }
        let indexes_ms = laps.lap();
        self.replay(frames)?;
        let replay_ms = laps.lap();
        self.repair_duplicates()?;
        let duplicates_ms = laps.lap();
        self.checkpoint()?;
        let checkpoint_ms = laps.lap();
        tracing::info!(frames = frames.len(), indexes_ms, replay_ms, duplicates_ms, checkpoint_ms, "brought up");
        self.state.publish(self.engine.shard()?);
        Ok(())
    }

    /// An undone optimization loses the deletes made meanwhile. They are made again at once, also where a full volume
    /// puts the rest of the replay off, so that no reader sees what is gone.
    pub(super) fn delete_again(&mut self) {
        let again =
            self.deleted().and_then(|gone| if gone.is_empty() { Ok(()) } else { self.apply(Effect::Delete(gone)) });
        if let Err(error) = again {
            tracing::error!(%error, "could not repeat the deletes that an optimization lost");
        }
    }

    /// The ids that the log deletes and does not bring back.
    pub(super) fn deleted(&mut self) -> Result<Vec<PointId>> {
        let mut states: HashMap<PointId, bool> = HashMap::new();
        for record in self.log.frames()?.iter().flat_map(|frame| frame.records.iter()) {
            let (ids, deleted) = Change::ids(record)?;
            states.extend(ids.into_iter().map(|id| (id, deleted)));
        }
        Ok(states.into_iter().filter_map(|(id, deleted)| deleted.then_some(id)).collect())
    }

    fn replay(&mut self, frames: &[Frame]) -> Result<()> {
        for record in frames.iter().flat_map(|frame| frame.records.iter()) {
            self.state.go_on()?;
            let applied = Change::replay(record, self.engine.config()).and_then(|effect| self.apply(effect));
            match applied {
                Err(error) if error.is_refusal() => tracing::warn!(%error, "a logged change was refused again"),
                other => other?,
            }
        }
        Ok(())
    }

    /// A kill between an optimized segment's arrival and the old one's removal leaves every point in both. Points the
    /// log names were repaired by the replay; the others are stored again, once.
    fn repair_duplicates(&mut self) -> Result<()> {
        let ids = reads::matching(self.engine.shard()?, None)?;
        if self.engine.shard()?.info().points_count == ids.len() {
            return Ok(());
        }
        let mut repaired = 0;
        for chunk in ids.chunks(IMAGE_CHUNK) {
            self.state.go_on()?;
            if reads::copies(self.engine.shard()?, chunk)? > chunk.len() {
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
