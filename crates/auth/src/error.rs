//! Why a caller is turned away, and why there are no keys.

use crate::claims::Scope;

/// Why a request is not allowed. Messages name what to mend and repeat nothing of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("there is no bearer token")]
    Missing,
    #[error("the token is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the token is not a signed JWT of a supported algorithm")]
    Malformed,
    /// No key id, or one that no current key has.
    #[error("the token's key id (`kid`) is not one of the keys in force")]
    UnknownKey,
    #[error("the token's algorithm is not the one of its key")]
    Algorithm,
    #[error("the token's signature does not fit")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token is from another issuer")]
    Issuer,
    #[error("the token has no usable `{claim}` claim")]
    Claim { claim: String },
    #[error("the token names no org (`org_id`)")]
    NoOrg,
    #[error("the token's org cannot be one: {reason}")]
    BadOrg { reason: String },
    #[error("the token lacks the scope `{needed}`")]
    Scope { needed: Scope },
    /// The service's trouble, not the caller's.
    #[error("tokens cannot be checked: {0}")]
    Unavailable(String),
}

impl AuthError {
    /// Stable, snake_case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::TooLong { .. } => "token_too_long",
            Self::Malformed => "token_malformed",
            Self::UnknownKey => "token_key_unknown",
            Self::Algorithm => "token_algorithm",
            Self::Signature => "token_signature",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Audience => "token_audience",
            Self::Issuer => "token_issuer",
            Self::Claim { .. } => "token_claim",
            Self::NoOrg => "token_org_missing",
            Self::BadOrg { .. } => "token_org_invalid",
            Self::Scope { .. } => "scope_missing",
            Self::Unavailable(_) => "keys_unavailable",
        }
    }

    /// The HTTP status that says the same.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Scope { .. } | Self::NoOrg | Self::BadOrg { .. } => 403,
            Self::Unavailable(_) => 503,
            _ => 401,
        }
    }
}

/// Why a key set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{place}: {reason}")]
    Read { place: String, reason: String },
    #[error("the key set is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the key set is not JSON as RFC 7517 has it: {0}")]
    Malformed(String),
    #[error("two keys have the id {0:?}")]
    Twice(String),
    #[error("no key of the set can be used: {0}")]
    None(String),
    #[error("{0:?} is no key set: a path, an https URL, or an http URL on this machine")]
    Source(String),
}
