//! Looks at the queues: stops pulling while the next one is too long, and keeps gauges and the broker's health fresh.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heimdex_bus::{Durability, topology};
use heimdex_stage::{Event, Stage};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Process, Worker};
use crate::health::State;

/// Closed while the stage below lags over its mark.
pub(crate) struct Floodgate(watch::Sender<bool>);

impl Default for Floodgate {
    fn default() -> Self {
        Self(watch::Sender::new(true))
    }
}

impl Floodgate {
    /// Waits until it is open.
    pub async fn admit(&self) {
        // The sender lives in `self`, so the channel cannot close while somebody waits.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }

    /// Whether that was a change.
    fn set(&self, open: bool) -> bool {
        self.0.send_if_modified(|state| std::mem::replace(state, open) != open)
    }

    fn is_open(&self) -> bool {
        *self.0.borrow()
    }
}

/// Runs until aborted.
pub(crate) async fn queues<S: Stage>(worker: Arc<Worker<S>>) {
    let mut last = Instant::now();
    loop {
        look_below(&worker).await;
        look_at_own(&worker).await;
        let passed = last.elapsed();
        last = Instant::now();
        if !worker.floodgate.is_open() {
            worker.metrics.blocked.inc_by(passed.as_secs_f64());
        }
        tokio::time::sleep(worker.config.watch_interval).await;
    }
}

async fn look_below<S: Stage>(worker: &Worker<S>) {
    let below = S::Out::STREAM;
    if !topology::is_queue(below) {
        return;
    }
    match worker.bus.stream_messages(below).await {
        Ok(messages) => {
            let open = messages <= worker.config.downstream_mark;
            if worker.floodgate.set(open) {
                tracing::info!(stream = below, messages, open, "the queue below");
            }
        }
        Err(error) => tracing::debug!(%error, "the queue below could not be looked at"),
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
    report_breaker(worker);
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
    let state = if worker.breaker.is_closed() { State::Yes } else { State::No("a dependency is away".to_owned()) };
    worker.health.set(&component, state);
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
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}
