//! Why a part could not be written or an asset not be deleted, and what that means for the message.

use heimdex_index::IndexError;
use heimdex_schemas::Org;
use heimdex_stage::{
    AcceptError, BlobError, Class, Classify, DeadLettersUnavailable, LedgerError, OriginError, STORAGE_FULL,
};

/// A failure of the writer, the eraser or the purger.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    DeadLetters(#[from] DeadLettersUnavailable),
    #[error(transparent)]
    Accept(#[from] AcceptError),
    #[error(transparent)]
    Origin(#[from] OriginError),
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
    #[error("a message of {subject} says that it is about {said}")]
    ForeignOrg { subject: Org, said: Org },
    /// Points of what was deleted kept coming; the next attempt finds fewer.
    #[error("{points} points of what was deleted are still there after {rounds} rounds")]
    Remains { points: u64, rounds: u32 },
}

impl Classify for WriterError {
    fn class(&self) -> Class {
        match self {
            Self::Index(error) => index_class(error),
            Self::Ledger(error) => error.class(),
            Self::Blob(error) => error.class(),
            Self::DeadLetters(_) => Class::Unavailable,
            Self::Accept(error) => error.class(),
            Self::Origin(error) => error.class(),
            Self::Contended { .. } | Self::Remains { .. } => Class::Transient,
            Self::Record { .. } | Self::Part { .. } | Self::NoDocument | Self::ForeignOrg { .. } => Class::Permanent,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Index(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Blob(BlobError::Full(_)) => STORAGE_FULL,
            Self::Blob(BlobError::Missing(_) | BlobError::Corrupt { .. } | BlobError::TooLarge { .. }) => {
                "blob_refused"
            }
            Self::Blob(BlobError::Unavailable(_)) => "blobs_unavailable",
            Self::DeadLetters(_) => "dead_letters_unavailable",
            Self::Accept(error) => error.code(),
            Self::Origin(error) => error.code(),
            Self::Record { .. } => "ledger_corrupt",
            Self::Contended { .. } => "contended",
            Self::Part { .. } => "bad_part",
            Self::NoDocument => "document_missing",
            Self::ForeignOrg { .. } => "org_mismatch",
            Self::Remains { .. } => "points_remain",
        }
    }
}

/// A collection of another shape is the operator's to mend: no document is given up for it.
fn index_class(error: &IndexError) -> Class {
    match error {
        IndexError::Unavailable { .. }
        | IndexError::Full { .. }
        | IndexError::Address { .. }
        | IndexError::Mismatch { .. } => Class::Unavailable,
        IndexError::Rejected { .. }
        | IndexError::Space { .. }
        | IndexError::Vector { .. }
        | IndexError::PointId { .. }
        | IndexError::Foreign { .. }
        | IndexError::Payload { .. } => Class::Permanent,
    }
}
