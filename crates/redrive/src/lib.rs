//! The policy of dead letters: which to look at, how to group them, replay them, remove them, carry them elsewhere, and
//! what to say before they expire. The command line and HTTP are two faces of this crate.
//!
//! Dead letters themselves, their headers and their stream, belong to `heimdex-bus`. A replay is a message like any
//! other once it is published: that it changes nothing when it comes twice, and never puts an old upload before a newer
//! one, is the stages' doing; this crate only makes sure that both are judged by what the first copy was.

pub mod error;
pub mod expiry;
pub mod filter;
pub mod group;
pub mod history;
pub mod purge;
mod record;
pub mod replay;
mod select;
pub mod transfer;

use std::sync::Arc;

use heimdex_bus::{Bus, DeadLetters, KvLedger};
use heimdex_schemas::ModelName;

pub use error::RedriveError;
pub use expiry::{Announcement, ExpiryMetrics, ExpirySettings};
pub use filter::Filter;
pub use group::{Group, GroupBy, Groups};
pub use history::{Decoded, Moment, Shown};
pub use purge::PurgeReport;
pub use replay::{Destination, Replay, ReplayReport};
pub use transfer::{Exported, Imported};

/// Works on the dead letters of one installation.
#[derive(Clone)]
pub struct Redrive {
    bus: Bus,
    letters: DeadLetters,
    ledger: Arc<KvLedger>,
    /// Who is written into the audit, `user@host`.
    by: String,
    /// The embedding model of uploads that name none.
    default_model: ModelName,
}

impl Redrive {
    /// `by` stands in the audit; `default_model` is the one that the stages are run with.
    #[must_use]
    pub fn new(bus: &Bus, by: impl Into<String>, default_model: ModelName) -> Self {
        Self { letters: bus.dead_letters(), ledger: bus.ledger(), bus: bus.clone(), by: by.into(), default_model }
    }

    /// The dead letters themselves.
    #[must_use]
    pub const fn letters(&self) -> &DeadLetters {
        &self.letters
    }
}
