//! Search legs, and points by id. Ranking across legs is not here.

use heimdex_schemas::{AssetId, Order, PointId, Sparse, UploadId};
use qdrant_client::qdrant::{
    DenseVector, PayloadIncludeSelector, QuantizationSearchParamsBuilder, Query, QueryBatchPointsBuilder, QueryPoints,
    QueryPointsBuilder, ScoredPoint, ScrollPointsBuilder, SearchParamsBuilder, SparseVector, VectorInput, vector_input,
};
use serde::Deserialize;

use crate::error::Result;
use crate::filter::{Narrow, in_states, of_org, searchable, with_ids};
use crate::point::{self, Point, State, Version, field};
use crate::schema::{BM25, DENSE};
use crate::scoped::OrgScoped;

/// One way of finding candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// Nearest by the model's vectors.
    Dense,
    /// BM25.
    Sparse,
}

/// What to search for. A leg without a vector is not run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LegsQuery {
    pub dense: Option<Vec<f32>>,
    pub sparse: Option<Sparse>,
    pub narrow: Narrow,
    /// Candidates wanted of each leg.
    pub depth: u32,
}

/// Candidates by leg, best first; `None` for a leg that was not run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Legs {
    pub dense: Option<Vec<Candidate>>,
    pub sparse: Option<Vec<Candidate>>,
}

/// A point that a leg found, with as much of its payload as ranking needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub id: PointId,
    /// Cosine (dense) or BM25 (sparse).
    pub score: f32,
    pub asset_id: AssetId,
    pub version: Version,
    /// ISO 639-1.
    pub language: Option<String>,
}

#[derive(Deserialize)]
struct Ranked {
    asset_id: AssetId,
    upload: UploadId,
    order: Order,
    #[serde(default)]
    language: Option<String>,
}

impl OrgScoped {
    /// Runs the legs as one batch, over live points only.
    ///
    /// # Errors
    /// What the server says, and [`crate::IndexError::Payload`] for a point that cannot be read.
    pub async fn legs(&self, query: LegsQuery) -> Result<Legs> {
        let asked = [query.dense.is_some(), query.sparse.as_ref().is_some_and(|sparse| !sparse.indices.is_empty())];
        let mut results = self.run(self.batch(query)).await?.into_iter();
        let [dense, sparse] = asked.map(|asked| asked.then(|| results.next().unwrap_or_default()));
        Ok(Legs { dense: candidates(dense)?, sparse: candidates(sparse)? })
    }

    /// The live points among `ids`, in no particular order.
    ///
    /// # Errors
    /// As [`OrgScoped::legs`].
    pub async fn live(&self, ids: &[PointId]) -> Result<Vec<Point>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let filter = of_org(&self.org, [in_states(&[State::Live]), with_ids(ids)]);
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let request = ScrollPointsBuilder::new(&self.collection.name).filter(filter).limit(limit);
        let request = request.with_payload(true).with_vectors(false);
        let page = self.checked(self.collection.inner.client.scroll(request).await)?;
        let points = page.result.into_iter().map(|found| {
            let id = point::id(found.id)?;
            Ok(Point { id, document: point::read(id, found.payload)? })
        });
        points.collect()
    }

    async fn run(&self, batch: Vec<QueryPoints>) -> Result<Vec<Vec<ScoredPoint>>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let request = QueryBatchPointsBuilder::new(&self.collection.name, batch);
        let answer = self.checked(self.collection.inner.client.query_batch(request).await)?;
        Ok(answer.result.into_iter().map(|leg| leg.result).collect())
    }

    fn batch(&self, query: LegsQuery) -> Vec<QueryPoints> {
        let limit = u64::from(query.depth);
        let dense = query.dense.map(|data| {
            let nearest = vector_input::Variant::Dense(DenseVector { data });
            let int8 = QuantizationSearchParamsBuilder::default()
                .rescore(true)
                .oversampling(self.collection.inner.options.oversampling);
            self.leg(DENSE, nearest, &query.narrow, limit).params(SearchParamsBuilder::default().quantization(int8))
        });
        let sparse = query.sparse.filter(|sparse| !sparse.indices.is_empty()).map(|sparse| {
            let sparse = SparseVector { indices: sparse.indices, values: sparse.values };
            self.leg(BM25, vector_input::Variant::Sparse(sparse), &query.narrow, limit)
        });
        dense.into_iter().chain(sparse).map(QueryPointsBuilder::build).collect()
    }

    fn leg(&self, using: &str, nearest: vector_input::Variant, narrow: &Narrow, limit: u64) -> QueryPointsBuilder {
        let fields = [field::ASSET, field::UPLOAD, field::ORDER, field::LANGUAGE].map(str::to_owned).to_vec();
        QueryPointsBuilder::new(&self.collection.name)
            .query(Query::from(VectorInput { variant: Some(nearest) }))
            .using(using)
            .filter(searchable(&self.org, narrow))
            .limit(limit)
            .with_payload(PayloadIncludeSelector { fields })
            .with_vectors(false)
    }
}

fn candidates(found: Option<Vec<ScoredPoint>>) -> Result<Option<Vec<Candidate>>> {
    found.map(|points| points.into_iter().map(candidate).collect()).transpose()
}

fn candidate(found: ScoredPoint) -> Result<Candidate> {
    let id = point::id(found.id)?;
    let Ranked { asset_id, upload, order, language } = point::read(id, found.payload)?;
    Ok(Candidate { id, score: found.score, asset_id, version: Version { upload, order }, language })
}
