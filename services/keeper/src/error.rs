//! Why a round of the keeper ended early. The next round begins anew, so nothing here is final.

use heimdex_bus::{BusError, PublishError};
use heimdex_index::IndexError;
use heimdex_redrive::RedriveError;
use heimdex_stage::{BlobError, LedgerError, OriginError};

/// A failure of the keeper.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Another keeper may be at work by now.
    #[error("the lease of term {term} has run out")]
    LeaseLost { term: u64 },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(transparent)]
    Redrive(#[from] RedriveError),
    /// A value that somebody wrote cannot be read.
    #[error("the ledger's value of {key} cannot be read: {reason}")]
    Record { key: String, reason: String },
}
