//! The ledger: small facts that must be decided once. Create-if-absent, compare-and-set, get, delete, list by prefix:
//! enough for fences, part counting and attempts.

use async_trait::async_trait;
use bytes::Bytes;

use crate::Class;
use crate::error::STORAGE_FULL;

/// Version of one key's value; grows with every write of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// Why the ledger did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// Keys are tokens of `A-Z a-z 0-9 _ - = /` joined by '.', at most 512 bytes.
    #[error("{0:?} is not a ledger key: tokens of A-Z a-z 0-9 _ - = / joined by '.'")]
    Key(String),
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// The ledger's disk or its limit; it recovers when space returns.
    #[error("the ledger is full: {0}")]
    Full(String),
}

impl LedgerError {
    /// What the consume loop does with a message that needed the ledger.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Key(_) => Class::Permanent,
            Self::Unavailable(_) | Self::Full(_) => Class::Unavailable,
        }
    }

    /// Stable, snake_case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Key(_) => "ledger_key",
            Self::Unavailable(_) => "ledger_unavailable",
            Self::Full(_) => STORAGE_FULL,
        }
    }
}

/// Linearizable per key. Keys are dotted tokens, for example `part.<upload>.<model>.<n>`.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// `Ok(Some(revision))` when created, `Ok(None)` when the key already exists.
    async fn create(&self, key: &str, value: Bytes) -> Result<Option<Revision>, LedgerError>;

    /// Replaces the value if its revision still is `expected`; `Ok(None)` when somebody was faster.
    async fn compare_and_set(
        &self,
        key: &str,
        expected: Revision,
        value: Bytes,
    ) -> Result<Option<Revision>, LedgerError>;

    async fn get(&self, key: &str) -> Result<Option<(Revision, Bytes)>, LedgerError>;

    /// Removes the key if its revision still is `expected`; `Ok(false)` when somebody was faster. It can be created again.
    async fn delete(&self, key: &str, expected: Revision) -> Result<bool, LedgerError>;

    /// How many keys lie below `prefix.` (the dot is added).
    async fn count(&self, prefix: &str) -> Result<u64, LedgerError>;

    /// All keys below `prefix.` with their values, in key order.
    async fn list(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, LedgerError>;
}

/// Whether `key` may be used, see [`LedgerError::Key`].
pub fn check_key(key: &str) -> Result<(), LedgerError> {
    let token = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-=/".contains(&b));
    if key.len() <= 512 && key.split('.').all(token) { Ok(()) } else { Err(LedgerError::Key(key.to_owned())) }
}
