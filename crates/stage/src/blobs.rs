//! Blobs: bytes too large for a message, by reference and verified on read (the claim check pattern).

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use heimdex_schemas::token::hex;

use crate::Class;

/// Which store of blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// The uploaded bytes; they live as long as the asset.
    Originals,
    /// Payloads between stages; they live longer than dead letters can be replayed.
    Work,
}

/// Names one blob and proves its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    pub bucket: Bucket,
    /// `<org>/<asset hash>/<upload>/<sha256>`: deleting an upload is deleting a prefix.
    pub name: String,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

impl BlobRef {
    /// `prefix` is `<org>/<asset hash>/<upload>`.
    #[must_use]
    pub fn of(bucket: Bucket, prefix: &str, bytes: &[u8]) -> Self {
        let sha256 = hex(&Sha256::digest(bytes));
        Self { bucket, name: format!("{prefix}/{sha256}"), sha256, size: bytes.len() as u64 }
    }

    /// Whether `bytes` are what this reference promises.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), BlobError> {
        let found = hex(&Sha256::digest(bytes));
        if found == self.sha256 && bytes.len() as u64 == self.size {
            return Ok(());
        }
        Err(BlobError::Corrupt { name: self.name.clone(), expected: self.sha256.clone(), found })
    }
}

/// A blob as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    pub name: String,
    /// Bytes.
    pub size: u64,
    pub modified: DateTime<Utc>,
}

/// Why a blob could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BlobError {
    #[error("blob {0} does not exist")]
    Missing(String),
    #[error("blob {name} has sha256 {found}, its reference says {expected}")]
    Corrupt { name: String, expected: String, found: String },
    #[error("blob {name} is {size} bytes, the limit is {limit}")]
    TooLarge { name: String, size: u64, limit: u64 },
    #[error("the blob store is unavailable: {0}")]
    Unavailable(String),
    /// The blob store's disk or its limit; it recovers when space returns.
    #[error("the blob store is full: {0}")]
    Full(String),
}

impl BlobError {
    /// What the consume loop does with a message whose blob failed like this.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Missing(_) | Self::Corrupt { .. } | Self::TooLarge { .. } => Class::Permanent,
            Self::Unavailable(_) | Self::Full(_) => Class::Unavailable,
        }
    }
}

/// A durable store of blobs. Writing the same blob twice is writing it once.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Durable when it returns.
    async fn put(&self, bucket: Bucket, prefix: &str, bytes: Bytes) -> Result<BlobRef, BlobError>;

    /// The bytes, verified against the reference; refuses more than `limit` bytes before reading them.
    async fn get(&self, blob: &BlobRef, limit: u64) -> Result<Bytes, BlobError>;

    /// The blobs whose name begins with `prefix/` (whole path segments), in name order; all of them for an empty prefix.
    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<BlobInfo>, BlobError>;

    /// Removes a blob; one that does not exist is fine. Durable when it returns.
    async fn delete(&self, bucket: Bucket, name: &str) -> Result<(), BlobError>;
}
