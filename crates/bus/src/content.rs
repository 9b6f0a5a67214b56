//! Where an upload's bytes go: into its event, or into the originals.

use bytes::Bytes;
use heimdex_schemas::{AssetId, Content, Org, UploadId};
use heimdex_stage::{BlobError, Blobs as _, Bucket};

use crate::connection::Bus;

/// Bytes up to this many travel inside the event; base64 keeps them below the 64 KiB of public events.
const INLINE_BYTES: usize = 40 * 1024;

impl Bus {
    /// `bytes` as the content of `job`, an upload of `asset`: stored with the originals when they are many.
    ///
    /// # Errors
    /// [`BlobError`] when they cannot be stored.
    pub async fn content(&self, org: &Org, asset: &AssetId, job: UploadId, bytes: Bytes) -> Result<Content, BlobError> {
        if bytes.len() <= INLINE_BYTES {
            return Ok(Content::Bytes(bytes.into()));
        }
        let prefix = format!("{org}/{}/{job}", asset.hash());
        let blob = self.blobs().put(Bucket::Originals, &prefix, bytes).await?;
        Ok(Content::Blob { name: blob.name, sha256: blob.sha256, size: blob.size })
    }
}
