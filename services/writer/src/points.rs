//! What the writer asks of the index. A trait, so that tests can fail each call before or after it took effect.

use async_trait::async_trait;
use heimdex_index::{Index, IndexError, OrgScoped, Space, State, StoredUpload, Version};
use heimdex_schemas::{AssetId, DocumentFacts, Lineage, Org, UploadId, Vectors};
use heimdex_stage::failpoint;

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

    /// Makes retired points of an upload searchable again.
    async fn revive(&self, place: &Place, upload: UploadId) -> Result<(), IndexError>;

    /// The exact number of searchable points of an upload.
    async fn count_live(&self, place: &Place, upload: UploadId) -> Result<u64, IndexError>;

    /// The spaces of all collections.
    async fn spaces(&self) -> Result<Vec<Space>, IndexError>;

    /// The uploads of an asset, or of the whole org, that have points, whatever their state.
    async fn uploads(&self, place: &Place, asset: Option<&AssetId>) -> Result<Vec<StoredUpload>, IndexError>;

    /// Deletes every point of these uploads, durably.
    async fn remove(&self, place: &Place, uploads: &[UploadId]) -> Result<(), IndexError>;
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
        failpoint::before("upsert");
        let points = scoped(self, place).await?.upsert_staged(lineage, facts, part).await?;
        failpoint::after("upsert");
        Ok(points)
    }

    async fn make_live(&self, place: &Place, upload: UploadId) -> Result<(), IndexError> {
        failpoint::before("flip");
        scoped(self, place).await?.make_live(upload).await?;
        failpoint::after("flip");
        Ok(())
    }

    async fn retire_older(&self, place: &Place, asset: &AssetId, newest: Version) -> Result<(), IndexError> {
        failpoint::before("retire");
        scoped(self, place).await?.retire_older(asset, newest).await?;
        failpoint::after("retire");
        Ok(())
    }

    async fn revive(&self, place: &Place, upload: UploadId) -> Result<(), IndexError> {
        scoped(self, place).await?.revive(upload).await
    }

    async fn count_live(&self, place: &Place, upload: UploadId) -> Result<u64, IndexError> {
        scoped(self, place).await?.count(upload, State::Live).await
    }

    async fn spaces(&self) -> Result<Vec<Space>, IndexError> {
        Self::spaces(self).await
    }

    async fn uploads(&self, place: &Place, asset: Option<&AssetId>) -> Result<Vec<StoredUpload>, IndexError> {
        scoped(self, place).await?.uploads(asset).await
    }

    async fn remove(&self, place: &Place, uploads: &[UploadId]) -> Result<(), IndexError> {
        failpoint::before("delete");
        scoped(self, place).await?.remove(uploads).await?;
        failpoint::after("delete");
        Ok(())
    }
}
