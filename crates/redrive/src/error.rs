//! Why dead letters could not be worked on.

use heimdex_bus::{BusError, DecodeError, PublishError};
use heimdex_stage::{Class, Classify, LedgerError, OriginError};

/// A failure of the whole call. What happens to one letter is in the reports.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A message could not be published, though nothing is wrong with it.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The data of a message could not be read just now.
    #[error(transparent)]
    Data(DecodeError),
    /// The event that an upload began with cannot be had.
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error("{key} in the ledger cannot be read: {reason}")]
    Record { key: String, reason: String },
    #[error("there is no dead letter {0}: it was replayed, purged, or has expired")]
    NoLetter(u64),
    #[error("there is no replay run {0:?}")]
    NoRun(String),
    #[error("run {0} has come to its end; start a new one")]
    Ended(String),
    /// A request that makes no sense, and why.
    #[error("{0}")]
    Request(String),
    #[error("line {line}: {reason}")]
    Import { line: u64, reason: String },
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Classify for RedriveError {
    fn class(&self) -> Class {
        match self {
            Self::Bus(
                BusError::Connect { .. }
                | BusError::Unavailable { .. }
                | BusError::Missing { .. }
                | BusError::Refused { .. }
                | BusError::Topology(_),
            ) => Class::Unavailable,
            Self::Ledger(error) => error.class(),
            Self::Publish(error) => error.class(),
            Self::Data(error) => error.class(),
            Self::Origin(error) => error.class(),
            Self::Bus(BusError::Malformed { .. })
            | Self::Record { .. }
            | Self::NoLetter(_)
            | Self::NoRun(_)
            | Self::Ended(_)
            | Self::Request(_)
            | Self::Import { .. }
            | Self::Io(_) => Class::Permanent,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Bus(_) => "broker",
            Self::Ledger(error) => error.code(),
            Self::Publish(error) => error.code(),
            Self::Data(error) => error.code(),
            Self::Origin(error) => error.code(),
            Self::Record { .. } => "ledger_corrupt",
            Self::NoLetter(_) => "no_letter",
            Self::NoRun(_) => "no_run",
            Self::Ended(_) => "run_ended",
            Self::Request(_) => "bad_request",
            Self::Import { .. } => "bad_import",
            Self::Io(_) => "io",
        }
    }
}
