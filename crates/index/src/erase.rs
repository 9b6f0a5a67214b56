//! Physical deletion, and the exact listing of what there is to delete.

use std::collections::BTreeMap;

use heimdex_schemas::{AssetId, Order, UploadId};
use qdrant_client::qdrant::{
    Condition, DeletePointsBuilder, PayloadIncludeSelector, PointId as QdrantId, RetrievedPoint, ScrollPointsBuilder,
};
use serde::Deserialize;

use crate::error::Result;
use crate::filter::{of_asset, of_org};
use crate::point::{self, field};
use crate::scoped::OrgScoped;

/// Uploads named in one deletion.
const UPLOADS_AT_ONCE: usize = 128;

/// One upload's points in a collection, whatever their state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUpload {
    pub asset_id: AssetId,
    pub upload: UploadId,
    pub order: Order,
    /// Where the broker first stored the upload event; zero for points of a version that did not record it.
    pub position: Order,
    pub points: u64,
}

#[derive(Deserialize)]
struct Owner {
    asset_id: AssetId,
    upload: UploadId,
    order: Order,
    #[serde(default)]
    position: Order,
}

impl OrgScoped {
    /// Every upload of the asset, or of the whole organization, that has points here, in id order. Points that are
    /// written meanwhile may or may not be counted.
    ///
    /// # Errors
    /// What the server says, and [`crate::IndexError::Payload`] for a point that cannot be read.
    pub async fn uploads(&self, asset: Option<&AssetId>) -> Result<Vec<StoredUpload>> {
        let mut found: BTreeMap<UploadId, StoredUpload> = BTreeMap::new();
        let mut offset = None;
        if self.count_where(asset.map(of_asset)).await? == 0 {
            return Ok(Vec::new());
        }
        loop {
            let (page, next) = self.owners_page(asset, offset).await?;
            for point in page {
                let Owner { asset_id, upload, order, position } = point::read(point::id(point.id)?, point.payload)?;
                let fresh = StoredUpload { asset_id, upload, order, position, points: 0 };
                found.entry(upload).or_insert(fresh).points += 1;
            }
            let Some(next) = next else { return Ok(found.into_values().collect()) };
            offset = Some(next);
        }
    }

    async fn owners_page(
        &self,
        asset: Option<&AssetId>,
        offset: Option<QdrantId>,
    ) -> Result<(Vec<RetrievedPoint>, Option<QdrantId>)> {
        let inner = &self.collection.inner;
        let fields = [field::ASSET, field::UPLOAD, field::ORDER, field::POSITION].map(str::to_owned).to_vec();
        let filter = of_org(&self.org, asset.map(of_asset));
        let request = ScrollPointsBuilder::new(&self.collection.name).filter(filter).with_vectors(false);
        let mut request =
            request.limit(inner.options.listing_page.max(1)).with_payload(PayloadIncludeSelector { fields });
        if let Some(offset) = offset {
            request = request.offset(offset);
        }
        let page = self.checked(inner.client.scroll(request).await)?;
        Ok((page.result, page.next_page_offset))
    }

    /// Deletes every point of these uploads, whatever its state; durable when it returns. Uploads without points are fine.
    ///
    /// # Errors
    /// What the server says.
    pub async fn remove(&self, uploads: &[UploadId]) -> Result<()> {
        for batch in uploads.chunks(UPLOADS_AT_ONCE) {
            let ids: Vec<String> = batch.iter().map(ToString::to_string).collect();
            let filter = of_org(&self.org, [Condition::matches(field::UPLOAD, ids)]);
            let request = DeletePointsBuilder::new(&self.collection.name).points(filter).wait(true);
            self.checked(self.collection.inner.client.delete_points(request).await)?;
        }
        Ok(())
    }
}
