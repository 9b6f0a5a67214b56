//! Why a search has no answer, and the code that a caller sees.

use heimdex_index::IndexError;

/// A request that asks for what cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field of the request, as the caller wrote it.
    pub field: String,
    pub reason: String,
}

impl Invalid {
    pub(crate) fn new(field: &str, reason: impl ToString) -> Self {
        Self { field: field.to_owned(), reason: reason.to_string() }
    }
}

/// A failed search.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Only the dense leg was asked for, and it cannot run.
    #[error("the model {model} is away: {reason}")]
    ModelAway { model: String, reason: String },
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("no answer within {0} ms")]
    Deadline(u128),
    #[error("the answer cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

impl SearchError {
    /// As in HTTP.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) => 400,
            Self::ModelAway { .. } => 503,
            Self::Index(error) if error.is_transient() => 503,
            Self::Index(_) | Self::Unwritable(_) => 500,
            Self::Deadline(_) => 504,
        }
    }
}
