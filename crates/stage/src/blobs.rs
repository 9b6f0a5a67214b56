//! Blobs: bytes too large for a message, by reference and verified on read (the claim check pattern).

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use heimdex_schemas::token::hex;

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
}

/// A durable store of blobs. Writing the same blob twice is writing it once.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Durable when it returns.
    async fn put(&self, bucket: Bucket, prefix: &str, bytes: Bytes) -> Result<BlobRef, BlobError>;

    /// The bytes, verified against the reference; refuses more than `limit` bytes before reading them.
    async fn get(&self, blob: &BlobRef, limit: u64) -> Result<Bytes, BlobError>;
}
