//! Reading what an org has: searchable uploads from the index, receipts and kept events from the ledger.

use heimdex_bus::Bus;
use heimdex_index::{Index, StoredUpload};
use heimdex_schemas::{AssetId, AssetUploaded, Content, ModelName, Org, UploadId};
use heimdex_stage::{Done, OriginError, Revision, done, origin};
use sha2::{Digest, Sha256};

use super::compare::{self, Known, Live, Report};
use super::manifest::{Entry, Manifest};
use crate::books::parse;
use crate::error::KeeperError;

/// Receipts read at once.
const PAGE: usize = 10_000;
/// Largest event whose content is hashed, in bytes.
const EVENT_BYTES: u64 = 256 * 1024 * 1024;

/// One org's reconciliation.
#[derive(Clone)]
pub struct Reconciliation {
    pub bus: Bus,
    pub index: Index,
    pub org: Org,
    /// Only this model's collections; all of them otherwise.
    pub model: Option<ModelName>,
}

impl Reconciliation {
    /// Compares the org's index with `manifest`. Changes nothing.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub async fn compare(&self, manifest: &Manifest) -> Result<Report, KeeperError> {
        let known = self.known(manifest).await?;
        Ok(compare::compare(&self.org, manifest, &known))
    }

    pub(super) async fn known(&self, manifest: &Manifest) -> Result<Known, KeeperError> {
        let mut known = Known::default();
        for space in self.index.spaces().await? {
            if self.model.as_ref().is_some_and(|model| *model != space.model) {
                continue;
            }
            let points = self.index.collection(&space).await?.scoped(&self.org);
            for stored in points.uploads_live().await? {
                let entry = manifest.entries.get(&stored.asset_id);
                let live = self.live(&stored, entry).await?;
                let uploads = known.live.entry(stored.asset_id).or_default();
                // One upload in several collections is one version of its asset.
                if !uploads.iter().any(|other| other.upload == live.upload) {
                    uploads.push(live);
                }
            }
        }
        self.receipts(&mut known).await?;
        Ok(known)
    }

    async fn live(&self, stored: &StoredUpload, entry: Option<&Entry>) -> Result<Live, KeeperError> {
        let wants_content = entry.is_some_and(|entry| entry.sha256.is_some());
        let sha256 = if wants_content { self.content(&stored.asset_id, stored.upload).await? } else { None };
        let sequence = stored.order.uploader_sequence();
        Ok(Live { upload: stored.upload, sequence, points: stored.points, sha256 })
    }

    /// The digest of what was uploaded, `None` when its event was not kept.
    async fn content(&self, asset: &AssetId, upload: UploadId) -> Result<Option<String>, KeeperError> {
        let (ledger, blobs) = (self.bus.ledger(), self.bus.blobs());
        let Some(kept) = origin::find(ledger.as_ref(), &self.org, Some(asset), upload).await? else { return Ok(None) };
        let envelope = match kept.envelope(blobs.as_ref(), EVENT_BYTES).await {
            Ok(envelope) => envelope,
            Err(OriginError::Blob(error)) => {
                tracing::warn!(%error, asset = %asset, "the kept event has lost its data");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let Ok(event) = envelope.data_as::<AssetUploaded>() else { return Ok(None) };
        Ok(Some(match event.content {
            Content::Text(text) => digest(text.as_bytes()),
            Content::Bytes(bytes) => digest(&bytes),
            Content::Blob { sha256, .. } => sha256,
        }))
    }

    async fn receipts(&self, known: &mut Known) -> Result<(), KeeperError> {
        let (ledger, prefix) = (self.bus.ledger(), done::prefix(&self.org, None));
        let mut after = Revision(0);
        loop {
            let changes = ledger.changes(&[prefix.as_str()], after, true, PAGE).await?;
            let Some(last) = changes.last().map(|change| change.revision) else { return Ok(()) };
            for change in changes.iter().filter(|change| !change.is_deleted) {
                let Done { receipt, .. } = parse(&change.key, &change.value)?;
                let other_model = self.model.is_some() && receipt.model.is_some() && receipt.model != self.model;
                // A deletion is an upload of nothing.
                if let Some(asset) = receipt.asset_id.clone().filter(|_| !other_model && receipt.model.is_some()) {
                    known.receipts.entry(asset).or_default().push(receipt);
                }
            }
            after = last;
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    heimdex_schemas::token::hex(&Sha256::digest(bytes))
}
