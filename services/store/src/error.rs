//! The crate's error and its one map to gRPC status codes.

use std::any::Any;
use std::io;

use qdrant_edge::OperationError;
use tonic::{Code, Status};

use crate::redo::RedoError;

/// Everything that can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be understood or breaks a rule of the collection.
    #[error("{0}")]
    InvalidArgument(String),
    /// A collection, alias or point that does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A collection or alias of that name is already there.
    #[error("{0}")]
    AlreadyExists(String),
    /// Something Qdrant offers and this store does not; the text names it.
    #[error("{0} is not supported by this store")]
    Unimplemented(String),
    /// A queue is full.
    #[error("{0}")]
    Exhausted(String),
    /// The volume that holds the data is full; the text names it and says what to do.
    #[error("storage full: {0}")]
    StorageFull(String),
    /// The collection or the whole store is stopping.
    #[error("the store is stopping")]
    Stopping,
    /// The collection's engine is loaded anew after a failure; the text says which.
    #[error("the collection is being reloaded: {0}")]
    Reloading(String),
    /// The data folder is already served by another process.
    #[error("{0} is in use by another store")]
    Locked(std::path::PathBuf),
    /// A file of the store could not be read or written.
    #[error("{context}: {source}")]
    Io {
        /// What was attempted.
        context: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A metadata file holds something this version cannot read.
    #[error("{path}: {source}")]
    Metadata {
        /// The file.
        path: std::path::PathBuf,
        /// Why it cannot be read.
        #[source]
        source: serde_json::Error,
    },
    /// The redo log is damaged or cannot be written.
    #[error(transparent)]
    Redo(#[from] RedoError),
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(#[from] OperationError),
    /// The engine panicked; the panic was contained.
    #[error("the engine panicked in {what}: {message}")]
    Panicked {
        /// What it was doing.
        what: &'static str,
        /// What the panic said.
        message: String,
    },
    /// One failure that several grouped requests share.
    #[error(transparent)]
    Shared(#[from] std::sync::Arc<Error>),
    /// The socket could not be served.
    #[error("transport: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// What callers of this crate's internals get.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An I/O error with what was attempted; a full disk becomes [`Error::StorageFull`].
    pub fn io(context: impl Into<String>, source: io::Error) -> Self {
        let context = context.into();
        if is_full(&source) {
            return Self::StorageFull(format!("{context}: {source}"));
        }
        Self::Io { context, source }
    }

    /// A contained panic, from what it carried.
    pub fn panicked(what: &'static str, payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let message = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        Self::Panicked { what, message }
    }

    /// A task that did not end by itself.
    pub fn unfinished(what: &'static str, error: &tokio::task::JoinError) -> Self {
        Self::Panicked { what, message: error.to_string() }
    }

    /// Whether a full disk is the cause. The engine passes its I/O errors on as text.
    pub fn is_storage_full(&self) -> bool {
        match self {
            Self::StorageFull(_) => true,
            Self::Io { source, .. } | Self::Redo(RedoError::Io { source, .. }) => is_full(source),
            Self::Engine(error) => says_full(&error.to_string()),
            Self::Panicked { message, .. } => says_full(message),
            Self::Shared(error) => error.is_storage_full(),
            _ => false,
        }
    }

    /// Whether the same request would fail again for the same reason, so that a replay may skip it.
    pub fn is_refusal(&self) -> bool {
        matches!(self.code(), Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::Unimplemented)
    }

    /// The gRPC code of this error.
    pub fn code(&self) -> Code {
        match self {
            error if error.is_storage_full() => Code::ResourceExhausted,
            Self::InvalidArgument(_) => Code::InvalidArgument,
            Self::NotFound(_) => Code::NotFound,
            Self::AlreadyExists(_) => Code::AlreadyExists,
            Self::Unimplemented(_) => Code::Unimplemented,
            Self::Exhausted(_) | Self::StorageFull(_) => Code::ResourceExhausted,
            Self::Stopping | Self::Reloading(_) => Code::Unavailable,
            Self::Redo(error) => error.code(),
            Self::Engine(error) => engine_code(error),
            Self::Shared(error) => error.code(),
            Self::Locked(_) => Code::FailedPrecondition,
            Self::Io { .. } | Self::Metadata { .. } | Self::Panicked { .. } | Self::Transport(_) => Code::Internal,
        }
    }
}

/// Whether the disk, its quota or the process's limit on file sizes is full.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Whether a text repeats what the C library or the engine says of a full disk.
fn says_full(text: &str) -> bool {
    let phrases = ["No space left on device", "Disk quota exceeded", "File too large", "Not enough space available"];
    phrases.iter().any(|phrase| text.contains(phrase))
}

fn engine_code(error: &OperationError) -> Code {
    match error {
        OperationError::WrongVectorDimension { .. }
        | OperationError::VectorNameNotExists { .. }
        | OperationError::TypeError { .. }
        | OperationError::TypeInferenceError { .. }
        | OperationError::ValidationError { .. }
        | OperationError::WrongSparse
        | OperationError::WrongMulti
        | OperationError::MissingRangeIndexForOrderBy { .. }
        | OperationError::MissingMapIndexForFacet { .. }
        | OperationError::VariableTypeError { .. }
        | OperationError::NonFiniteNumber { .. } => Code::InvalidArgument,
        OperationError::PointIdError { .. } => Code::NotFound,
        OperationError::OutOfMemory { .. } => Code::ResourceExhausted,
        OperationError::Timeout { .. } => Code::DeadlineExceeded,
        OperationError::Cancelled { .. } => Code::Unavailable,
        OperationError::ServiceError { .. } | OperationError::InconsistentStorage { .. } => Code::Internal,
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// [`Error::InvalidArgument`] from anything that can say why.
pub fn invalid(reason: impl ToString) -> Error {
    Error::InvalidArgument(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_recognized_in_every_form() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let errors = [
            Error::io("write a file", full()),
            RedoError::io("append", full()).into(),
            RedoError::io("append", io::ErrorKind::FileTooLarge.into()).into(),
            OperationError::service_error("IO Error: No space left on device (os error 28)").into(),
            Error::panicked("flush", &"segments flushed: No space left on device".to_string()),
            Error::Shared(std::sync::Arc::new(Error::StorageFull("/".into()))),
        ];
        for error in errors {
            assert!(error.is_storage_full(), "{error}");
        }
        assert!(!Error::io("write a file", io::ErrorKind::PermissionDenied.into()).is_storage_full());
        assert!(!Error::panicked("flush", &"a bug").is_storage_full());
    }
}
