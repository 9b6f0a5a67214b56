//! One upload, as far as concluding it goes.

use chrono::{DateTime, Utc};
use heimdex_index::Version;
use heimdex_schemas::{AssetId, Lineage, ModelName, Order, Org, UploadId};
use heimdex_stage::{Done, Head, done};

/// Who, what and which; enough to decide and to write a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) org: Org,
    pub(crate) asset: AssetId,
    pub(crate) model: ModelName,
    pub(crate) upload: UploadId,
    pub(crate) order: Order,
    pub(crate) position: Order,
    pub(crate) accepted_at: DateTime<Utc>,
}

impl Job {
    pub(crate) fn of(lineage: &Lineage) -> Self {
        Self {
            org: lineage.org.clone(),
            asset: lineage.asset_id.clone(),
            model: lineage.model.clone(),
            upload: lineage.upload,
            order: lineage.order,
            position: lineage.position,
            accepted_at: lineage.accepted_at,
        }
    }

    /// `None` for the record of a deletion.
    pub(crate) fn concluded(done: &Done) -> Option<Self> {
        let receipt = &done.receipt;
        Some(Self {
            org: receipt.org.clone(),
            asset: receipt.asset_id.clone()?,
            model: receipt.model.clone()?,
            upload: receipt.upload,
            order: receipt.order,
            position: done.position,
            accepted_at: receipt.accepted_at,
        })
    }

    /// Where its receipt stands in the ledger.
    pub(crate) fn done_key(&self) -> String {
        done::key_of(&self.org, Some(&self.asset), self.upload, Some(&self.model))
    }

    pub(crate) fn version(&self) -> Version {
        Version { upload: self.upload, order: self.order }
    }
}

/// Which upload a head is.
pub(crate) fn version(head: &Head) -> Version {
    Version { upload: head.upload, order: head.order }
}
