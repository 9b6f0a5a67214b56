//! Every metric name of the keeper.

use std::fmt;
use std::sync::atomic::AtomicU64;

use heimdex_runtime::Metrics;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::duties::Duty;

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    DeadPoint,
    StagedPoint,
    WorkBlob,
    OriginalBlob,
    OrphanPieces,
    Attempt,
    Part,
    Origin,
    Receipt,
    Acceptance,
    Cancellation,
    /// What the headers of a dead letter had no room for, left behind by a letter that the broker dropped.
    Letter,
    Redrive,
    Marker,
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::DeadPoint => "dead_point",
            Self::StagedPoint => "staged_point",
            Self::WorkBlob => "work_blob",
            Self::OriginalBlob => "original_blob",
            Self::OrphanPieces => "orphan_pieces",
            Self::Attempt => "attempt",
            Self::Part => "part",
            Self::Origin => "origin",
            Self::Receipt => "receipt",
            Self::Acceptance => "acceptance",
            Self::Cancellation => "cancellation",
            Self::Letter => "letter",
            Self::Redrive => "redrive",
            Self::Marker => "marker",
        }
    }
}

impl EncodeLabelValue for Kind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.label().encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByDuty {
    duty: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    duty: &'static str,
    outcome: &'static str,
}

/// Of one process. Cloning shares them.
#[derive(Clone)]
pub struct KeeperMetrics {
    removed: Family<ByKind, Counter>,
    rounds: Family<ByOutcome, Counter>,
    seconds: Family<ByDuty, Histogram, fn() -> Histogram>,
    finished_at: Family<ByDuty, Gauge<f64, AtomicU64>>,
    /// 1 while this process is the keeper.
    pub holds: Gauge,
    pub term: Gauge,
    /// Accepted and without a receipt.
    pub open: Gauge,
    /// Of those, queued without a sign of life.
    pub stuck: Gauge,
    pub redriven: Counter,
    pub lost: Counter,
    /// Messages that no consumer delivered until it was made anew.
    pub stranded: Counter,
}

/// 10 ms to an hour.
fn durations() -> Histogram {
    Histogram::new([0.01, 0.05, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0])
}

impl KeeperMetrics {
    /// Adds them to the process's registry.
    #[must_use]
    pub fn new(process: &Metrics) -> Self {
        let metrics = Self {
            removed: Family::default(),
            rounds: Family::default(),
            seconds: Family::new_with_constructor(durations),
            finished_at: Family::default(),
            holds: Gauge::default(),
            term: Gauge::default(),
            open: Gauge::default(),
            stuck: Gauge::default(),
            redriven: Counter::default(),
            lost: Counter::default(),
            stranded: Counter::default(),
        };
        process.register(|r| {
            r.register("heimdex_keeper_removed", "What was removed, by kind", metrics.removed.clone());
            r.register("heimdex_keeper_rounds", "Rounds, by duty and outcome", metrics.rounds.clone());
            r.register("heimdex_keeper_round_seconds", "Time of a round", metrics.seconds.clone());
            let finished = "When a duty's last good round ended, Unix seconds";
            r.register("heimdex_keeper_finished_timestamp_seconds", finished, metrics.finished_at.clone());
            r.register("heimdex_keeper_holds_lease", "1 while this process is the keeper", metrics.holds.clone());
            r.register("heimdex_keeper_term", "The lease's fencing token", metrics.term.clone());
            r.register("heimdex_keeper_open_uploads", "Accepted uploads without a receipt", metrics.open.clone());
            let stuck = "Queued uploads without a sign of life";
            r.register("heimdex_keeper_stuck_uploads", stuck, metrics.stuck.clone());
            r.register("heimdex_keeper_redriven", "Lost uploads driven again", metrics.redriven.clone());
            r.register("heimdex_keeper_lost", "Uploads ended as lost_upstream", metrics.lost.clone());
            r.register(
                "heimdex_keeper_stranded",
                "Messages no consumer delivered until it was made anew",
                metrics.stranded.clone(),
            );
        });
        metrics
    }

    pub fn count_removed(&self, kind: Kind, count: u64) {
        if count > 0 {
            self.removed.get_or_create(&ByKind { kind }).inc_by(count);
        }
    }

    /// How many of a kind were removed since the process started.
    #[must_use]
    pub fn removed(&self, kind: Kind) -> u64 {
        self.removed.get_or_create(&ByKind { kind }).get()
    }

    pub(crate) fn round(&self, duty: Duty, seconds: f64, is_good: bool) {
        let duty = duty.name();
        let outcome = if is_good { "done" } else { "failed" };
        self.rounds.get_or_create(&ByOutcome { duty, outcome }).inc();
        self.seconds.get_or_create(&ByDuty { duty }).observe(seconds);
        if is_good {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^52")]
            let now = chrono::Utc::now().timestamp_millis() as f64 / 1000.0;
            self.finished_at.get_or_create(&ByDuty { duty }).set(now);
        }
    }
}
