//! The redo log: accepted changes, durable before they are applied.
//!
//! A log is a folder of segment files. Each append writes one frame, the changes of a group of requests, and syncs once.
//! [`frame`] is the byte format, [`log`] the files. What the records mean is the collection's business.

pub mod frame;
pub mod log;

use std::io;
use std::path::PathBuf;

use tonic::Code;

use crate::error::is_full;

pub use frame::{Frame, Record};
pub use log::RedoLog;

/// What can be wrong with a redo log.
#[derive(Debug, thiserror::Error)]
pub enum RedoError {
    /// A frame that was once durable is damaged: valid frames follow it.
    #[error("redo segment {path} is damaged at byte {offset}: {reason}")]
    Corrupt {
        /// The segment file.
        path: PathBuf,
        /// Where the damaged frame begins.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// Frames between two segments are missing.
    #[error("redo segment {path} begins with frame {found}, expected {expected}")]
    Gap {
        /// The segment file.
        path: PathBuf,
        /// Sequence its header names.
        found: u64,
        /// Sequence that follows the segment before it.
        expected: u64,
    },
    /// A frame does not fit the format's 32-bit length.
    #[error("a redo frame of {0} bytes is too large")]
    TooLarge(usize),
    /// The file system refused.
    #[error("redo log {context}: {source}")]
    Io {
        /// What was attempted.
        context: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl RedoError {
    pub(crate) fn io(context: impl Into<String>, source: io::Error) -> Self {
        Self::Io { context: context.into(), source }
    }

    /// The gRPC code of this error: a full disk is RESOURCE_EXHAUSTED.
    pub fn code(&self) -> Code {
        match self {
            Self::Io { source, .. } if is_full(source) => Code::ResourceExhausted,
            Self::TooLarge(_) => Code::InvalidArgument,
            Self::Corrupt { .. } | Self::Gap { .. } => Code::DataLoss,
            Self::Io { .. } => Code::Internal,
        }
    }
}
