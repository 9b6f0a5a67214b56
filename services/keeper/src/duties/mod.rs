//! The duties, one module each. A round does what is due, within its limits, and returns; it can be left at any point.

pub mod blobs;
pub mod expiry;
pub mod points;
pub mod queues;
pub mod records;
pub mod work;

use std::time::Duration;

use crate::error::KeeperError;
use crate::service::Desk;
use crate::settings::Settings;

/// What the keeper does, each at its own pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    Points,
    Blobs,
    Records,
    Work,
    Expiry,
    Queues,
}

impl Duty {
    pub const ALL: [Self; 6] = [Self::Points, Self::Blobs, Self::Records, Self::Work, Self::Expiry, Self::Queues];

    /// The label of metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Points => "points",
            Self::Blobs => "blobs",
            Self::Records => "records",
            Self::Work => "work",
            Self::Expiry => "expiry",
            Self::Queues => "queues",
        }
    }

    pub(crate) const fn every(self, settings: &Settings) -> Duration {
        match self {
            Self::Points => settings.points_every,
            Self::Blobs => settings.blobs_every,
            Self::Records => settings.records_every,
            Self::Work => settings.work_every,
            Self::Expiry => settings.expiry_every,
            Self::Queues => settings.queues_every,
        }
    }
}

/// A duty and what it remembers from round to round.
pub(crate) enum Round {
    Points,
    Blobs(blobs::Collector),
    Records(records::Tidier),
    Work(work::Watch),
    Expiry,
    Queues(queues::Mender),
}

impl Round {
    pub(crate) fn new(duty: Duty) -> Self {
        match duty {
            Duty::Points => Self::Points,
            Duty::Blobs => Self::Blobs(blobs::Collector::default()),
            Duty::Records => Self::Records(records::Tidier::default()),
            Duty::Work => Self::Work(work::Watch::default()),
            Duty::Expiry => Self::Expiry,
            Duty::Queues => Self::Queues(queues::Mender::default()),
        }
    }

    pub(crate) const fn duty(&self) -> Duty {
        match self {
            Self::Points => Duty::Points,
            Self::Blobs(_) => Duty::Blobs,
            Self::Records(_) => Duty::Records,
            Self::Work(_) => Duty::Work,
            Self::Expiry => Duty::Expiry,
            Self::Queues(_) => Duty::Queues,
        }
    }

    pub(crate) async fn run(&mut self, desk: &Desk) -> Result<(), KeeperError> {
        desk.check()?;
        match self {
            Self::Points => points::round(desk).await.map(|_| ()),
            Self::Blobs(collector) => collector.round(desk).await.map(|_| ()),
            Self::Records(tidier) => tidier.round(desk).await,
            Self::Work(watch) => watch.round(desk).await.map(|_| ()),
            Self::Expiry => expiry::round(desk).await,
            Self::Queues(mender) => mender.round(desk).await.map(|_| ()),
        }
    }
}
