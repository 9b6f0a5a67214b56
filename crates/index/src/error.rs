//! What can go wrong between us and Qdrant, and whether it may pass by itself.

use qdrant_client::QdrantError;
use tonic::{Code, Status};

/// Shorthand of this crate.
pub type Result<T, E = IndexError> = std::result::Result<T, E>;

/// A failed call to the index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The server is away, overloaded, refuses our credentials, or does not know a call that we need. Nothing about the
    /// request is wrong: the same one may succeed later.
    #[error("the index is unavailable ({code}): {message}")]
    Unavailable { code: String, message: String },
    /// The server's disk is full; it recovers when space returns.
    #[error("the index has no room ({code}): {message}")]
    Full { code: String, message: String },
    /// The server refused the request for what it says; sending it again changes nothing.
    #[error("the index rejected the request ({code}): {message}")]
    Rejected { code: String, message: String },
    /// The address of the server cannot be used.
    #[error("{url:?} is not the address of a Qdrant server: {message}")]
    Address { url: String, message: String },
    /// A collection of that name exists with other vectors; `differences` names each setting, found and wanted.
    #[error("collection {collection} does not fit: {}", differences.join("; "))]
    Mismatch { collection: String, differences: Vec<String> },
    /// A collection's name may have only `A-Z a-z 0-9 _ - .`, and a space's dimension is at least 1.
    #[error("model {model:?} and space {space:?} of {dimension} dimensions do not name a collection")]
    Space { model: String, space: String, dimension: u32 },
    /// A vector is not as long as the collection's, or holds numbers that are not finite.
    #[error("point {point}: {reason}")]
    Vector { point: String, reason: String },
    /// A point's id is not the one that its upload, space and ordinal give, so it could overwrite another point.
    #[error("point {found} stands for ordinal {ordinal}, whose id is {expected}")]
    PointId { ordinal: u32, found: String, expected: String },
    /// A point of one organization was handed to the scope of another.
    #[error("points of {found} cannot be written in the scope of {scope}")]
    Foreign { scope: String, found: String },
    /// A stored point cannot be read back.
    #[error("point {point} has an unreadable payload: {reason}")]
    Payload { point: String, reason: String },
}

impl IndexError {
    /// Whether the same call may succeed later without anything being changed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Full { .. } => true,
            Self::Rejected { .. }
            | Self::Address { .. }
            | Self::Mismatch { .. }
            | Self::Space { .. }
            | Self::Vector { .. }
            | Self::PointId { .. }
            | Self::Foreign { .. }
            | Self::Payload { .. } => false,
        }
    }

    /// Stable, snake_case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "index_unavailable",
            Self::Full { .. } => "storage_full",
            Self::Rejected { .. } => "index_rejected",
            Self::Address { .. } => "index_address",
            Self::Mismatch { .. } => "collection_mismatch",
            Self::Space { .. } => "bad_space",
            Self::Vector { .. } => "bad_vector",
            Self::PointId { .. } => "point_id_mismatch",
            Self::Foreign { .. } => "foreign_org",
            Self::Payload { .. } => "payload_unreadable",
        }
    }
}

impl From<QdrantError> for IndexError {
    fn from(error: QdrantError) -> Self {
        match error {
            QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => status.into(),
            QdrantError::Io(error) => unavailable("Io", error.to_string()),
            QdrantError::ConversionError(message) | QdrantError::NoSnapshotFound(message) => {
                rejected("Conversion", message)
            }
            QdrantError::InvalidUri(error) => Self::Address { url: String::new(), message: error.to_string() },
            error @ (QdrantError::JsonToPayload(_) | QdrantError::PayloadDeserialization(_)) => {
                rejected("Payload", error.to_string())
            }
        }
    }
}

impl From<Status> for IndexError {
    fn from(status: Status) -> Self {
        let code = format!("{:?}", status.code());
        if says_full(status.message()) {
            return Self::Full { code, message: status.message().to_owned() };
        }
        match status.code() {
            Code::InvalidArgument
            | Code::OutOfRange
            | Code::FailedPrecondition
            | Code::AlreadyExists
            | Code::DataLoss => rejected(&code, status.message().to_owned()),
            // The client reports a refused connection as Internal; wrong credentials and missing calls are the
            // operator's to mend, and a document must not be given up for them.
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::Unauthenticated => unavailable(&code, status.message().to_owned()),
        }
    }
}

/// Whether a server says that its disk is full: our store, Qdrant, or the C library through either.
fn says_full(message: &str) -> bool {
    let phrases = ["storage full", "No space left on device", "Disk quota exceeded", "Not enough space available"];
    phrases.iter().any(|phrase| message.contains(phrase))
}

fn unavailable(code: &str, message: String) -> IndexError {
    IndexError::Unavailable { code: code.to_owned(), message }
}

fn rejected(code: &str, message: String) -> IndexError {
    IndexError::Rejected { code: code.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_request_is_not_to_blame_for_is_transient() {
        for status in
            [Status::unavailable(""), Status::internal(""), Status::unauthenticated(""), Status::not_found("")]
        {
            assert!(IndexError::from(status).is_transient());
        }
        let full = IndexError::from(Status::resource_exhausted("storage full: 0 bytes are free"));
        assert_eq!((full.is_transient(), full.code()), (true, "storage_full"));
        for status in [Status::invalid_argument(""), Status::out_of_range(""), Status::failed_precondition("")] {
            assert!(!IndexError::from(status).is_transient());
        }
    }
}
