//! Looks at the queues: stops pulling while the next one is too long, and keeps gauges and the broker's health fresh.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heimdex_bus::{BusError, Durability, Storage, topology};
use heimdex_schemas::{AssetUploaded, Lane};
use heimdex_stage::{Event, STORAGE_FULL, Stage};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Process, Worker};
use crate::health::State;

/// What may be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// The stage below has more than its mark, but not of interactive work.
    InteractiveOnly,
    /// The stage below has more interactive work than its mark.
    Shut,
}

impl Gate {
    const fn of(interactive: u64, bulk: u64, mark: u64) -> Self {
        if interactive > mark {
            Self::Shut
        } else if interactive.saturating_add(bulk) > mark {
            Self::InteractiveOnly
        } else {
            Self::Open
        }
    }
}

/// Narrowed while the stage below lags over its mark.
pub(crate) struct Floodgate(watch::Sender<Gate>);

impl Default for Floodgate {
    fn default() -> Self {
        Self(watch::Sender::new(Gate::Open))
    }
}

impl Floodgate {
    /// Waits until something may be pulled, and says what.
    pub async fn admit(&self) -> Gate {
        // The sender lives in `self`, so the channel cannot close while somebody waits.
        let gate = self.0.subscribe().wait_for(|gate| *gate != Gate::Shut).await.map(|gate| *gate);
        gate.unwrap_or(Gate::Open)
    }

    /// Whether that was a change.
    fn set(&self, gate: Gate) -> bool {
        self.0.send_if_modified(|state| std::mem::replace(state, gate) != gate)
    }

    fn is_open(&self) -> bool {
        *self.0.borrow() == Gate::Open
    }
}

/// Runs until aborted.
pub(crate) async fn queues<S: Stage>(worker: Arc<Worker<S>>) {
    let mut last = Instant::now();
    loop {
        report_breaker(&worker);
        look_below(&worker).await;
        look_at_own(&worker).await;
        look_for_crowds(&worker).await;
        let passed = last.elapsed();
        last = Instant::now();
        if !worker.floodgate.is_open() {
            worker.metrics.blocked.inc_by(passed.as_secs_f64());
        }
        tokio::time::sleep(worker.config.watch_interval).await;
    }
}

async fn look_below<S: Stage>(worker: &Worker<S>) {
    let Some(below) = topology::reader(S::Out::STREAM) else { return };
    let depths = async {
        let interactive = worker.bus.lane_depth(below, Lane::Interactive).await?;
        Ok::<_, BusError>((interactive, worker.bus.lane_depth(below, Lane::Bulk).await?))
    };
    match depths.await {
        Ok((interactive, bulk)) => {
            let gate = Gate::of(interactive, bulk, worker.config.downstream_mark);
            if worker.floodgate.set(gate) {
                tracing::info!(%below, interactive, bulk, ?gate, "the queue below");
            }
        }
        Err(error) => tracing::debug!(%error, "the queue below could not be looked at"),
    }
}

/// Only the first stage has uploads that others may have published in a crowd.
async fn look_for_crowds<S: Stage>(worker: &Worker<S>) {
    if S::In::NAME == AssetUploaded::NAME
        && let Ok(waiting) = worker.bus.uploads_waiting(Lane::Interactive).await
    {
        worker.crowd.set(waiting);
    }
}

async fn look_at_own<S: Stage>(worker: &Worker<S>) {
    let Ok(state) = worker.bus.queue_state(S::NAME).await else { return };
    worker.metrics.lag.set(i64::try_from(state.messages).unwrap_or(i64::MAX));
    // Three answers taken one after the other: a message that moved in between is no orphan yet.
    let orphans = state.orphans();
    let before = worker.metrics.orphans.get();
    let seen = i64::try_from(orphans).unwrap_or(i64::MAX);
    worker.metrics.orphans.set(if before == 0 { 0 } else { seen.min(before) });
    if orphans > 0 && before == 0 {
        confirm_orphans(worker, seen).await;
    }
}

async fn confirm_orphans<S: Stage>(worker: &Worker<S>, seen: i64) {
    tokio::time::sleep(worker.config.watch_interval).await;
    let Ok(again) = worker.bus.queue_state(S::NAME).await else { return };
    let orphans = i64::try_from(again.orphans()).unwrap_or(i64::MAX).min(seen);
    worker.metrics.orphans.set(orphans);
    if orphans > 0 {
        tracing::error!(orphans, "messages that no consumer will deliver");
    }
}

fn report_breaker<S: Stage>(worker: &Worker<S>) {
    let component = format!("dependencies of {}", S::NAME);
    worker.health.set(&component, worker.breaker.trouble().map_or(State::Yes, State::No));
}

/// Runs until `shutdown`.
pub(crate) async fn broker(process: &Process, every: Duration, shutdown: &CancellationToken) {
    loop {
        let connected = process.bus.is_connected();
        let state = if connected { State::Yes } else { State::No("not connected".to_owned()) };
        process.health.set("broker", state);
        let durable = match process.bus.durability().await {
            Durability::Yes => State::Yes,
            Durability::No => State::No("sync_interval is not `always`: acknowledged work can be lost".to_owned()),
            Durability::Unknown(reason) => State::Unknown(reason),
        };
        process.health.set("durability", durable);
        let storage = match process.bus.storage().await {
            Storage::Writable => State::Yes,
            Storage::Full(reason) => State::No(format!("{STORAGE_FULL}: {reason}")),
            Storage::Unknown(reason) => State::Unknown(reason),
        };
        process.health.set("broker storage", storage);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}
