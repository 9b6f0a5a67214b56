//! The keeper at work: waits for the lease, runs the duties under it, each at its own pace, and stops when it is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heimdex_bus::{Bus, KvLedger, ObjectBlobs};
use heimdex_index::Index;
use heimdex_redrive::{ExpiryMetrics, Redrive};
use heimdex_stage::Ledger;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::books::Books;
use crate::duties::{Duty, Round};
use crate::error::KeeperError;
use crate::lease::{Fence, Lease};
use crate::metrics::{KeeperMetrics, Kind};
use crate::settings::Settings;

/// One contender for the lease.
pub struct Keeper {
    pub bus: Bus,
    pub index: Index,
    pub settings: Settings,
    pub metrics: KeeperMetrics,
    pub redrive: Redrive,
    pub expiry: ExpiryMetrics,
}

/// What a duty works with during one term. Cloning shares it.
#[derive(Clone)]
pub struct Desk {
    pub bus: Bus,
    pub index: Index,
    pub settings: Arc<Settings>,
    pub metrics: KeeperMetrics,
    pub fence: Fence,
    pub(crate) redrive: Redrive,
    pub(crate) expiry: ExpiryMetrics,
    pub(crate) ledger: Arc<KvLedger>,
    pub(crate) blobs: Arc<ObjectBlobs>,
}

impl Keeper {
    /// Runs until `shutdown`. A lost broker or index only fails rounds.
    pub async fn run(self, shutdown: CancellationToken) {
        let lease = self.lease();
        let pause = self.settings.lease / 3;
        while !shutdown.is_cancelled() {
            match lease.take().await {
                Ok(Some(fence)) => self.term(&lease, fence, &shutdown).await,
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the lease cannot be asked for"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The lease as this contender asks for it.
    #[must_use]
    pub fn lease(&self) -> Lease {
        let ledger: Arc<dyn Ledger> = self.bus.ledger();
        Lease::new(ledger, uuid::Uuid::new_v4().to_string(), self.settings.lease)
    }

    /// What duties work with under `fence`.
    #[must_use]
    pub fn desk(&self, fence: Fence) -> Desk {
        Desk {
            bus: self.bus.clone(),
            index: self.index.clone(),
            settings: Arc::new(self.settings.clone()),
            metrics: self.metrics.clone(),
            fence,
            redrive: self.redrive.clone(),
            expiry: self.expiry.clone(),
            ledger: self.bus.ledger(),
            blobs: self.bus.blobs(),
        }
    }

    async fn term(&self, lease: &Lease, fence: Fence, shutdown: &CancellationToken) {
        let term = fence.term();
        tracing::info!(term, dry_run = self.settings.dry_run, "this process is the keeper");
        self.metrics.term.set(i64::try_from(term).unwrap_or(i64::MAX));
        self.metrics.holds.set(1);
        let mut duties = JoinSet::new();
        for duty in Duty::ALL {
            let span = tracing::info_span!("keeper", duty = duty.name(), term);
            duties.spawn(repeat(Round::new(duty), self.desk(fence.clone())).instrument(span));
        }
        self.hold(lease, &fence, shutdown).await;
        // Whatever a duty was doing can be left at any point and done again.
        duties.shutdown().await;
        self.metrics.holds.set(0);
        if let Err(error) = lease.release(&fence).await {
            tracing::warn!(%error, "the lease could not be given back; it runs out by itself");
        }
        tracing::info!(term, "this process is no longer the keeper");
    }

    /// Returns when the lease is lost, or with the shutdown.
    async fn hold(&self, lease: &Lease, fence: &Fence, shutdown: &CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.settings.lease / 3) => {}
            }
            match lease.renew(fence).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
            }
            if fence.check().is_err() {
                return;
            }
        }
    }
}

/// One duty, round after round, until the lease is lost.
async fn repeat(mut round: Round, desk: Desk) {
    let duty = round.duty();
    loop {
        let began = Instant::now();
        let result = round.run(&desk).await;
        desk.metrics.round(duty, began.elapsed().as_secs_f64(), result.is_ok());
        match result {
            Ok(()) => {}
            Err(KeeperError::LeaseLost { .. }) => return,
            Err(error) => tracing::warn!(%error, "a round ended early; the next begins anew"),
        }
        tokio::time::sleep(duty.every(&desk.settings).max(Duration::from_millis(1))).await;
    }
}

impl Desk {
    pub(crate) fn books(&self) -> Books<'_> {
        Books::new(&self.ledger)
    }

    /// Counts and logs a removal, whether it was done or only would have been.
    pub(crate) fn removed(&self, kind: Kind, count: u64, what: &str) {
        if count == 0 {
            return;
        }
        if self.settings.dry_run {
            tracing::info!(?kind, count, what, "would be removed");
            return;
        }
        self.metrics.count_removed(kind, count);
        tracing::debug!(?kind, count, what, "removed");
    }

    /// Asked before each action: whether it is still ours to do.
    pub(crate) fn check(&self) -> Result<(), KeeperError> {
        self.fence.check()
    }
}
