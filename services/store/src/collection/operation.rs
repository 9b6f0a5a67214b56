//! What a write request asks for, and the absolute changes it is turned into before it is logged.
//!
//! Only absolute changes reach the log: "these points are now exactly this" and "these ids are gone". A filter or a
//! partial payload change means something else after other changes, and during an optimization the engine holds the
//! base of a partial change only in memory; an absolute change can be applied any number of times to any leftover
//! state and gives the same result.

use prost::Message as _;
use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::points_update_operation::PointStructList;
use qdrant_edge::{EdgeConfig, Filter, JsonPath, Payload, PointId, PointStructPersisted};

use crate::convert::{point_ids, points, proto_id};
use crate::error::{Error, Result, invalid};
use crate::redo::Record;

/// Record kind of [`Effect::Upsert`]: a `PointStructList`.
const UPSERT: u8 = 1;
/// Record kind of [`Effect::Delete`]: a `PointsIdsList`.
const DELETE: u8 = 2;

/// The points an operation is for.
#[derive(Debug, Clone)]
pub enum Target {
    /// These.
    Ids(Vec<PointId>),
    /// Those the filter matches when the operation's turn comes.
    Matching(Filter),
}

/// A change of payload fields.
#[derive(Debug, Clone)]
pub enum PayloadEdit {
    /// Sets these top-level fields; null removes one.
    Merge(Payload),
    /// Sets these fields inside the object at a path.
    MergeAt(JsonPath, Payload),
    /// Replaces the whole payload.
    Replace(Payload),
    /// Removes the values at these paths.
    Remove(Vec<JsonPath>),
}

impl PayloadEdit {
    /// Changes a payload in place.
    pub fn edit(&self, payload: &mut Payload) {
        match self {
            Self::Merge(fields) => payload.merge(fields),
            Self::MergeAt(path, fields) => payload.merge_by_key(fields, path),
            Self::Replace(fields) => payload.clone_from(fields),
            Self::Remove(paths) => paths.iter().for_each(|path| {
                payload.remove(path);
            }),
        }
    }
}

/// One operation of a write request.
#[derive(Debug)]
pub enum Operation {
    /// A change that is absolute already.
    Change(Change),
    /// Stores those of these points that do not exist when the operation's turn comes.
    Insert(Vec<PointStructPersisted>),
    /// Deletes what a filter matches.
    DeleteMatching(Filter),
    /// Changes payload fields of some points.
    Edit(Target, PayloadEdit),
}

impl Operation {
    /// Stores points; with `insert_only`, points that exist stay as they are.
    pub fn upsert(points: Vec<proto::PointStruct>, insert_only: bool, config: &EdgeConfig) -> Result<Self> {
        let change = Change::upsert(points, config)?;
        match change.effect {
            Effect::Upsert(points) if insert_only => Ok(Self::Insert(points)),
            effect => Ok(Self::Change(Change { effect, ..change })),
        }
    }

    /// Deletes points by id or by filter.
    pub fn delete(target: Target) -> Self {
        match target {
            Target::Ids(ids) => Self::Change(Change::delete(ids)),
            Target::Matching(filter) => Self::DeleteMatching(filter),
        }
    }
}

/// An absolute change with its encoding.
#[derive(Debug)]
pub struct Change {
    /// What is logged.
    pub record: Record,
    /// What is done to the engine.
    pub effect: Effect,
}

/// What an absolute change does to the engine.
#[derive(Debug)]
pub enum Effect {
    /// These points are now exactly this.
    Upsert(Vec<PointStructPersisted>),
    /// These ids are gone.
    Delete(Vec<PointId>),
}

impl Effect {
    /// How many points it is about.
    pub fn points(&self) -> usize {
        match self {
            Self::Upsert(points) => points.len(),
            Self::Delete(ids) => ids.len(),
        }
    }
}

impl Change {
    /// Stores points as a request sent them.
    pub fn upsert(messages: Vec<proto::PointStruct>, config: &EdgeConfig) -> Result<Self> {
        let list = PointStructList { points: messages, ..PointStructList::default() };
        let record = Record { kind: UPSERT, bytes: list.encode_to_vec() };
        let checked = list.points.into_iter().map(|message| points::point(message, config));
        Ok(Self { record, effect: Effect::Upsert(checked.collect::<Result<_>>()?) })
    }

    /// Stores points read from the engine and edited.
    pub fn images(images: Vec<PointStructPersisted>) -> Self {
        let points = images.iter().map(points::point_message).collect();
        let list = PointStructList { points, ..PointStructList::default() };
        Self { record: Record { kind: UPSERT, bytes: list.encode_to_vec() }, effect: Effect::Upsert(images) }
    }

    /// Deletes points by id.
    pub fn delete(ids: Vec<PointId>) -> Self {
        let list = proto::PointsIdsList { ids: ids.iter().copied().map(proto_id).collect() };
        Self { record: Record { kind: DELETE, bytes: list.encode_to_vec() }, effect: Effect::Delete(ids) }
    }

    /// The ids of a logged record, and whether it deletes them; reads nothing else of the points.
    pub fn ids(record: &Record) -> Result<(Vec<PointId>, bool)> {
        let undecodable = |e: prost::DecodeError| invalid(format!("redo record of kind {}: {e}", record.kind));
        let ids = match record.kind {
            UPSERT => {
                let list = IdsOfPoints::decode(record.bytes.as_slice()).map_err(undecodable)?;
                list.points.into_iter().filter_map(|point| point.id).collect()
            }
            _ => proto::PointsIdsList::decode(record.bytes.as_slice()).map_err(undecodable)?.ids,
        };
        Ok((point_ids(&ids)?, record.kind == DELETE))
    }

    /// The effect of a logged record.
    pub fn replay(record: &Record, config: &EdgeConfig) -> Result<Effect> {
        let undecodable = |e: prost::DecodeError| invalid(format!("redo record of kind {}: {e}", record.kind));
        match record.kind {
            UPSERT => {
                let list = PointStructList::decode(record.bytes.as_slice()).map_err(undecodable)?;
                let points = list.points.into_iter().map(|message| points::point(message, config));
                Ok(Effect::Upsert(points.collect::<Result<_>>()?))
            }
            DELETE => {
                let list = proto::PointsIdsList::decode(record.bytes.as_slice()).map_err(undecodable)?;
                Ok(Effect::Delete(point_ids(&list.ids)?))
            }
            kind => Err(Error::Unimplemented(format!("the redo record kind {kind}"))),
        }
    }
}

/// `PointStructList` without what follows each id.
#[derive(Clone, PartialEq, prost::Message)]
struct IdsOfPoints {
    #[prost(message, repeated, tag = "1")]
    points: Vec<IdOfPoint>,
}

/// `PointStruct` without its vectors and payload.
#[derive(Clone, PartialEq, prost::Message)]
struct IdOfPoint {
    #[prost(message, optional, tag = "1")]
    id: Option<proto::PointId>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn the_ids_of_a_record_are_those_of_its_effect() {
        let payload = qdrant_client::Payload::new();
        let points = vec![proto::PointStruct::new(7, vec![1.0], payload)];
        let list = PointStructList { points, ..PointStructList::default() };
        let upsert = Record { kind: UPSERT, bytes: list.encode_to_vec() };
        assert_eq!(Change::ids(&upsert).unwrap(), (vec![PointId::NumId(7)], false));
        let id = PointId::Uuid(uuid::Uuid::from_u128(8));
        assert_eq!(Change::ids(&Change::delete(vec![id]).record).unwrap(), (vec![id], true));
    }
}
