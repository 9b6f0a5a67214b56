//! Why a search has no answer, and the code that a caller sees.

use heimdex_index::IndexError;
use serde_json::{Value, json};

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
    /// The receipt that was asked for has not been seen within the deadline.
    #[error(
        "the newest receipt is {sequence}, {min_seq} was asked for and did not come within {waited_ms} ms; ask again, or \
         give a longer deadline_ms"
    )]
    NotYet { min_seq: u64, sequence: u64, waited_ms: u128 },
    #[error("the answer cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

impl SearchError {
    /// As in HTTP.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) => 400,
            Self::ModelAway { .. } | Self::NotYet { .. } => 503,
            Self::Index(error) if error.is_transient() => 503,
            Self::Index(_) | Self::Unwritable(_) => 500,
            Self::Deadline(_) => 504,
        }
    }

    /// Stable, snake_case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::ModelAway { .. } => "model_away",
            Self::NotYet { .. } => "not_yet",
            Self::Index(error) if error.is_transient() => "index_unavailable",
            Self::Index(_) | Self::Unwritable(_) => "internal",
            Self::Deadline(_) => "deadline",
        }
    }

    /// What a program needs to know: `code`, and beside it `field` of what is invalid, or `min_seq` and `sequence`.
    #[must_use]
    pub fn details(&self) -> Value {
        match self {
            Self::Invalid(invalid) => json!({"code": self.code(), "field": invalid.field}),
            Self::NotYet { min_seq, sequence, .. } => {
                json!({"code": self.code(), "min_seq": min_seq, "sequence": sequence})
            }
            _ => json!({"code": self.code()}),
        }
    }
}
