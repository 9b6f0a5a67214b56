//! Why a part could not be written, and what that means for its message.

use heimdex_index::IndexError;
use heimdex_schemas::Org;
use heimdex_stage::{Class, Classify, LedgerError};

/// A failure of the writer.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A value that an earlier run wrote cannot be read.
    #[error("the ledger's value of {key} cannot be read: {reason}")]
    Record { key: String, reason: String },
    /// Others kept changing the same key.
    #[error("{key} changed under each of {attempts} attempts")]
    Contended { key: String, attempts: u32 },
    #[error("part {part} of {parts} does not exist")]
    Part { part: u32, parts: u32 },
    /// Vectors without the facts of their document.
    #[error("a part with vectors says nothing about its document")]
    NoDocument,
    #[error("a message of {subject} carries an upload of {lineage}")]
    ForeignOrg { subject: Org, lineage: Org },
}

impl Classify for WriterError {
    fn class(&self) -> Class {
        match self {
            Self::Index(error) => index_class(error),
            Self::Ledger(LedgerError::Unavailable(_)) => Class::Unavailable,
            Self::Contended { .. } => Class::Transient,
            Self::Ledger(LedgerError::Key(_))
            | Self::Record { .. }
            | Self::Part { .. }
            | Self::NoDocument
            | Self::ForeignOrg { .. } => Class::Permanent,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Index(error) => error.code(),
            Self::Ledger(LedgerError::Unavailable(_)) => "ledger_unavailable",
            Self::Ledger(LedgerError::Key(_)) => "ledger_key",
            Self::Record { .. } => "ledger_corrupt",
            Self::Contended { .. } => "contended",
            Self::Part { .. } => "bad_part",
            Self::NoDocument => "document_missing",
            Self::ForeignOrg { .. } => "foreign_org",
        }
    }
}

/// A collection of another shape is the operator's to mend: no document is given up for it.
fn index_class(error: &IndexError) -> Class {
    match error {
        IndexError::Unavailable { .. } | IndexError::Address { .. } | IndexError::Mismatch { .. } => Class::Unavailable,
        IndexError::Rejected { .. }
        | IndexError::Space { .. }
        | IndexError::Vector { .. }
        | IndexError::PointId { .. }
        | IndexError::Foreign { .. }
        | IndexError::Payload { .. } => Class::Permanent,
    }
}
