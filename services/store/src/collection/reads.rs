//! Reads of one collection. They block: run them on the search pool.

use qdrant_edge::{
    Condition, CountRequest, EdgeShard, FacetRequest, FacetResponse, Filter, PointId, QueryRequest, Record,
    ScoredPoint, ScrollRequest, VectorInternal, WithPayloadInterface, WithVector,
};

use crate::convert::query::{Nearest, Query};
use crate::convert::vectors;
use crate::error::{Error, Result, invalid};

/// Points an exact read of everything may see beyond the count taken just before it.
const GROWTH: usize = 100_000;

/// Points by id, in the order asked; unknown ids are left out.
pub fn get(
    shard: &EdgeShard,
    ids: &[PointId],
    with_payload: WithPayloadInterface,
    with_vector: WithVector,
) -> Result<Vec<Record>> {
    Ok(shard.retrieve(ids, Some(with_payload), Some(with_vector))?)
}

/// One page of points in id order, and the id the next page begins with.
pub fn scroll(shard: &EdgeShard, request: ScrollRequest) -> Result<(Vec<Record>, Option<PointId>)> {
    Ok(shard.scroll(request)?)
}

/// The distinct ids a filter matches, in order.
pub fn matching(shard: &EdgeShard, filter: Option<Filter>) -> Result<Vec<PointId>> {
    let request = ScrollRequest {
        limit: Some(shard.info().points_count + GROWTH),
        filter,
        with_payload: Some(WithPayloadInterface::Bool(false)),
        ..ScrollRequest::default()
    };
    Ok(shard.scroll(request)?.0.into_iter().map(|record| record.id).collect())
}

/// How many points a filter matches. Exact counts are of distinct ids: the engine's own sums its segments, and while a
/// point moves between two of them it is in both.
pub fn count(shard: &EdgeShard, filter: Option<Filter>, exact: bool) -> Result<usize> {
    if exact {
        return Ok(matching(shard, filter)?.len());
    }
    Ok(shard.count(CountRequest { filter, exact: false })?)
}

/// How many copies of these ids the engine's segments hold together.
pub fn copies(shard: &EdgeShard, ids: &[PointId]) -> Result<usize> {
    let filter = Filter { must: Some(vec![Condition::HasId(ids.iter().copied().collect())]), ..Filter::default() };
    Ok(shard.count(CountRequest { filter: Some(filter), exact: true })?)
}

/// The most frequent values of an indexed payload field.
pub fn facet(shard: &EdgeShard, request: FacetRequest) -> Result<FacetResponse> {
    Ok(shard.facet(request)?)
}

/// Runs a query, looking its vector up first when it names a point.
///
/// The engine finds `offset + limit` points and leaves it to its caller to skip the first.
pub fn query(shard: &EdgeShard, query: Query) -> Result<Vec<ScoredPoint>> {
    let request = resolve(shard, query)?;
    let (offset, limit) = (request.offset, request.limit);
    Ok(shard.query(request)?.into_iter().skip(offset).take(limit).collect())
}

fn resolve(shard: &EdgeShard, mut query: Query) -> Result<QueryRequest> {
    match query.nearest.take() {
        None => Ok(query.request),
        Some(Nearest::Vector(vector)) => Ok(query.with_vector(vector, None)),
        Some(Nearest::Point(id)) => {
            let vector = vector_of(shard, id, &query.using)?;
            Ok(query.with_vector(vector, Some(id)))
        }
    }
}

fn vector_of(shard: &EdgeShard, id: PointId, name: &str) -> Result<VectorInternal> {
    let selector = WithVector::Selector(vec![name.to_string()]);
    let record = get(shard, &[id], WithPayloadInterface::Bool(false), selector)?.pop();
    let record = record.ok_or_else(|| Error::NotFound(format!("no point with id {id} found")))?;
    let mut vectors = record.vector.map(vectors::by_name).unwrap_or_default();
    vectors.remove(name).ok_or_else(|| invalid(format!("point {id} has no vector {name:?}")))
}
