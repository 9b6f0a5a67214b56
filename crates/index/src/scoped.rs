//! The points of one organization in one collection: writing, flipping, counting.

use chrono::Utc;
use heimdex_schemas::{AssetId, DocumentFacts, EmbeddedChunk, Lineage, Org, PointId, UploadId, Vectors};
use qdrant_client::Payload;
use qdrant_client::qdrant::vector::Vector as Named;
use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, DenseVector, Filter, NamedVectors, PayloadIncludeSelector, PointStruct,
    ScrollPointsBuilder, SetPayloadPointsBuilder, SparseVector, UpdateMode, UpsertPointsBuilder, Vector,
};

use crate::collection::Collection;
use crate::error::{IndexError, Result};
use crate::filter::{in_states, of_asset, of_org, of_upload};
use crate::point::{self, Document, State, Version, field};
use crate::schema::{BM25, DENSE};

/// The only way to read or change points. Every call carries the organization.
#[derive(Clone)]
pub struct OrgScoped {
    pub(crate) collection: Collection,
    pub(crate) org: Org,
}

impl OrgScoped {
    pub(crate) fn new(collection: Collection, org: Org) -> Self {
        Self { collection, org }
    }

    #[must_use]
    pub const fn org(&self) -> &Org {
        &self.org
    }

    #[must_use]
    pub const fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Writes the part's points as [`State::Staged`]; durable when it returns. A point that exists stays as it is, so a
    /// late duplicate cannot take a live point out of search. Returns how many points the part has.
    ///
    /// # Errors
    /// [`IndexError::Foreign`], [`IndexError::PointId`] and [`IndexError::Vector`] for a part that must not be written,
    /// and what the server says.
    pub async fn upsert_staged(&self, lineage: &Lineage, facts: &DocumentFacts, part: &Vectors) -> Result<u32> {
        self.own(&lineage.org)?;
        let points = part.chunks.iter().map(|chunk| self.point(lineage, facts, part, chunk));
        let points = points.collect::<Result<Vec<_>>>()?;
        let written = u32::try_from(points.len()).unwrap_or(u32::MAX);
        for batch in points.chunks(self.collection.inner.options.upsert_batch.max(1)) {
            self.insert(batch.to_vec()).await?;
        }
        Ok(written)
    }

    /// Writes those that do not exist yet; the server decides, so that of two deliveries of one part at the same moment
    /// the later one leaves a point live that the earlier one made so.
    async fn insert(&self, batch: Vec<PointStruct>) -> Result<()> {
        let request = UpsertPointsBuilder::new(&self.collection.name, batch).update_mode(UpdateMode::InsertOnly);
        self.checked(self.collection.inner.client.upsert_points(request.wait(true)).await)?;
        Ok(())
    }

    /// Makes the staged points of a complete upload searchable. Nothing happens to points in another state.
    ///
    /// # Errors
    /// What the server says.
    pub async fn make_live(&self, upload: UploadId) -> Result<()> {
        self.set_state(State::Live, [of_upload(upload), in_states(&[State::Staged])]).await
    }

    /// Takes every point of an upload out of search and out of its way there.
    ///
    /// # Errors
    /// What the server says.
    pub async fn retire(&self, upload: UploadId) -> Result<()> {
        self.set_state(State::Dead, [of_upload(upload), in_states(&[State::Staged, State::Live])]).await
    }

    /// Makes the points of an upload searchable again that a newer upload had replaced, after the newer one was deleted.
    ///
    /// # Errors
    /// What the server says.
    pub async fn revive(&self, upload: UploadId) -> Result<()> {
        self.set_state(State::Live, [of_upload(upload), in_states(&[State::Dead])]).await
    }

    /// Retires every upload of the asset that is older than `newest`. Uploads newer than it are left alone.
    ///
    /// # Errors
    /// What the server says.
    pub async fn retire_older(&self, asset: &AssetId, newest: Version) -> Result<()> {
        let mut spared = vec![newest.upload];
        while let Some(other) = self.another_version(asset, &spared).await? {
            spared.push(other.upload);
            if other < newest {
                self.retire(other.upload).await?;
            }
        }
        Ok(())
    }

    /// The exact number of points of an upload in a state.
    ///
    /// # Errors
    /// What the server says.
    pub async fn count(&self, upload: UploadId, state: State) -> Result<u64> {
        self.count_where([of_upload(upload), in_states(&[state])]).await
    }

    /// The exact number of points of an asset in a state, over all its uploads.
    ///
    /// # Errors
    /// What the server says.
    pub async fn count_asset(&self, asset: &AssetId, state: State) -> Result<u64> {
        self.count_where([of_asset(asset), in_states(&[state])]).await
    }

    /// The exact number of the organization's points in a state.
    ///
    /// # Errors
    /// What the server says.
    pub async fn count_all(&self, state: State) -> Result<u64> {
        self.count_where([in_states(&[state])]).await
    }

    pub(crate) async fn count_where(&self, conditions: impl IntoIterator<Item = Condition>) -> Result<u64> {
        let filter = of_org(&self.org, conditions);
        let request = CountPointsBuilder::new(&self.collection.name).filter(filter).exact(true);
        let found = self.checked(self.collection.inner.client.count(request).await)?;
        Ok(found.result.map_or(0, |result| result.count))
    }

