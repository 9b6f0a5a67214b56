//! Update messages, alone or in a batch, as operations.

use std::collections::HashMap;

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::points_update_operation::Operation as Batched;
use qdrant_edge::{EdgeConfig, Payload};

use crate::collection::operation::{Operation, PayloadEdit};
use crate::convert::json_path;
use crate::convert::payload::payload;
use crate::convert::points::target;
use crate::error::{Error, Result, invalid};

type Fields = HashMap<String, proto::Value>;
type Selector = Option<proto::PointsSelector>;

/// Stores points, or with the mode InsertOnly those that do not exist yet.
pub fn upsert(
    points: Vec<proto::PointStruct>,
    conditional: bool,
    mode: Option<i32>,
    config: &EdgeConfig,
) -> Result<Operation> {
    if conditional {
        return Err(Error::Unimplemented("the upsert field update_filter".into()));
    }
    let mode = proto::UpdateMode::try_from(mode.unwrap_or_default());
    match mode.map_err(|e| invalid(format!("update_mode: {e}")))? {
        proto::UpdateMode::Upsert => Operation::upsert(points, false, config),
        proto::UpdateMode::InsertOnly => Operation::upsert(points, true, config),
        proto::UpdateMode::UpdateOnly => Err(Error::Unimplemented("the upsert mode UpdateOnly".into())),
    }
}

/// Sets payload fields, at a path when `key` is given.
pub fn set_payload(fields: Fields, points: Selector, key: Option<String>) -> Result<Operation> {
    let fields = payload(fields);
    let edit = match key {
        Some(key) => PayloadEdit::MergeAt(json_path(&key)?, fields),
        None => PayloadEdit::Merge(fields),
    };
    Ok(Operation::Edit(target(points)?, edit))
}

/// Replaces whole payloads.
pub fn overwrite_payload(fields: Fields, points: Selector, key: Option<String>) -> Result<Operation> {
    if key.is_some() {
        return Err(Error::Unimplemented("overwriting a payload at a key".into()));
    }
    Ok(Operation::Edit(target(points)?, PayloadEdit::Replace(payload(fields))))
}

/// Removes payload fields.
pub fn delete_payload(keys: &[String], points: Selector) -> Result<Operation> {
    let paths = keys.iter().map(|key| json_path(key)).collect::<Result<_>>()?;
    Ok(Operation::Edit(target(points)?, PayloadEdit::Remove(paths)))
}

/// Removes all payload fields.
pub fn clear_payload(points: Selector) -> Result<Operation> {
    Ok(Operation::Edit(target(points)?, PayloadEdit::Replace(Payload::default())))
}

/// One operation of a batch.
#[expect(deprecated, reason = "the two oldest variants are refused by name")]
pub fn batched(operation: proto::PointsUpdateOperation, config: &EdgeConfig) -> Result<Operation> {
    match operation.operation.ok_or_else(|| invalid("an update operation is empty"))? {
        Batched::Upsert(list) => upsert(list.points, list.update_filter.is_some(), list.update_mode, config),
        Batched::DeletePoints(delete) => Ok(Operation::delete(target(delete.points)?)),
        Batched::SetPayload(set) => set_payload(set.payload, set.points_selector, set.key),
        Batched::OverwritePayload(set) => overwrite_payload(set.payload, set.points_selector, set.key),
        Batched::DeletePayload(delete) => delete_payload(&delete.keys, delete.points_selector),
        Batched::ClearPayload(clear) => clear_payload(clear.points),
        Batched::UpdateVectors(_) => Err(Error::Unimplemented("the batched operation update_vectors".into())),
        Batched::DeleteVectors(_) => Err(Error::Unimplemented("the batched operation delete_vectors".into())),
        Batched::DeleteDeprecated(_) => Err(Error::Unimplemented("the batched operation delete_deprecated".into())),
        Batched::ClearPayloadDeprecated(_) => {
            Err(Error::Unimplemented("the batched operation clear_payload_deprecated".into()))
        }
    }
}
