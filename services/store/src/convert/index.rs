//! Payload index schemas: keyword, integer, float, bool and uuid.
#![expect(
    deprecated,
    reason = "clients of the engine's generation say on_disk and always_ram; newer ones also say memory"
)]

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_edge::{PayloadFieldSchema, PayloadIndexInfo, PayloadSchemaParams, PayloadSchemaType};
use serde_json::json;

use super::on_disk;
use crate::error::{Error, Result, invalid};

/// The schema a create-field-index request asks for.
pub fn schema(request: &proto::CreateFieldIndexCollection) -> Result<PayloadFieldSchema> {
    if let Some(params) = request.field_index_params.as_ref().and_then(|params| params.index_params.as_ref()) {
        return with_params(params);
    }
    let kind = match request.field_type.map(proto::FieldType::try_from) {
        Some(Ok(proto::FieldType::Keyword)) => PayloadSchemaType::Keyword,
        Some(Ok(proto::FieldType::Integer)) => PayloadSchemaType::Integer,
        Some(Ok(proto::FieldType::Float)) => PayloadSchemaType::Float,
        Some(Ok(proto::FieldType::Bool)) => PayloadSchemaType::Bool,
        Some(Ok(proto::FieldType::Uuid)) => PayloadSchemaType::Uuid,
        Some(Ok(other)) => return Err(unsupported(other.as_str_name())),
        Some(Err(_)) | None => return Err(invalid("a field index needs a field type")),
    };
    Ok(PayloadFieldSchema::FieldType(kind))
}

fn unsupported(kind: &str) -> Error {
    Error::Unimplemented(format!("a field index of type {kind}"))
}

/// The engine's own parameter types carry private tags, so its JSON form is used.
fn with_params(params: &IndexParams) -> Result<PayloadFieldSchema> {
    let (json, extras) = match params {
        IndexParams::KeywordIndexParams(p) => (
            json!({"type": "keyword", "is_tenant": p.is_tenant, "on_disk": on_disk(p.memory, p.on_disk)?, "enable_hnsw": p.enable_hnsw}),
            p.prefix.is_some() || p.nested.is_some(),
        ),
        IndexParams::IntegerIndexParams(p) => (
            json!({"type": "integer", "lookup": p.lookup, "range": p.range, "is_principal": p.is_principal,
                   "on_disk": on_disk(p.memory, p.on_disk)?, "enable_hnsw": p.enable_hnsw}),
            p.nested.is_some(),
        ),
        IndexParams::FloatIndexParams(p) => (
            json!({"type": "float", "is_principal": p.is_principal, "on_disk": on_disk(p.memory, p.on_disk)?, "enable_hnsw": p.enable_hnsw}),
            p.nested.is_some(),
        ),
        IndexParams::BoolIndexParams(p) => (
            json!({"type": "bool", "on_disk": on_disk(p.memory, p.on_disk)?, "enable_hnsw": p.enable_hnsw}),
            p.nested.is_some(),
        ),
        IndexParams::UuidIndexParams(p) => (
            json!({"type": "uuid", "is_tenant": p.is_tenant, "on_disk": on_disk(p.memory, p.on_disk)?, "enable_hnsw": p.enable_hnsw}),
            p.nested.is_some(),
        ),
        IndexParams::GeoIndexParams(_) => return Err(unsupported("geo")),
        IndexParams::TextIndexParams(_) => return Err(unsupported("text")),
        IndexParams::DatetimeIndexParams(_) => return Err(unsupported("datetime")),
    };
    if extras {
        return Err(Error::Unimplemented("a field index with prefix or nested".into()));
    }
    serde_json::from_value(json).map_err(|e| invalid(format!("field index: {e}")))
}

/// An index as the answer to "get" shows it.
pub fn info_message(info: &PayloadIndexInfo) -> proto::PayloadSchemaInfo {
    let kind = match info.data_type {
        PayloadSchemaType::Keyword => proto::PayloadSchemaType::Keyword,
        PayloadSchemaType::Integer => proto::PayloadSchemaType::Integer,
        PayloadSchemaType::Float => proto::PayloadSchemaType::Float,
        PayloadSchemaType::Geo => proto::PayloadSchemaType::Geo,
        PayloadSchemaType::Text => proto::PayloadSchemaType::Text,
        PayloadSchemaType::Bool => proto::PayloadSchemaType::Bool,
        PayloadSchemaType::Datetime => proto::PayloadSchemaType::Datetime,
        PayloadSchemaType::Uuid => proto::PayloadSchemaType::Uuid,
    };
    let params = info.params.as_ref().and_then(params_message);
    proto::PayloadSchemaInfo {
        data_type: kind.into(),
        params: params.map(|params| proto::PayloadIndexParams { index_params: Some(params) }),
        points: Some(info.points as u64),
    }
}

fn params_message(params: &PayloadSchemaParams) -> Option<IndexParams> {
    Some(match params {
        PayloadSchemaParams::Keyword(p) => IndexParams::KeywordIndexParams(proto::KeywordIndexParams {
            is_tenant: p.is_tenant,
            on_disk: p.on_disk,
            enable_hnsw: p.enable_hnsw,
            ..proto::KeywordIndexParams::default()
        }),
        PayloadSchemaParams::Integer(p) => IndexParams::IntegerIndexParams(proto::IntegerIndexParams {
            lookup: p.lookup,
            range: p.range,
            is_principal: p.is_principal,
            on_disk: p.on_disk,
            enable_hnsw: p.enable_hnsw,
            ..proto::IntegerIndexParams::default()
        }),
        PayloadSchemaParams::Float(p) => IndexParams::FloatIndexParams(proto::FloatIndexParams {
            on_disk: p.on_disk,
            is_principal: p.is_principal,
            enable_hnsw: p.enable_hnsw,
            ..proto::FloatIndexParams::default()
        }),
        PayloadSchemaParams::Bool(p) => IndexParams::BoolIndexParams(proto::BoolIndexParams {
            on_disk: p.on_disk,
            enable_hnsw: p.enable_hnsw,
            ..proto::BoolIndexParams::default()
        }),
        PayloadSchemaParams::Uuid(p) => IndexParams::UuidIndexParams(proto::UuidIndexParams {
            is_tenant: p.is_tenant,
            on_disk: p.on_disk,
            enable_hnsw: p.enable_hnsw,
            ..proto::UuidIndexParams::default()
        }),
        PayloadSchemaParams::Geo(_) | PayloadSchemaParams::Text(_) | PayloadSchemaParams::Datetime(_) => return None,
    })
}
