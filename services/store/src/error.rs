//! The crate's error and its one map to gRPC status codes.

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
    /// A queue or the disk is full.
    #[error("{0}")]
    Exhausted(String),
    /// The collection or the whole store is stopping.
    #[error("the store is stopping")]
    Stopping,
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
    #[error("the engine panicked in {0}")]
    Panicked(&'static str),
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
    /// An I/O error with what was attempted; a full disk becomes [`Error::Exhausted`].
    pub fn io(context: impl Into<String>, source: io::Error) -> Self {
        let context = context.into();
        if is_full(&source) {
            return Self::Exhausted(format!("{context}: {source}"));
        }
        Self::Io { context, source }
    }

    /// Whether the same request would fail again for the same reason, so that a replay may skip it.
    pub fn is_refusal(&self) -> bool {
        matches!(self.code(), Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::Unimplemented)
    }

    /// The gRPC code of this error.
    pub fn code(&self) -> Code {
        match self {
            Self::InvalidArgument(_) => Code::InvalidArgument,
            Self::NotFound(_) => Code::NotFound,
            Self::AlreadyExists(_) => Code::AlreadyExists,
            Self::Unimplemented(_) => Code::Unimplemented,
            Self::Exhausted(_) => Code::ResourceExhausted,
            Self::Stopping => Code::Unavailable,
            Self::Redo(error) => error.code(),
            Self::Engine(error) => engine_code(error),
            Self::Shared(error) => error.code(),
            Self::Locked(_) => Code::FailedPrecondition,
            Self::Io { .. } | Self::Metadata { .. } | Self::Panicked(_) | Self::Transport(_) => Code::Internal,
        }
    }
}

/// Whether the disk or its quota is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
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
