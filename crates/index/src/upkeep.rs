//! Physical deletion of what no search can see any more, and what a caretaker needs to know to decide about it.
//!
//! A point does not say since when it is dead. So the first look writes down its time, and a later look deletes what was
//! seen dead long enough ago. Nobody's clock but the caretaker's own takes part in that.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, Order, Org, PointId, UploadId};
use qdrant_client::Payload;
use qdrant_client::qdrant::facet_value::Variant;
use qdrant_client::qdrant::{
    Condition, DeletePayloadPointsBuilder, DeletePointsBuilder, FacetCountsBuilder, Filter, PayloadIncludeSelector,
    PointId as QdrantId, Range, RetrievedPoint, ScrollPointsBuilder, SetPayloadPointsBuilder,
};
use serde::Deserialize;

use crate::collection::Collection;
use crate::erase::StoredUpload;
use crate::error::Result;
use crate::filter::{in_states, of_org, of_upload, with_ids};
use crate::point::{self, State, field};
use crate::scoped::OrgScoped;

/// When a point was first seen dead, Unix seconds.
const SEEN_DEAD: &str = "seen_dead_at";
const INDEXED_AT: &str = "indexed_at";
/// Points deleted by one request.
const DELETE_BATCH: usize = 1000;

/// An upload with staged points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedUpload {
    pub asset_id: AssetId,
    pub upload: UploadId,
    pub points: u64,
    /// When the youngest of them was written.
    pub newest: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Staged {
    asset_id: AssetId,
    indexed_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Owner {
    asset_id: AssetId,
    upload: UploadId,
    order: Order,
    #[serde(default)]
    position: Order,
}

impl Collection {
    /// The organizations that have points in `state`, at most `limit`, and how many each has. The one question about
    /// points that is not asked on behalf of an organization; its answer holds nothing of any point.
    ///
    /// # Errors
    /// What the server says.
    pub async fn orgs(&self, state: State, limit: u64) -> Result<BTreeMap<Org, u64>> {
        let counts = self.facet(field::ORG, Filter::must([in_states(&[state])]), limit).await?;
        Ok(counts.into_iter().filter_map(|(org, count)| Some((org.parse().ok()?, count))).collect())
    }

    /// The values of a keyword field among the points that `filter` finds.
    async fn facet(&self, key: &str, filter: Filter, limit: u64) -> Result<Vec<(String, u64)>> {
        let request = FacetCountsBuilder::new(&self.name, key).filter(filter).limit(limit).exact(true);
        let found = self.inner.client.facet(request).await?;
        let hits = found.hits.into_iter().filter_map(|hit| match hit.value?.variant? {
            Variant::StringValue(text) => Some((text, hit.count)),
            _ => None,
        });
        Ok(hits.collect())
    }
}

impl OrgScoped {
    /// Writes `now` on dead points that nobody has seen dead before, and takes it from those that live again. Returns how
    /// many were written on.
    ///
    /// # Errors
    /// What the server says.
    pub async fn mark_dead(&self, now: DateTime<Utc>) -> Result<u64> {
        self.unmark_revived().await?;
        let unmarked = || [in_states(&[State::Dead]), Condition::is_empty(SEEN_DEAD)];
        let count = self.count_where(unmarked()).await?;
        if count > 0 {
            let mut payload = Payload::new();
            payload.insert(SEEN_DEAD, now.timestamp());
            let request = SetPayloadPointsBuilder::new(&self.collection.name, payload)
                .points_selector(of_org(&self.org, unmarked()))
                .wait(true);
            self.checked(self.collection.inner.client.set_payload(request).await)?;
        }
        Ok(count)
    }

    async fn unmark_revived(&self) -> Result<()> {
        let marked = Condition::from(Filter::must_not([Condition::is_empty(SEEN_DEAD)]));
        let revived = [in_states(&[State::Live]), marked];
        if self.count_where(revived.clone()).await? > 0 {
            let request = DeletePayloadPointsBuilder::new(&self.collection.name, vec![SEEN_DEAD.to_owned()])
                .points_selector(of_org(&self.org, revived))
                .wait(true);
            self.checked(self.collection.inner.client.delete_payload(request).await)?;
        }
        Ok(())
    }

    /// How many points were seen dead at `before` or earlier.
    ///
    /// # Errors
    /// What the server says.
    pub async fn count_dead(&self, before: DateTime<Utc>) -> Result<u64> {
        self.count_where(dead(before)).await
    }

    /// Deletes points that were seen dead at `before` or earlier, at most `limit`. Returns how many. Points in another
    /// state are never touched.
    ///
    /// # Errors
    /// What the server says.
    pub async fn delete_dead(&self, before: DateTime<Utc>, limit: u64) -> Result<u64> {
        let mut deleted = 0;
        while deleted < limit {
            let batch = usize::try_from(limit - deleted).unwrap_or(usize::MAX).min(DELETE_BATCH);
            let ids = self.ids(of_org(&self.org, dead(before)), batch).await?;
            if ids.is_empty() {
                break;
            }
            self.delete_in_state(State::Dead, &ids).await?;
            deleted += ids.len() as u64;
        }
        Ok(deleted)
    }

    /// The uploads that have staged points, at most `limit`.
    ///
    /// # Errors
    /// What the server says.
    pub async fn uploads_staged(&self, limit: u64) -> Result<Vec<UploadId>> {
        let filter = of_org(&self.org, [in_states(&[State::Staged])]);
        let found = self.collection.facet(field::UPLOAD, filter, limit).await?;
        Ok(found.into_iter().filter_map(|(upload, _)| upload.parse().ok()).collect())
    }

    /// The staged points of an upload, `None` when it has none.
    ///
    /// # Errors
    /// What the server says, and [`crate::IndexError::Payload`] for a point that cannot be read.
    pub async fn staged(&self, upload: UploadId) -> Result<Option<StagedUpload>> {
        let mut found: Option<StagedUpload> = None;
        let filter = of_org(&self.org, [of_upload(upload), in_states(&[State::Staged])]);
        self.each(filter, &[field::ASSET, INDEXED_AT], |Staged { asset_id, indexed_at }| {
            let entry = found.get_or_insert(StagedUpload { asset_id, upload, points: 0, newest: DateTime::UNIX_EPOCH });
            entry.points += 1;
            entry.newest = entry.newest.max(indexed_at);
        })
        .await?;
        Ok(found)
    }

    /// Deletes the staged points of an upload that will never be complete. Returns how many. Points in another state are
    /// never touched.
    ///
    /// # Errors
    /// What the server says.
    pub async fn delete_staged(&self, upload: UploadId) -> Result<u64> {
        let filter = of_org(&self.org, [of_upload(upload), in_states(&[State::Staged])]);
        let mut deleted = 0;
        loop {
            let ids = self.ids(filter.clone(), DELETE_BATCH).await?;
            if ids.is_empty() {
                return Ok(deleted);
            }
            self.delete_in_state(State::Staged, &ids).await?;
            deleted += ids.len() as u64;
        }
    }

    /// The uploads that have searchable points, in id order, each with their number.
    ///
    /// # Errors
    /// What the server says, and [`crate::IndexError::Payload`] for a point that cannot be read.
    pub async fn uploads_live(&self) -> Result<Vec<StoredUpload>> {
        let mut found: BTreeMap<UploadId, StoredUpload> = BTreeMap::new();
        let filter = of_org(&self.org, [in_states(&[State::Live])]);
        let fields = [field::ASSET, field::UPLOAD, field::ORDER, field::POSITION];
        self.each(filter, &fields, |Owner { asset_id, upload, order, position }| {
            let fresh = StoredUpload { asset_id, upload, order, position, points: 0 };
            found.entry(upload).or_insert(fresh).points += 1;
        })
        .await?;
        Ok(found.into_values().collect())
    }

    /// Reads some fields of every point that `filter` finds.
    async fn each<T: serde::de::DeserializeOwned>(
        &self,
        filter: Filter,
        fields: &[&str],
        mut visit: impl FnMut(T),
    ) -> Result<()> {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        let mut offset = None;
        loop {
            let (page, next) = self.page(filter.clone(), fields.clone(), offset).await?;
            for found in page {
                visit(point::read(point::id(found.id)?, found.payload)?);
            }
            let Some(next) = next else { return Ok(()) };
            offset = Some(next);
        }
    }

    async fn page(
        &self,
        filter: Filter,
        fields: Vec<String>,
        offset: Option<QdrantId>,
    ) -> Result<(Vec<RetrievedPoint>, Option<QdrantId>)> {
        let inner = &self.collection.inner;
        let request = ScrollPointsBuilder::new(&self.collection.name).filter(filter).with_vectors(false);
        let mut request =
            request.limit(inner.options.listing_page.max(1)).with_payload(PayloadIncludeSelector { fields });
        if let Some(offset) = offset {
            request = request.offset(offset);
        }
        let page = self.checked(inner.client.scroll(request).await)?;
        Ok((page.result, page.next_page_offset))
    }

    async fn ids(&self, filter: Filter, limit: usize) -> Result<Vec<PointId>> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        let request = ScrollPointsBuilder::new(&self.collection.name).filter(filter).limit(limit);
        let request = request.with_payload(false).with_vectors(false);
        let page = self.checked(self.collection.inner.client.scroll(request).await)?;
        page.result.into_iter().map(|found| point::id(found.id)).collect()
    }

    /// The state is asked for again: a point that changed it meanwhile stays.
    async fn delete_in_state(&self, state: State, ids: &[PointId]) -> Result<()> {
        let filter = of_org(&self.org, [in_states(&[state]), with_ids(ids)]);
        let request = DeletePointsBuilder::new(&self.collection.name).points(filter).wait(true);
        self.checked(self.collection.inner.client.delete_points(request).await)?;
        Ok(())
    }
}

fn dead(before: DateTime<Utc>) -> [Condition; 2] {
    #[expect(clippy::cast_precision_loss, reason = "Unix seconds stay exact in f64 for 285 million years")]
    let seen = Range { lte: Some(before.timestamp() as f64), ..Range::default() };
    [in_states(&[State::Dead]), Condition::range(SEEN_DEAD, seen)]
}
