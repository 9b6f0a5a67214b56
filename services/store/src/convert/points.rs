//! Whole points, in and out.

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_edge::{
    EdgeConfig, PointStructPersisted, Record, ScoredPoint, VectorInternal, VectorPersisted, VectorStructPersisted,
};

use super::payload::{payload, proto_payload};
use super::{point_id, point_ids, proto_id, vectors};
use crate::collection::operation::Target;
use crate::error::{Result, invalid};

/// A point to store, checked against the collection.
///
/// Its payload is never absent: the engine keeps the old payload of a moved point when told nothing, and clears it when
/// the point stays, so nothing may be left unsaid.
pub fn point(message: proto::PointStruct, config: &EdgeConfig) -> Result<PointStructPersisted> {
    let id = message.id.as_ref().ok_or_else(|| invalid("a point has no id"))?;
    Ok(PointStructPersisted {
        id: point_id(id)?,
        vector: VectorStructPersisted::Named(vectors::named(message.vectors, config)?),
        payload: Some(payload(message.payload)),
    })
}

/// A stored point as the request that would store it again.
pub fn point_message(point: &PointStructPersisted) -> proto::PointStruct {
    let vectors = match &point.vector {
        VectorStructPersisted::Named(named) => vectors::input(named),
        VectorStructPersisted::Single(_) | VectorStructPersisted::MultiDense(_) => None,
    };
    proto::PointStruct {
        id: Some(proto_id(point.id)),
        payload: point.payload.clone().map(proto_payload).unwrap_or_default(),
        vectors,
    }
}

/// A point read with all its vectors and payload, as a point to store.
pub fn image(record: Record) -> PointStructPersisted {
    let named = record.vector.map(vectors::by_name).unwrap_or_default();
    let stored = named.into_iter().filter_map(|(name, vector)| Some((name, persisted(vector)?)));
    PointStructPersisted {
        id: record.id,
        vector: VectorStructPersisted::Named(stored.collect()),
        payload: Some(record.payload.unwrap_or_default()),
    }
}

/// `None` for multi-dense vectors, which no collection here can hold.
fn persisted(vector: VectorInternal) -> Option<VectorPersisted> {
    match vector {
        VectorInternal::Dense(values) => Some(VectorPersisted::Dense(values)),
        VectorInternal::Sparse(vector) => Some(VectorPersisted::Sparse(vector)),
        VectorInternal::MultiDense(_) => None,
    }
}

/// The points an operation is for.
pub fn target(selector: Option<proto::PointsSelector>) -> Result<Target> {
    match selector.and_then(|selector| selector.points_selector_one_of) {
        Some(PointsSelectorOneOf::Points(list)) => Ok(Target::Ids(point_ids(&list.ids)?)),
        Some(PointsSelectorOneOf::Filter(filter)) => Ok(Target::Matching(super::filter::filter(&filter)?)),
        None => Err(invalid("no points are selected")),
    }
}

/// A point found by id or by scrolling.
pub fn retrieved(record: Record) -> proto::RetrievedPoint {
    proto::RetrievedPoint {
        id: Some(proto_id(record.id)),
        payload: record.payload.map(proto_payload).unwrap_or_default(),
        vectors: record.vector.map(vectors::output),
        ..proto::RetrievedPoint::default()
    }
}

/// A point found by a query.
pub fn scored(point: ScoredPoint) -> proto::ScoredPoint {
    proto::ScoredPoint {
        id: Some(proto_id(point.id)),
        payload: point.payload.map(proto_payload).unwrap_or_default(),
        score: point.score,
        version: point.version,
        vectors: point.vector.map(vectors::output),
        ..proto::ScoredPoint::default()
    }
}
