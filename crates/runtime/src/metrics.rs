//! Every metric name of the consume loop, and the registry they are scraped from.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use heimdex_schemas::StageName;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Of a message that did not make it, in labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failed {
    Transient,
    Unavailable,
    Permanent,
    Poison,
    Exhausted,
    Cancelled,
    Undecodable,
    Parked,
}

impl EncodeLabelValue for Failed {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let text = match self {
            Self::Transient => "transient",
            Self::Unavailable => "unavailable",
            Self::Permanent => "permanent",
            Self::Poison => "poison",
            Self::Exhausted => "exhausted",
            Self::Cancelled => "cancelled",
            Self::Undecodable => "undecodable",
            Self::Parked => "parked",
        };
        text.encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStage {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByClass {
    stage: &'static str,
    class: Failed,
}

type Seconds = Counter<f64, AtomicU64>;

/// Of one process. Cloning shares the registry.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    received: Family<ByStage, Counter>,
    redelivered: Family<ByStage, Counter>,
    published: Family<ByStage, Counter>,
    duplicates: Family<ByStage, Counter>,
    failed: Family<ByClass, Counter>,
    dead_letters: Family<ByClass, Counter>,
    duration: Family<ByStage, Histogram, fn() -> Histogram>,
    queue_age: Family<ByStage, Histogram, fn() -> Histogram>,
    in_flight: Family<ByStage, Gauge>,
    demoted: Family<ByStage, Counter>,
    blocked: Family<ByStage, Seconds>,
    lag: Family<ByStage, Gauge>,
    orphans: Family<ByStage, Gauge>,
}

/// The metrics of one stage, its label applied.
#[derive(Clone)]
pub struct StageMetrics {
    pub received: Counter,
    pub redelivered: Counter,
    pub published: Counter,
    /// Outputs the broker already had.
    pub duplicates: Counter,
    pub duration: Histogram,
    pub queue_age: Histogram,
    pub in_flight: Gauge,
    /// Uploads that moved to lane bulk because their org crowded lane interactive.
    pub demoted: Counter,
    /// Seconds that pulling was stopped for the queue below.
    pub blocked: Seconds,
    pub lag: Gauge,
    /// Messages no consumer will deliver; must stay 0.
    pub orphans: Gauge,
    failed: Family<ByClass, Counter>,
    dead_letters: Family<ByClass, Counter>,
    stage: &'static str,
}

impl StageMetrics {
    pub fn count_failed(&self, class: Failed) {
        self.failed.get_or_create(&ByClass { stage: self.stage, class }).inc();
    }

    pub fn count_dead_letter(&self, class: Failed) {
        self.dead_letters.get_or_create(&ByClass { stage: self.stage, class }).inc();
    }
}

/// 1 ms to 5 minutes.
fn durations() -> Histogram {
    Histogram::new([0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0])
}

/// 1 ms to a day: a bulk queue may be old on purpose.
fn ages() -> Histogram {
    Histogram::new([0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 600.0, 3600.0, 86400.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Arc::new(Mutex::new(Registry::default())),
            received: Family::default(),
            redelivered: Family::default(),
            published: Family::default(),
            duplicates: Family::default(),
            failed: Family::default(),
            dead_letters: Family::default(),
            duration: Family::new_with_constructor(durations),
            queue_age: Family::new_with_constructor(ages),
            in_flight: Family::default(),
            demoted: Family::default(),
            blocked: Family::default(),
            lag: Family::default(),
            orphans: Family::default(),
        };
        metrics.register(|registry| metrics.register_all(registry));
        metrics
    }
}

impl Metrics {
    /// Adds metrics of the caller's own to the same registry.
    pub fn register<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn register_all(&self, registry: &mut Registry) {
        let r = registry;
        r.register("heimdex_stage_in", "Messages taken from the queue", self.received.clone());
        r.register("heimdex_stage_redeliveries", "Messages delivered more than once", self.redelivered.clone());
        r.register("heimdex_stage_out", "Events published and confirmed", self.published.clone());
        r.register("heimdex_stage_out_duplicates", "Events the broker already had", self.duplicates.clone());
        r.register("heimdex_stage_failed", "Messages that failed, by class", self.failed.clone());
        r.register("heimdex_stage_dead_letters", "Dead letters written, by class", self.dead_letters.clone());
        r.register("heimdex_stage_duration_seconds", "Time in the handler", self.duration.clone());
        r.register("heimdex_stage_queue_age_seconds", "Age of a message when taken", self.queue_age.clone());
        r.register("heimdex_stage_in_flight", "Messages in hand", self.in_flight.clone());
        r.register("heimdex_stage_demoted", "Uploads moved to lane bulk for their org's crowd", self.demoted.clone());
        r.register("heimdex_stage_blocked_seconds", "Time not pulling for the queue below", self.blocked.clone());
        r.register("heimdex_stage_queue_messages", "Messages waiting for the stage", self.lag.clone());
        r.register("heimdex_stage_orphans", "Messages no consumer will deliver", self.orphans.clone());
    }

    #[must_use]
    pub fn stage(&self, stage: StageName) -> StageMetrics {
        let by = ByStage { stage: stage.as_str() };
        StageMetrics {
            received: self.received.get_or_create_owned(&by),
            redelivered: self.redelivered.get_or_create_owned(&by),
            published: self.published.get_or_create_owned(&by),
            duplicates: self.duplicates.get_or_create_owned(&by),
            duration: self.duration.get_or_create_owned(&by),
            queue_age: self.queue_age.get_or_create_owned(&by),
            in_flight: self.in_flight.get_or_create_owned(&by),
            demoted: self.demoted.get_or_create_owned(&by),
            blocked: self.blocked.get_or_create_owned(&by),
            lag: self.lag.get_or_create_owned(&by),
            orphans: self.orphans.get_or_create_owned(&by),
            failed: self.failed.clone(),
            dead_letters: self.dead_letters.clone(),
            stage: by.stage,
        }
    }

    /// The OpenMetrics text.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn names_and_labels_are_as_promised() {
        let metrics = Metrics::default();
        let stage = metrics.stage(StageName::Extractor);
        stage.received.inc();
        stage.count_failed(Failed::Poison);
        stage.blocked.inc_by(0.5);
        stage.duration.observe(0.01);
        let text = metrics.encode().unwrap();
        for line in [
            "heimdex_stage_in_total{stage=\"extractor\"} 1",
            "heimdex_stage_failed_total{stage=\"extractor\",class=\"poison\"} 1",
            "heimdex_stage_blocked_seconds_total{stage=\"extractor\"} 0.5",
            "heimdex_stage_duration_seconds_count{stage=\"extractor\"} 1",
            "heimdex_stage_orphans{stage=\"extractor\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
