//! Measurements over the real program: times that a promise names, on a cluster that nobody strikes.

mod fairness;
mod idle;
mod replay;
mod restart;
mod traffic;

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::Value;

use crate::cluster::{Cluster, Placement, Plan};

pub use traffic::{Traffic, quantile};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Event to searchable of one small document on an idle system.
    Idle,
    /// What one org's backfill costs another org's few uploads, and a single one.
    Fairness,
    /// Replaying dead letters under a rate limit, and what live traffic notices of it.
    Replay,
    /// From a kill or a stop of the store and of everything to the first answer, with many points.
    Restart,
}

impl Measure {
    /// How many by default: uploads, the backfill's documents, dead letters, points.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::Idle => 100,
            Self::Fairness => 5_000,
            Self::Replay => 10_000,
            Self::Restart => 200_000,
        }
    }

    /// Measures with `count` of them, in processes placed like this.
    ///
    /// # Errors
    /// When a cluster does not start, or what is measured does not come to its end.
    pub async fn run(self, count: usize, placement: Placement) -> anyhow::Result<Value> {
        match self {
            Self::Idle => idle::measure(count, placement).await,
            Self::Fairness => fairness::measure(count, placement).await,
            Self::Replay => replay::measure(count, placement).await,
            Self::Restart => restart::measure(count, placement).await,
        }
    }
}

/// A cluster with the default settings and these variables.
async fn start(placement: Placement, variables: &[(&str, &str)]) -> anyhow::Result<Cluster> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (copies, volumes) = (BTreeMap::new(), BTreeMap::new());
    Cluster::start(&Plan { placement, copies, variables, volumes, proxied: false, seed: 0 }).await
}
