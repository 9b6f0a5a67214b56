//! `run_stage`: the one consume loop.
//!
//! Free permit → pull one message → lease guard → attempts looked up → decode → handle → publish the outputs and await
//! each acknowledgement → confirmed ack. Every other way out of that line is in `settle`.

mod attempts;
mod backoff;
mod breaker;
mod consequence;
mod crowd;
mod handle;
mod isolation;
mod leftover;
mod progress;
mod settle;
mod slot;
mod unwanted;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use heimdex_bus::{Bus, BusError, Publisher};
use heimdex_schemas::Lane;
use heimdex_stage::{Blobs, Ledger, Stage};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::config::StageConfig;
use crate::health::{Health, State};
use crate::metrics::{Metrics, StageMetrics};

pub use isolation::Isolation;

use attempts::{Attempts, Rules};
use breaker::Breaker;
use crowd::Crowd;
use slot::{Role, Slot};
use unwanted::Register;
use watch::Floodgate;

/// What all stages of one process share. Cloning shares it.
#[derive(Clone)]
pub struct Process {
    pub bus: Bus,
    pub metrics: Metrics,
    pub health: Health,
    /// One for the whole process: a suspect is alone in the process, not only in its stage.
    pub isolation: Isolation,
    /// This start of the process, in marks that others read.
    pub instance: Uuid,
}

impl Process {
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        let (metrics, health, isolation) = (Metrics::default(), Health::default(), Isolation::default());
        Self { bus, metrics, health, isolation, instance: Uuid::new_v4() }
    }

    /// Keeps the broker's own health up to date until `shutdown`: `broker` and `durability`.
    pub async fn watch_broker(&self, every: std::time::Duration, shutdown: CancellationToken) {
        watch::broker(self, every, &shutdown).await;
    }
}

/// Why a stage stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Somebody deleted the consumer: unhealthy, not finished. A restart makes it anew.
    #[error("the consumer of {stage} in lane {lane} was deleted")]
    ConsumerGone { stage: &'static str, lane: Lane },
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("a slot of {stage} ended unexpectedly: {reason}")]
    Slot { stage: &'static str, reason: String },
}

/// One stage at work: what every slot needs.
pub(crate) struct Worker<S> {
    stage: S,
    config: StageConfig,
    bus: Bus,
    publisher: Publisher,
    blobs: Arc<dyn Blobs>,
    ledger: Arc<dyn Ledger>,
    attempts: Attempts,
    metrics: StageMetrics,
    health: Health,
    isolation: Isolation,
    breaker: Arc<Breaker>,
    /// The last dead letter could not be written.
    unburied: AtomicBool,
    floodgate: Floodgate,
    crowd: Crowd,
    unwanted: Arc<Register>,
    /// This process, in marks.
    holder: Uuid,
    /// No new work.
    shutdown: CancellationToken,
    /// The grace is over: what is still in hand is given back.
    abandon: CancellationToken,
}

/// Runs `stage` until `shutdown` and then drains: finishes what is in hand within the grace and gives back the rest.
///
/// # Errors
/// See [`RunError`]; the stage is then `Failed` in the process's health.
pub async fn run_stage<S: Stage>(
    stage: S,
    config: StageConfig,
    process: &Process,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let worker = Arc::new(Worker::new(stage, config, process, shutdown));
    let component = format!("stage {}", S::NAME);
    process.health.set(&component, State::No("starting".to_owned()));
    let result = worker.run().instrument(tracing::info_span!("stage", stage = %S::NAME)).await;
    match &result {
        Ok(()) => process.health.set(&component, State::No("stopped".to_owned())),
        Err(error) => process.health.set(&component, State::Failed(error.to_string())),
    }
    result
}

impl<S: Stage> Worker<S> {
    fn new(stage: S, config: StageConfig, process: &Process, shutdown: CancellationToken) -> Self {
        let ledger: Arc<dyn Ledger> = process.bus.ledger();
        Self {
            stage,
            bus: process.bus.clone(),
            publisher: process.bus.publisher(),
            blobs: process.bus.blobs(),
            attempts: Attempts::new(S::NAME, Arc::clone(&ledger), rules(&config, process)),
            ledger,
            metrics: process.metrics.stage(S::NAME),
            health: process.health.clone(),
            isolation: process.isolation.clone(),
            breaker: Breaker::new(config.breaker_base, config.breaker_cap, config.permits),
            unburied: AtomicBool::new(false),
            floodgate: Floodgate::default(),
            crowd: Crowd::new(process.bus.options().org_interactive_depth),
            unwanted: Register::new(config.unwanted),
            holder: process.instance,
            // A stage that fails stops its own slots without stopping its neighbours.
            shutdown: shutdown.child_token(),
            abandon: CancellationToken::new(),
            config,
        }
    }

    async fn run(self: Arc<Self>) -> Result<(), RunError> {
        // All are opened before one starts: a stage that cannot start must not have taken anything.
        let mut opened = Vec::with_capacity(self.config.permits);
        for index in 0..self.config.permits {
            let role = if index < self.config.reserved { Role::Interactive } else { Role::Shared };
            opened.push(Slot::open(Arc::clone(&self), role).await?);
        }
        let mut slots = JoinSet::new();
        for slot in opened {
            slots.spawn(slot.run().in_current_span());
        }
        let watch = tokio::spawn(watch::queues(Arc::clone(&self)).in_current_span());
        let unwanted =
            tokio::spawn(unwanted::watch::<S>(self.bus.clone(), Arc::clone(&self.unwanted)).in_current_span());
        self.health.set(&format!("stage {}", S::NAME), State::Yes);
        tracing::info!(permits = self.config.permits, reserved = self.config.reserved, "consuming");
        let grace = tokio::spawn(grace(self.shutdown.clone(), self.abandon.clone(), self.config.grace));
        let result = self.join(&mut slots).await;
        watch.abort();
        unwanted.abort();
        grace.abort();
        if let Err(error) = self.bus.flush().await {
            tracing::warn!(%error, "drained, but the last acknowledgements may be lost");
        }
        tracing::info!("drained");
        result
    }

    /// Waits for every slot. The first that fails makes the others drain.
    async fn join(&self, slots: &mut JoinSet<Result<(), RunError>>) -> Result<(), RunError> {
        let mut result = Ok(());
        while let Some(ended) = slots.join_next().await {
            let ended =
                ended.unwrap_or_else(|e| Err(RunError::Slot { stage: S::NAME.as_str(), reason: e.to_string() }));
            if let Err(error) = ended {
                self.shutdown.cancel();
                if result.is_ok() {
                    tracing::error!(%error, "stopping");
                    result = Err(error);
                }
            }
        }
        result
    }
}

/// A mark is renewed four times while others wait for it, so a margin of a quarter covers a renewal that was lost.
fn rules(config: &StageConfig, process: &Process) -> Rules {
    let ack_wait = process.bus.options().limits.ack_wait;
    let deaths = usize::try_from(config.suspect_deaths).unwrap_or(usize::MAX);
    Rules { holder: process.instance, deaths, company: config.suspect_company, patience: ack_wait + ack_wait / 4 }
}

async fn grace(shutdown: CancellationToken, abandon: CancellationToken, grace: std::time::Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(grace).await;
    tracing::warn!(?grace, "the grace is over, giving back what is in hand");
    abandon.cancel();
}
