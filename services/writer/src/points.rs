//! What the writer asks of the index. A trait, so that tests can fail each call before or after it took effect.

use async_trait::async_trait;
use heimdex_index::{Index, IndexError, OrgScoped, Space, State, Version};
use heimdex_schemas::{AssetId, DocumentFacts, Lineage, Org, UploadId, Vectors};

/// One organization's points in one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub org: Org,
    pub space: Space,
}

/// The index, as far as the writer uses it. Every call may be repeated.
#[async_trait]
pub trait Points: Send + Sync + 'static {
    /// Writes a part's points as staged, durably; points that exist stay as they are. Returns how many the part has.
    async fn stage(
        &self,
        place: &Place,
        lineage: &Lineage,
        facts: &DocumentFacts,
        part: &Vectors,
    ) -> Result<u32, IndexError>;

    /// Makes the staged points of a complete upload searchable.
    async fn make_live(&self, place: &Place, upload: UploadId) -> Result<(), IndexError>;

    /// Takes every older upload of the asset out of search.
    async fn retire_older(&self, place: &Place, asset: &AssetId, newest: Version) -> Result<(), IndexError>;

    /// The exact number of searchable points of an upload.
    async fn count_live(&self, place: &Place, upload: UploadId) -> Result<u64, IndexError>;
}

async fn scoped(index: &Index, place: &Place) -> Result<OrgScoped, IndexError> {
    Ok(index.collection(&place.space).await?.scoped(&place.org))
}

#[async_trait]
impl Points for Index {
    async fn stage(
        &self,
        place: &Place,
        lineage: &Lineage,
        facts: &DocumentFacts,
        part: &Vectors,
    ) -> Result<u32, IndexError> {
        scoped(self, place).await?.upsert_staged(lineage, facts, part).await
    }

    async fn make_live(&self, place: &Place, upload: UploadId) -> Result<(), IndexError> {
        scoped(self, place).await?.make_live(upload).await
    }

    async fn retire_older(&self, place: &Place, asset: &AssetId, newest: Version) -> Result<(), IndexError> {
        scoped(self, place).await?.retire_older(asset, newest).await
    }

    async fn count_live(&self, place: &Place, upload: UploadId) -> Result<u64, IndexError> {
        scoped(self, place).await?.count(upload, State::Live).await
    }
}
