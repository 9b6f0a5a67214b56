//! One permit: pulls a message, sees it through, pulls the next. Nothing is pulled that cannot be started at once.

use std::sync::Arc;
use std::time::Duration;

use heimdex_bus::{Delivery, LanePuller, Pulled, Wait};
use heimdex_schemas::Lane;
use heimdex_stage::Stage;

use super::breaker::Pass;
use super::watch::Gate;
use super::{RunError, Worker};

/// Pause after an answer that said "not now", so that a broken broker is not asked in a tight loop.
const UNAVAILABLE_PAUSE: Duration = Duration::from_millis(200);

/// Which lanes a slot serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Only interactive work, so that a backfill never holds every permit.
    Interactive,
    /// Interactive first, bulk when there is none.
    Shared,
}

pub(crate) struct Slot<S> {
    worker: Arc<Worker<S>>,
    interactive: LanePuller,
    bulk: Option<LanePuller>,
    /// The last look at the interactive lane was a long one.
    waited: bool,
}

impl<S: Stage> Slot<S> {
    pub async fn open(worker: Arc<Worker<S>>, role: Role) -> Result<Self, RunError> {
        let interactive = worker.bus.puller(S::NAME, Lane::Interactive).await?;
        let bulk = match role {
            Role::Interactive => None,
            Role::Shared => Some(worker.bus.puller(S::NAME, Lane::Bulk).await?),
        };
        Ok(Self { worker, interactive, bulk, waited: false })
    }

    pub async fn run(mut self) -> Result<(), RunError> {
        let shutdown = self.worker.shutdown.clone();
        loop {
            let turn = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                turn = self.turn() => turn,
            };
            match turn {
                Turn::Message(delivery, pass) => {
                    self.worker.process(&delivery).await;
                    drop(pass);
                }
                Turn::Nothing => {}
                Turn::Pause => {
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = tokio::time::sleep(UNAVAILABLE_PAUSE) => {}
                    }
                }
                Turn::Gone(lane) => return Err(RunError::ConsumerGone { stage: S::NAME.as_str(), lane }),
            }
        }
        self.close().await;
        Ok(())
    }

    /// Admission and one pull. Cancelled only by a shutdown, after which [`Slot::close`] collects what was under way.
    async fn turn(&mut self) -> Turn {
        let gate = self.worker.floodgate.admit().await;
        let pass = self.worker.breaker.admit().await;
        let (lane, pulled) = self.pull(gate).await;
        match pulled {
            Pulled::Message(delivery) => Turn::Message(delivery, pass),
            Pulled::Empty => Turn::Nothing,
            Pulled::ConsumerGone => Turn::Gone(lane),
            Pulled::Unavailable(reason) => {
                tracing::warn!(%lane, reason, "pulling");
                Turn::Pause
            }
        }
    }

    async fn pull(&mut self, gate: Gate) -> (Lane, Pulled) {
        let config = &self.worker.config;
        let Some(bulk) = self.bulk.as_mut() else {
            return (Lane::Interactive, self.interactive.pull(Wait::For(config.long_poll)).await);
        };
        if gate == Gate::InteractiveOnly {
            return (Lane::Interactive, self.interactive.pull(Wait::For(config.lane_poll)).await);
        }
        if !std::mem::take(&mut self.waited) {
            match self.interactive.pull(Wait::No).await {
                Pulled::Empty => {}
                found => return (Lane::Interactive, found),
            }
        }
        match bulk.pull(Wait::No).await {
            Pulled::Empty => {}
            found => return (Lane::Bulk, found),
        }
        let found = self.interactive.pull(Wait::For(config.lane_poll)).await;
        self.waited = matches!(found, Pulled::Empty);
        (Lane::Interactive, found)
    }

    /// Gives back what the broker sent while the slot was told to stop.
    async fn close(mut self) {
        let mut late: Vec<Box<Delivery>> = Vec::new();
        late.extend(self.interactive.close().await);
        if let Some(bulk) = self.bulk.as_mut() {
            late.extend(bulk.close().await);
        }
        for delivery in late {
            self.worker.give_back_unopened(&delivery).await;
        }
    }
}

enum Turn {
    Message(Box<Delivery>, Pass),
    Nothing,
    Pause,
    Gone(Lane),
}
