//! Dead letters, as far as a deletion touches them.

use async_trait::async_trait;
use heimdex_schemas::{AssetId, Org};

/// The dead letters could not be removed now; trying later may work.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the dead letters are unavailable: {0}")]
pub struct DeadLettersUnavailable(pub String);

/// Where dead letters lie.
#[async_trait]
pub trait DeadLetterBin: Send + Sync + 'static {
    /// Removes every dead letter of an asset, or of the whole org; durable when it returns. Returns how many there were.
    async fn remove(&self, org: &Org, asset: Option<&AssetId>) -> Result<u64, DeadLettersUnavailable>;
}