    async fn set_state(&self, state: State, conditions: impl IntoIterator<Item = Condition>) -> Result<()> {
        let mut payload = Payload::new();
        payload.insert(field::STATE, state.as_str());
        let request = SetPayloadPointsBuilder::new(&self.collection.name, payload)
            .points_selector(of_org(&self.org, conditions))
            .wait(true);
        self.checked(self.collection.inner.client.set_payload(request).await)?;
        Ok(())
    }

    /// Any upload of the asset with points not yet dead, other than those `spared`.
    async fn another_version(&self, asset: &AssetId, spared: &[UploadId]) -> Result<Option<Version>> {
        let spared: Vec<String> = spared.iter().map(ToString::to_string).collect();
        let others = [of_asset(asset), in_states(&[State::Staged, State::Live])];
        let mut filter = of_org(&self.org, others);
        filter.must_not.push(Condition::matches(field::UPLOAD, spared));
        let fields = vec![field::UPLOAD.to_owned(), field::ORDER.to_owned()];
        self.first(filter, fields).await
    }

    async fn first<T: serde::de::DeserializeOwned>(&self, filter: Filter, fields: Vec<String>) -> Result<Option<T>> {
        let request = ScrollPointsBuilder::new(&self.collection.name).filter(filter).limit(1);
        let request = request.with_payload(PayloadIncludeSelector { fields }).with_vectors(false);
        let page = self.checked(self.collection.inner.client.scroll(request).await)?;
        let Some(found) = page.result.into_iter().next() else { return Ok(None) };
        point::read(point::id(found.id)?, found.payload).map(Some)
    }

    fn own(&self, org: &Org) -> Result<()> {
        if *org == self.org {
            return Ok(());
        }
        Err(IndexError::Foreign { scope: self.org.to_string(), found: org.to_string() })
    }

    fn point(
        &self,
        lineage: &Lineage,
        facts: &DocumentFacts,
        part: &Vectors,
        chunk: &EmbeddedChunk,
    ) -> Result<PointStruct> {
        let ordinal = chunk.chunk.ordinal;
        let expected = PointId::new(lineage.upload, &part.space, ordinal);
        if chunk.point_id != expected {
            let (found, expected) = (chunk.point_id.to_string(), expected.to_string());
            return Err(IndexError::PointId { ordinal, found, expected });
        }
        let payload = document(lineage, facts, part, chunk).into_payload(expected)?;
        Ok(PointStruct::new(expected.to_string(), self.vectors(chunk)?, payload))
    }

    fn vectors(&self, chunk: &EmbeddedChunk) -> Result<NamedVectors> {
        let wanted = self.collection.space.dimension as usize;
        let bad = |reason: String| IndexError::Vector { point: chunk.point_id.to_string(), reason };
        if chunk.dense.len() != wanted {
            return Err(bad(format!("its dense vector has {} numbers, the space has {wanted}", chunk.dense.len())));
        }
        let (indices, values) = (&chunk.sparse.indices, &chunk.sparse.values);
        if indices.len() != values.len() || !indices.is_sorted_by(|a, b| a < b) {
            return Err(bad("its sparse indices are not ascending or have no values".to_owned()));
        }
        if !chunk.dense.iter().chain(values).all(|value| value.is_finite()) {
            return Err(bad("it holds a number that is not finite".to_owned()));
        }
        let dense = Vector::from(Named::Dense(DenseVector { data: chunk.dense.clone() }));
        let sparse = SparseVector { indices: indices.clone(), values: values.clone() };
        Ok(NamedVectors::default().add_vector(DENSE, dense).add_vector(BM25, Vector::from(Named::Sparse(sparse))))
    }

    /// A collection that is gone is created again at its next use.
    pub(crate) fn checked<T>(&self, answer: Result<T, qdrant_client::QdrantError>) -> Result<T> {
        answer.map_err(|error| {
            let error = IndexError::from(error);
            if matches!(&error, IndexError::Unavailable { code, .. } if code == "NotFound") {
                self.collection.inner.forget(&self.collection.space);
            }
            error
        })
    }
}

fn document(lineage: &Lineage, facts: &DocumentFacts, part: &Vectors, chunk: &EmbeddedChunk) -> Document {
    let text = &chunk.chunk;
    Document {
        org_id: lineage.org.clone(),
        asset_id: lineage.asset_id.clone(),
        upload: lineage.upload,
        order: lineage.order,
        position: lineage.position,
        ordinal: text.ordinal,
        total: facts.chunks,
        text: text.text.clone(),
        pages: text.pages.clone(),
        page_starts: text.page_starts.clone(),
        span: text.span,
        heading_path: text.heading_path.clone(),
        language: text.language.clone().or_else(|| facts.language.clone()),
        title: lineage.title.clone(),
        source: lineage.source.clone(),
        model: lineage.model.clone(),
        space: part.space.clone(),
        numerics: part.numerics.clone(),
        content_hash: text.content_hash.clone(),
        state: State::Staged,
        indexed_at: Utc::now(),
    }
}
