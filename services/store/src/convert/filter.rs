//! Filters: the protobuf form is rewritten as Qdrant's JSON form, which the engine reads and checks itself.

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_edge::Filter;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result, invalid};

/// A filter as the engine evaluates it.
pub fn filter(filter: &proto::Filter) -> Result<Filter> {
    serde_json::from_value(filter_json(filter)?).map_err(|e| invalid(format!("filter: {e}")))
}

/// A filter that may be absent.
pub fn optional(filter_message: Option<&proto::Filter>) -> Result<Option<Filter>> {
    filter_message.map(filter).transpose()
}

fn filter_json(filter: &proto::Filter) -> Result<Value> {
    let mut clauses = Map::new();
    for (name, conditions) in [("must", &filter.must), ("must_not", &filter.must_not), ("should", &filter.should)] {
        if !conditions.is_empty() {
            clauses.insert(name.into(), conditions_json(conditions)?);
        }
    }
    if let Some(min_should) = &filter.min_should {
        let conditions = conditions_json(&min_should.conditions)?;
        clauses.insert("min_should".into(), json!({"conditions": conditions, "min_count": min_should.min_count}));
    }
    Ok(Value::Object(clauses))
}

fn conditions_json(conditions: &[proto::Condition]) -> Result<Value> {
    conditions.iter().map(condition_json).collect::<Result<Vec<_>>>().map(Value::Array)
}

fn condition_json(condition: &proto::Condition) -> Result<Value> {
    match condition.condition_one_of.as_ref().ok_or_else(|| invalid("a filter condition is empty"))? {
        ConditionOneOf::Field(field) => field_json(field),
        ConditionOneOf::IsEmpty(is_empty) => Ok(json!({"is_empty": {"key": is_empty.key}})),
        ConditionOneOf::IsNull(is_null) => Ok(json!({"is_null": {"key": is_null.key}})),
        ConditionOneOf::HasId(has_id) => Ok(json!({"has_id": ids_json(&has_id.has_id)?})),
        ConditionOneOf::HasVector(has_vector) => Ok(json!({"has_vector": has_vector.has_vector})),
        ConditionOneOf::Filter(filter) => filter_json(filter),
        ConditionOneOf::Nested(nested) => {
            let filter = nested.filter.as_ref().ok_or_else(|| invalid("a nested condition has no filter"))?;
            Ok(json!({"nested": {"key": nested.key, "filter": filter_json(filter)?}}))
        }
        ConditionOneOf::Slice(_) => Err(Error::Unimplemented("the filter condition slice".into())),
    }
}

fn ids_json(ids: &[proto::PointId]) -> Result<Value> {
    let id_json = |id: &proto::PointId| match &id.point_id_options {
        Some(PointIdOptions::Num(number)) => Ok(json!(number)),
        Some(PointIdOptions::Uuid(uuid)) => Ok(json!(uuid)),
        None => Err(invalid("a point id is empty")),
    };
    ids.iter().map(id_json).collect::<Result<Vec<_>>>().map(Value::Array)
}

fn field_json(field: &proto::FieldCondition) -> Result<Value> {
    refuse_unsupported(field)?;
    let mut condition = Map::new();
    condition.insert("key".into(), json!(field.key));
    if let Some(matches) = &field.r#match {
        condition.insert("match".into(), match_json(matches)?);
    }
    if let Some(range) = &field.range {
        condition.insert("range".into(), range_json(range)?);
    }
    if let Some(count) = &field.values_count {
        let count = json!({"lt": count.lt, "gt": count.gt, "gte": count.gte, "lte": count.lte});
        condition.insert("values_count".into(), count);
    }
    for (name, flag) in [("is_empty", field.is_empty), ("is_null", field.is_null)] {
        if let Some(flag) = flag {
            condition.insert(name.into(), json!(flag));
        }
    }
    Ok(Value::Object(condition))
}

fn refuse_unsupported(field: &proto::FieldCondition) -> Result<()> {
    let unsupported = [
        ("geo_bounding_box", field.geo_bounding_box.is_some()),
        ("geo_radius", field.geo_radius.is_some()),
        ("geo_polygon", field.geo_polygon.is_some()),
        ("datetime_range", field.datetime_range.is_some()),
    ];
    match unsupported.iter().find(|(_, used)| *used) {
        Some((name, _)) => Err(Error::Unimplemented(format!("the filter condition {name}"))),
        None => Ok(()),
    }
}

fn range_json(range: &proto::Range) -> Result<Value> {
    let bounds = [range.lt, range.gt, range.gte, range.lte];
    if bounds.iter().flatten().any(|bound| !bound.is_finite()) {
        return Err(invalid("a range bound is not a finite number"));
    }
    Ok(json!({"lt": range.lt, "gt": range.gt, "gte": range.gte, "lte": range.lte}))
}

fn match_json(matches: &proto::Match) -> Result<Value> {
    let value = matches.match_value.as_ref().ok_or_else(|| invalid("a match condition is empty"))?;
    Ok(match value {
        MatchValue::Keyword(value) => json!({"value": value}),
        MatchValue::Integer(value) => json!({"value": value}),
        MatchValue::Boolean(value) => json!({"value": value}),
        MatchValue::Keywords(any) => json!({"any": any.strings}),
        MatchValue::Integers(any) => json!({"any": any.integers}),
        MatchValue::ExceptKeywords(except) => json!({"except": except.strings}),
        MatchValue::ExceptIntegers(except) => json!({"except": except.integers}),
        MatchValue::Text(text) => json!({"text": text}),
        MatchValue::TextAny(text) => json!({"text_any": text}),
        MatchValue::Phrase(phrase) => json!({"phrase": phrase}),
        MatchValue::Prefix(_) => return Err(Error::Unimplemented("match prefix".into())),
        MatchValue::Substring(_) => return Err(Error::Unimplemented("match substring".into())),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use qdrant_client::qdrant::{Condition, Filter as ProtoFilter, Range};

    #[test]
    fn each_clause_and_condition_survives() {
        let nested = ProtoFilter::should([Condition::matches("a", true), Condition::is_empty("b")]);
        let message = ProtoFilter {
            must: vec![
                Condition::matches("org", "x".to_string()),
                Condition::matches("lang", vec!["en".to_string(), "de".to_string()]),
                Condition::range("page", Range { gte: Some(2.0), ..Range::default() }),
                nested.into(),
            ],
            must_not: vec![Condition::has_id([1u64, 2]), Condition::matches("n", 3i64)],
            ..ProtoFilter::default()
        };
        let filter = filter(&message).unwrap();
        assert_eq!(filter.must.map(|c| c.len()), Some(4));
        assert_eq!(filter.must_not.map(|c| c.len()), Some(2));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let message = ProtoFilter::must([Condition::matches("a", MatchValue::Prefix("x".into()))]);
        assert_eq!(filter(&message).unwrap_err().to_string(), "match prefix is not supported by this store");
    }

    #[test]
    fn bad_paths_ids_and_bounds_are_refused() {
        for condition in [
            Condition::matches("a..b", 1i64),
            Condition::has_id(["not-a-uuid"]),
            Condition::range("a", Range { lt: Some(f64::NAN), ..Range::default() }),
            Condition::default(),
        ] {
            let error = filter(&ProtoFilter::must([condition])).unwrap_err();
            assert_eq!(error.code(), tonic::Code::InvalidArgument, "{error}");
        }
    }
}
