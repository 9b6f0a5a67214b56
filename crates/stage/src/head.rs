//! Which upload of an asset is current: one ledger key, `head.<org>.<model>.<asset hash>`. The writer decides it; others
//! may read it.

use heimdex_schemas::{AssetId, ModelName, Order, Org, UploadId};
use serde::{Deserialize, Serialize};

/// The newest complete upload of an asset. Only a complete upload with something to show becomes head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub upload: UploadId,
    pub order: Order,
    /// Where the broker first stored the upload event.
    #[serde(default)]
    pub position: Order,
    /// The collection of its points.
    pub space: String,
    pub dimension: u32,
}

/// The key of an asset's head.
#[must_use]
pub fn key(org: &Org, model: &ModelName, asset: &AssetId) -> String {
    format!("{}.{model}.{}", prefix(org), asset.hash())
}

/// Below it lie all heads of an org.
#[must_use]
pub fn prefix(org: &Org) -> String {
    format!("head.{org}")
}
