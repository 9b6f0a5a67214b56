//! Background optimization of one collection: one run at a time in the whole store, each with bounded threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use qdrant_edge::EdgeShard;

use super::engine::release;

/// How an optimization ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its segments took the place of the old ones.
    Finished,
    /// It was undone. The engine forgets deletes it had noted beside the segments under optimization.
    Failed,
    /// It panicked; segments may be left half replaced.
    Panicked,
}

/// Runs optimizations of one collection.
#[derive(Debug)]
pub struct Optimizer {
    slot: Arc<Mutex<()>>,
    running: Option<JoinHandle<Outcome>>,
    visible: Arc<AtomicBool>,
}

impl Optimizer {
    /// `slot` is shared by all collections; `visible` is true while a run is on.
    pub fn new(slot: Arc<Mutex<()>>, visible: Arc<AtomicBool>) -> Self {
        Self { slot, running: None, visible }
    }

    /// Whether a run was started whose outcome has not been taken.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts a run.
    pub fn start(&mut self, shard: Arc<EdgeShard>) -> std::io::Result<()> {
        let (slot, visible) = (self.slot.clone(), self.visible.clone());
        visible.store(true, Ordering::Relaxed);
        let spawned = std::thread::Builder::new().name("optimize".into()).spawn(move || {
            // The slot guards no data, so a panic of another holder leaves nothing broken.
            let turn = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = run(&shard);
            drop(turn);
            release(shard);
            visible.store(false, Ordering::Relaxed);
            outcome
        });
        self.running = Some(spawned?);
        Ok(())
    }

    /// The outcome of a run that has ended since the last call.
    pub fn take_outcome(&mut self) -> Option<Outcome> {
        self.running.take_if(|thread| thread.is_finished()).map(join)
    }

    /// Waits for the run to end, if there is one.
    pub fn wait(&mut self) -> Option<Outcome> {
        self.running.take().map(join)
    }

    /// Waits as long as `limit`; `None` when the run goes on or there is none.
    pub fn wait_for(&mut self, limit: Duration) -> Option<Outcome> {
        let deadline = Instant::now() + limit;
        while self.running.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        self.take_outcome()
    }
}

fn join(thread: JoinHandle<Outcome>) -> Outcome {
    thread.join().unwrap_or(Outcome::Panicked)
}

fn run(shard: &EdgeShard) -> Outcome {
    let started = Instant::now();
    match catch_unwind(AssertUnwindSafe(|| shard.optimize())) {
        Ok(Ok(changed)) => {
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(changed, elapsed_ms, segments = shard.info().segments_count, "optimization ended");
            Outcome::Finished
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "optimization failed and was undone");
            Outcome::Failed
        }
        Err(_) => Outcome::Panicked,
    }
}
