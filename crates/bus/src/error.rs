//! What can go wrong between a process and its broker.

use heimdex_schemas::subject::SubjectError;
use heimdex_schemas::{EnvelopeError, Org};
use heimdex_stage::{BlobError, Class, STORAGE_FULL};

use crate::topology::TopologyError;

/// Why the broker could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("cannot connect to {url}: {reason}")]
    Connect { url: String, reason: String },
    /// No answer: the server is away, or the stream is between leaders.
    #[error("{what}: the broker did not answer: {reason}")]
    Unavailable { what: String, reason: String },
    #[error("{what} does not exist")]
    Missing { what: String },
    #[error("{what}: the broker refused: {reason}")]
    Refused { what: String, reason: String },
    #[error("{what} cannot be read: {reason}")]
    Malformed { what: String, reason: String },
    #[error(transparent)]
    Topology(#[from] TopologyError),
}

/// Why an event was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The org has as many uploads waiting as it may; try later (HTTP says 429).
    #[error("org {org} has too many uploads waiting")]
    Full { org: Org },
    #[error("the stream of {subject} is full: {reason}")]
    StreamFull { subject: String, reason: String },
    /// The broker's disk or its limit; it recovers when space returns.
    #[error("the broker has no room for {subject}: {reason}")]
    StorageFull { subject: String, reason: String },
    #[error("the message for {subject} is {size} bytes, the limit is {limit}")]
    TooLarge { subject: String, size: usize, limit: usize },
    #[error("no stream takes {subject}")]
    NoStream { subject: String },
    #[error("an event of type {ty} does not say where it belongs")]
    Unaddressed { ty: String },
    #[error(transparent)]
    Encode(#[from] EnvelopeError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("the broker refused the message for {subject}: {reason}")]
    Refused { subject: String, reason: String },
    /// Not confirmed: it may or may not be stored, and sending it again with the same Msg-Id is right.
    #[error("the message for {subject} was not confirmed: {reason}")]
    Unavailable { subject: String, reason: String },
}

impl PublishError {
    /// What the consume loop does with the input whose output could not be published.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::TooLarge { .. } | Self::Unaddressed { .. } | Self::Encode(_) => Class::Permanent,
            Self::Blob(BlobError::TooLarge { .. }) => Class::Permanent,
            Self::Blob(
                BlobError::Missing(_) | BlobError::Corrupt { .. } | BlobError::Unavailable(_) | BlobError::Full(_),
            )
            | Self::Full { .. }
            | Self::StreamFull { .. }
            | Self::StorageFull { .. }
            | Self::NoStream { .. }
            | Self::Refused { .. }
            | Self::Unavailable { .. } => Class::Unavailable,
        }
    }

    /// Stable, snake_case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Full { .. } => "org_full",
            Self::StreamFull { .. } => "stream_full",
            Self::StorageFull { .. } | Self::Blob(BlobError::Full(_)) => STORAGE_FULL,
            Self::TooLarge { .. } => "output_too_large",
            Self::NoStream { .. } => "no_stream",
            Self::Unaddressed { .. } => "output_unaddressed",
            Self::Encode(_) => "output_encoding",
            Self::Blob(_) => "output_blob",
            Self::Refused { .. } => "publish_refused",
            Self::Unavailable { .. } => "publish_unavailable",
        }
    }
}

/// Why an ack, nak or term was not confirmed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the {verb} of {stream} #{sequence} was not confirmed: {reason}")]
pub struct AckError {
    pub verb: &'static str,
    pub stream: String,
    pub sequence: u64,
    pub reason: String,
}

/// Why a delivered message is not a readable event.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("the event's data: {0}")]
    Blob(BlobError),
    /// A reference must stay inside the org that the subject names.
    #[error("the event's data reference is not valid: {0}")]
    Reference(String),
}

impl DecodeError {
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Blob(error) => error.class(),
            Self::Subject(_) | Self::Envelope(_) | Self::Reference(_) => Class::Permanent,
        }
    }

    /// Stable, snake_case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Subject(_) => "subject",
            Self::Envelope(error) => error.code(),
            Self::Reference(_) => "dataref_invalid",
            Self::Blob(BlobError::Missing(_)) => "dataref_missing",
            Self::Blob(BlobError::Corrupt { .. }) => "dataref_corrupt",
            Self::Blob(BlobError::TooLarge { .. }) => "dataref_too_large",
            Self::Blob(BlobError::Unavailable(_)) => "blobs_unavailable",
            Self::Blob(BlobError::Full(_)) => STORAGE_FULL,
        }
    }
}
