//! Queries: nearest to a dense or sparse vector, or to a stored point.

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::{query, vector_input};
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    DEFAULT_VECTOR_NAME, EdgeConfig, Filter, NamedQuery, PointId, QuantizationSearchParams, QueryEnum, QueryRequest,
    ScoringQuery, SearchParams, VectorInternal, VectorPersisted,
};

use super::{filter, payload, point_id, size, vectors};
use crate::error::{Error, Result, invalid};

/// Results when a request names no limit, as in Qdrant.
const DEFAULT_LIMIT: u64 = 10;

/// A query that still may refer to a stored point.
#[derive(Debug)]
pub struct Query {
    /// Everything but the vector.
    pub request: QueryRequest,
    /// The vector asked with.
    pub nearest: Option<Nearest>,
    /// Name of the vector searched in.
    pub using: String,
}

/// What to be near to.
#[derive(Debug)]
pub enum Nearest {
    /// A vector, checked against the collection.
    Vector(VectorInternal),
    /// The vector of a stored point, which is left out of the answer.
    Point(PointId),
}

/// Reads a query message.
pub fn query(message: proto::QueryPoints, config: &EdgeConfig) -> Result<Query> {
    refuse_unsupported(&message)?;
    let using = message.using.unwrap_or_else(|| DEFAULT_VECTOR_NAME.to_string());
    let variant = message.query.and_then(|query| query.variant);
    let nearest = variant.map(|variant| nearest(variant, &using, config)).transpose()?;
    let request = QueryRequest {
        prefetches: Vec::new(),
        query: None,
        filter: filter::optional(message.filter.as_ref())?,
        score_threshold: message.score_threshold.map(OrderedFloat),
        limit: size(message.limit.unwrap_or(DEFAULT_LIMIT)),
        offset: size(message.offset.unwrap_or(0)),
        params: message.params.map(params).transpose()?,
        with_vector: vectors::selector(message.with_vectors),
        with_payload: payload::selector(message.with_payload, false)?,
    };
    Ok(Query { request, nearest, using })
}

impl Query {
    /// The engine's request once the vector is known; `exclude` is the point it came from.
    pub fn with_vector(mut self, vector: VectorInternal, exclude: Option<PointId>) -> QueryRequest {
        let nearest = NamedQuery { query: vector, using: Some(self.using) };
        self.request.query = Some(ScoringQuery::Vector(QueryEnum::Nearest(nearest)));
        if let Some(id) = exclude {
            let filter = self.request.filter.take().unwrap_or_default();
            self.request.filter = Some(without(filter, id));
        }
        self.request
    }
}

fn without(filter: Filter, id: PointId) -> Filter {
    let condition = qdrant_edge::Condition::HasId([id].into_iter().collect());
    filter.merge_owned(Filter { must_not: Some(vec![condition]), ..Filter::default() })
}

fn refuse_unsupported(message: &proto::QueryPoints) -> Result<()> {
    let unsupported = [
        ("prefetch", !message.prefetch.is_empty()),
        ("lookup_from", message.lookup_from.is_some()),
        ("shard_key_selector", message.shard_key_selector.is_some()),
        ("params.acorn", message.params.as_ref().is_some_and(|params| params.acorn.is_some())),
        ("params.idf", message.params.as_ref().is_some_and(|params| params.idf.is_some())),
    ];
    match unsupported.iter().find(|(_, used)| *used) {
        Some((name, _)) => Err(Error::Unimplemented(format!("the query field {name}"))),
        None => Ok(()),
    }
}

fn nearest(variant: query::Variant, using: &str, config: &EdgeConfig) -> Result<Nearest> {
    let name = match variant {
        query::Variant::Nearest(input) => return target(input, using, config),
        query::Variant::Recommend(_) => "recommend",
        query::Variant::Discover(_) => "discover",
        query::Variant::Context(_) => "context",
        query::Variant::OrderBy(_) => "order_by",
        query::Variant::Fusion(_) => "fusion",
        query::Variant::Sample(_) => "sample",
        query::Variant::Formula(_) => "formula",
        query::Variant::NearestWithMmr(_) => "nearest_with_mmr",
        query::Variant::Rrf(_) => "rrf",
        query::Variant::RelevanceFeedback(_) => "relevance_feedback",
        query::Variant::Text(_) => "text",
    };
    Err(Error::Unimplemented(format!("the query {name}")))
}

fn target(input: proto::VectorInput, using: &str, config: &EdgeConfig) -> Result<Nearest> {
    let vector = match input.variant.ok_or_else(|| invalid("the query vector is empty"))? {
        vector_input::Variant::Id(id) => return Ok(Nearest::Point(point_id(&id)?)),
        vector_input::Variant::Dense(dense) => VectorPersisted::Dense(dense.data),
        vector_input::Variant::Sparse(sparse) => vectors::sparse_vector(sparse),
        vector_input::Variant::MultiDense(_) => return Err(Error::Unimplemented("a multi-dense vector".into())),
        vector_input::Variant::Document(_) | vector_input::Variant::Image(_) | vector_input::Variant::Object(_) => {
            return Err(Error::Unimplemented("inference from a document, image or object".into()));
        }
    };
    match vectors::checked(using, vector, config)? {
        VectorPersisted::Dense(values) => Ok(Nearest::Vector(VectorInternal::Dense(values))),
        VectorPersisted::Sparse(sparse) => Ok(Nearest::Vector(VectorInternal::Sparse(sparse))),
        VectorPersisted::MultiDense(_) => Err(Error::Unimplemented("a multi-dense vector".into())),
    }
}

fn params(params: proto::SearchParams) -> Result<SearchParams> {
    let quantization = params.quantization.map(|quantization| QuantizationSearchParams {
        ignore: quantization.ignore.unwrap_or(false),
        rescore: quantization.rescore,
        oversampling: quantization.oversampling,
    });
    if quantization.is_some_and(|q| q.oversampling.is_some_and(|factor| !(factor >= 1.0 && factor.is_finite()))) {
        return Err(invalid("params.quantization.oversampling must be at least 1"));
    }
    Ok(SearchParams {
        hnsw_ef: params.hnsw_ef.map(size),
        exact: params.exact.unwrap_or(false),
        quantization,
        indexed_only: params.indexed_only.unwrap_or(false),
        acorn: None,
    })
}
