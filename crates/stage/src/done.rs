//! The receipt that stands for an upload: one ledger key, `done.<org>.<asset hash>.<upload>.<model>`, so that all uploads
//! of an asset, and all of an org, can be listed. The writer and the stages beside it write it; others may read it.

use heimdex_schemas::{AssetId, ModelName, Order, Org, Receipt, UploadId};
use serde::{Deserialize, Serialize};

/// A concluded upload, or a concluded deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// How far the account of the upload had come: a receipt from more progress replaces one from less.
    pub progress: u64,
    /// Where the broker first stored the upload event.
    #[serde(default)]
    pub position: Order,
    pub receipt: Receipt,
}

/// What stands in a key for the asset of a purge, and for the model of a deletion.
const NONE: &str = "_";

/// The key of a receipt.
#[must_use]
pub fn key(receipt: &Receipt) -> String {
    key_of(&receipt.org, receipt.asset_id.as_ref(), receipt.upload, receipt.model.as_ref())
}

/// The key of a job's receipt. A deletion has no model, and the purge of an org no asset: `_` stands for them.
#[must_use]
pub fn key_of(org: &Org, asset: Option<&AssetId>, upload: UploadId, model: Option<&ModelName>) -> String {
    let asset = asset.map_or_else(|| NONE.to_owned(), AssetId::hash);
    format!("{}.{asset}.{upload}.{}", prefix(org, None), model.map_or(NONE, ModelName::as_str))
}

/// Below it lie the concluded uploads of an asset, or of all assets of an org.
#[must_use]
pub fn prefix(org: &Org, asset: Option<&AssetId>) -> String {
    asset.map_or_else(|| format!("done.{org}"), |asset| format!("done.{org}.{}", asset.hash()))
}
