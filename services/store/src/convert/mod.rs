//! Between Qdrant's protobuf messages and the engine's types.

pub mod collection;
pub mod filter;
pub mod index;
pub mod payload;
pub mod points;
pub mod query;
pub mod vectors;

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_edge::{JsonPath, PointId};

use crate::error::{Result, invalid};

/// A point id: an unsigned number or a UUID.
pub fn point_id(id: &proto::PointId) -> Result<PointId> {
    match &id.point_id_options {
        Some(PointIdOptions::Num(number)) => Ok(PointId::NumId(*number)),
        Some(PointIdOptions::Uuid(text)) => {
            let uuid = uuid::Uuid::parse_str(text).map_err(|e| invalid(format!("point id {text:?}: {e}")))?;
            Ok(PointId::Uuid(uuid))
        }
        None => Err(invalid("a point id is empty")),
    }
}

/// Several point ids.
pub fn point_ids(ids: &[proto::PointId]) -> Result<Vec<PointId>> {
    ids.iter().map(point_id).collect()
}

/// The message of a point id.
pub fn proto_id(id: PointId) -> proto::PointId {
    match id {
        PointId::NumId(number) => number.into(),
        PointId::Uuid(uuid) => uuid.to_string().into(),
    }
}

/// A payload path such as `a.b` or `a[].b`.
pub fn json_path(text: &str) -> Result<JsonPath> {
    text.parse().map_err(|()| invalid(format!("{text:?} is not a payload path")))
}

/// A count that arrives as 64 bits.
pub fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Where data is kept when not in use: on disk or in memory. `memory` is the newer way to say it and wins over `flag`.
pub fn on_disk(memory: Option<i32>, flag: Option<bool>) -> Result<Option<bool>> {
    match memory.map(proto::Memory::try_from) {
        None | Some(Ok(proto::Memory::Unknown)) => Ok(flag),
        Some(Ok(proto::Memory::Cold)) => Ok(Some(true)),
        Some(Ok(proto::Memory::Cached | proto::Memory::Pinned)) => Ok(Some(false)),
        Some(Err(_)) => Err(invalid("a memory placement does not exist")),
    }
}
