//! Why a document could not be extracted: the document's own fault, never the service's.

use serde::{Deserialize, Serialize};

/// A typed end of a parse. The same document fails the same way every time, so none of these is worth a retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Failure {
    /// It needs a password (the empty one was tried).
    #[error("the document is encrypted and the empty password does not open it")]
    Encrypted,
    /// It says what it is, but cannot be read as that.
    #[error("the document is corrupt: {detail}")]
    Corrupt { detail: String },
    /// No parser for what the bytes are.
    #[error("unsupported content: {detail}")]
    Unsupported { detail: String },
    /// Over a limit on bytes, pages, text or nesting.
    #[error("the document is too large: {what} is over the limit of {limit}")]
    TooLarge { what: String, limit: u64 },
    /// Over the wall-clock or CPU limit.
    #[error("parsing took longer than {seconds} s of {clock} time")]
    Timeout { clock: Clock, seconds: u64 },
    /// An allocation failed under the memory limit.
    #[error("parsing needed more than {limit_bytes} bytes of memory")]
    OutOfMemory { limit_bytes: u64 },
    /// An archive that unpacks to far more than it holds.
    #[error("archive bomb: {detail}")]
    ArchiveBomb { detail: String },
    /// Zero bytes, only white space, or pages with nothing on them.
    #[error("the document is empty")]
    Empty,
    /// The parser died of a signal, a panic or an unexpected exit.
    #[error("the parser crashed: {detail}")]
    Crashed { detail: String },
}

/// Which clock a [`Failure::Timeout`] ran against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    Wall,
    Cpu,
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Wall => "wall-clock",
            Self::Cpu => "CPU",
        })
    }
}

impl Failure {
    /// Stable, snake_case; part of reports, receipts and dead letters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Corrupt { .. } => "corrupt",
            Self::Unsupported { .. } => "unsupported",
            Self::TooLarge { .. } => "too_large",
            Self::Timeout { .. } => "timeout",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::ArchiveBomb { .. } => "archive_bomb",
            Self::Empty => "empty",
            Self::Crashed { .. } => "crashed",
        }
    }

    /// Whether the parse took its process down with it.
    #[must_use]
    pub fn harmed_its_worker(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::OutOfMemory { .. } | Self::Crashed { .. })
    }

    pub(crate) fn corrupt(detail: impl Into<String>) -> Self {
        Self::Corrupt { detail: detail.into() }
    }

    pub(crate) fn unsupported(detail: impl Into<String>) -> Self {
        Self::Unsupported { detail: detail.into() }
    }

    pub(crate) fn too_large(what: &str, limit: u64) -> Self {
        Self::TooLarge { what: what.to_owned(), limit }
    }
}
