//! Background optimization of one collection: one run at a time in the whole store, each with bounded threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use qdrant_edge::EdgeShard;

use super::Shared;
use super::engine::release;
use super::state::State;
use crate::error::Error;
use crate::failpoint;

/// How an optimization ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its segments took the place of the old ones.
    Finished,
    /// There was too little space on the volume to begin; nothing was changed.
    NoSpace(String),
    /// It was undone, for this reason. The engine forgets deletes it had noted beside the segments under optimization.
    Failed(String),
    /// It panicked, saying this; segments may be left half replaced.
    Panicked(String),
}

/// Runs optimizations of one collection.
#[derive(Debug)]
pub struct Optimizer {
    shared: Shared,
    running: Option<JoinHandle<Outcome>>,
    state: Arc<State>,
}

impl Optimizer {
    /// Optimizations of the collection whose state is `state`; all collections take turns.
    pub fn new(shared: Shared, state: Arc<State>) -> Self {
        Self { shared, running: None, state }
    }

    /// Whether a run was started whose outcome has not been taken.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts a run.
    pub fn start(&mut self, shard: Arc<EdgeShard>) -> std::io::Result<()> {
        // The folder's lock goes along: a run may outlive the store in this process, and nobody may open the folder then.
        let (shared, state) = (self.shared.clone(), self.state.clone());
        state.set_optimizing(true);
        let spawned = std::thread::Builder::new().name("optimize".into()).spawn(move || {
            // The turn guards no data, so a panic of another holder leaves nothing broken.
            let turn = shared.optimization.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = if state.is_stopping() { Outcome::Finished } else { run(&shard) };
            drop(turn);
            release(shard);
            state.set_optimizing(false);
            outcome
        });
        self.running = Some(spawned.inspect_err(|_| self.state.set_optimizing(false))?);
        Ok(())
    }

    /// The outcome of a run that has ended since the last call.
    pub fn take_outcome(&mut self) -> Option<Outcome> {
        self.running.take_if(|thread| thread.is_finished()).map(join)
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
    thread.join().unwrap_or_else(|payload| Outcome::Panicked(said("optimization", payload.as_ref())))
}

fn said(what: &'static str, payload: &(dyn Any + Send)) -> String {
    Error::panicked(what, payload).to_string()
}

fn run(shard: &EdgeShard) -> Outcome {
    let started = Instant::now();
    let optimize = || {
        failpoint::pass_or_panic("store_optimization");
        shard.optimize()
    };
    match catch_unwind(AssertUnwindSafe(optimize)) {
        Ok(Ok(changed)) => {
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(changed, elapsed_ms, segments = shard.info().segments_count, "optimization ended");
            Outcome::Finished
        }
        Ok(Err(error)) if refused_for_space(&error.to_string()) => Outcome::NoSpace(error.to_string()),
        Ok(Err(error)) => Outcome::Failed(error.to_string()),
        Err(payload) => Outcome::Panicked(said("optimization", payload.as_ref())),
    }
}

/// The engine looks at the free space before it begins, and says so in words alone.
fn refused_for_space(text: &str) -> bool {
    text.contains("Not enough space available for optimization")
}
