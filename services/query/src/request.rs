//! What a caller may ask for, as JSON, with errors that name the field.

use heimdex_schemas::{AssetId, ModelName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Invalid;
use crate::fusion::{Method, Weights};
use crate::options::Options;

/// Which legs run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Hybrid,
    Dense,
    Sparse,
}

/// Narrows a search by documented fields. Within a list any value will do; all lists must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    /// ISO 639-1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub language: Vec<String>,
    /// From 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub page: Vec<u32>,
}

/// A search. Everything but `query` has a default.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SearchRequest {
    pub query: String,
    /// 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asset_ids: Vec<AssetId>,
    pub filters: Filters,
    pub mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fusion: Option<Method>,
    pub weights: Weights,
    /// Whether hits say their rank, score and share in each leg, and which terms matched.
    pub explain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// A receipt's sequence: the answer counts in every upload whose receipt is not newer, or is `not_yet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_seq: Option<u64>,
}

impl SearchRequest {
    /// A hybrid search with the defaults of the service.
    #[must_use]
    pub fn new(query: impl Into<String>) -> Self {
        Self { query: query.into(), ..Self::default() }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`Invalid`] naming the first field that is missing, unknown or of the wrong kind; `$` for the whole.
    pub fn parse(json: &[u8]) -> Result<Self, Invalid> {
        let fields: Map<String, Value> = serde_json::from_slice(json).map_err(|error| Invalid::new("$", error))?;
        let mut fields = Fields(fields);
        let request = Self {
            query: fields.take("query")?.ok_or_else(|| Invalid::new("query", "it is required"))?,
            limit: fields.take("limit")?,
            asset_ids: fields.take("asset_ids")?.unwrap_or_default(),
            filters: fields.take("filters")?.unwrap_or_default(),
            mode: fields.take("mode")?.unwrap_or_default(),
            fusion: fields.take("fusion")?,
            weights: fields.take("weights")?.unwrap_or_default(),
            explain: fields.take("explain")?.unwrap_or_default(),
            model: fields.take("model")?,
            deadline_ms: fields.take("deadline_ms")?,
            min_seq: fields.take("min_seq")?,
        };
        fields.end()?;
        Ok(request)
    }

    /// Checks what the types do not say.
    ///
    /// # Errors
    /// [`Invalid`] naming the field.
    pub fn validate(&self, options: &Options) -> Result<(), Invalid> {
        check_query(&self.query, options.max_query_bytes)?;
        let limit = self.limit.unwrap_or(options.default_limit);
        if !(1..=options.max_limit).contains(&limit) {
            return Err(Invalid::new("limit", format!("{limit} is not between 1 and {}", options.max_limit)));
        }
        check_count("asset_ids", self.asset_ids.len(), options)?;
        check_count("filters.language", self.filters.language.len(), options)?;
        check_count("filters.page", self.filters.page.len(), options)?;
        self.weights.validate()?;
        check_deadline(self.deadline_ms, options)
    }
}

fn check_query(query: &str, limit: usize) -> Result<(), Invalid> {
    if query.trim().is_empty() {
        return Err(Invalid::new("query", "it is empty"));
    }
    if query.len() > limit {
        return Err(Invalid::new("query", format!("it is {} bytes long, the limit is {limit}", query.len())));
    }
    Ok(())
}

fn check_count(field: &str, count: usize, options: &Options) -> Result<(), Invalid> {
    let limit = options.max_filter_values;
    if count <= limit {
        return Ok(());
    }
    Err(Invalid::new(field, format!("it has {count} values, the limit is {limit}")))
}

fn check_deadline(asked: Option<u64>, options: &Options) -> Result<(), Invalid> {
    let limit = options.max_deadline.as_millis();
    match asked {
        Some(0) => Err(Invalid::new("deadline_ms", "it is 0")),
        Some(asked) if u128::from(asked) > limit => {
            Err(Invalid::new("deadline_ms", format!("{asked} is over the limit of {limit}")))
        }
        _ => Ok(()),
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    /// `None` when absent or null.
    fn take<T: DeserializeOwned>(&mut self, field: &str) -> Result<Option<T>, Invalid> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|error| Invalid::new(field, error)),
        }
    }

    fn end(self) -> Result<(), Invalid> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((field, _)) => Err(Invalid::new(&field, "there is no such field")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn refused(json: &str) -> String {
        let parsed = SearchRequest::parse(json.as_bytes());
        parsed.and_then(|request| request.validate(&Options::default())).unwrap_err().field
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (json, field) in [
            ("[]", "$"),
            ("{}", "query"),
            (r#"{"query":"  "}"#, "query"),
            (r#"{"query":7}"#, "query"),
            (r#"{"query":"q","limit":0}"#, "limit"),
            (r#"{"query":"q","limit":101}"#, "limit"),
            (r#"{"query":"q","limit":"ten"}"#, "limit"),
            (r#"{"query":"q","asset_ids":["a\u0000"]}"#, "asset_ids"),
            (r#"{"query":"q","mode":"fuzzy"}"#, "mode"),
            (r#"{"query":"q","fusion":"linear"}"#, "fusion"),
            (r#"{"query":"q","weights":{"dense":-1}}"#, "weights.dense"),
            (r#"{"query":"q","weights":{"dense":0,"sparse":0}}"#, "weights"),
            (r#"{"query":"q","filters":{"org_id":"other"}}"#, "filters"),
            (r#"{"query":"q","deadline_ms":0}"#, "deadline_ms"),
            (r#"{"query":"q","min_seq":-1}"#, "min_seq"),
            (r#"{"query":"q","org_id":"other"}"#, "org_id"),
        ] {
            assert_eq!(refused(json), field, "{json}");
        }
    }

    #[test]
    fn what_we_send_is_what_we_read() {
        let mut request = SearchRequest::new("travel policy");
        request.limit = Some(3);
        request.asset_ids = vec!["handbook/travel".parse().unwrap()];
        request.filters.page = vec![2];
        request.mode = Mode::Sparse;
        request.fusion = Some(Method::Rrf);
        request.explain = true;
        request.min_seq = Some(42);
        let json = serde_json::to_vec(&request).unwrap();
        assert_eq!(SearchRequest::parse(&json).unwrap(), request);
        assert_eq!(SearchRequest::parse(br#"{"query":"q"}"#).unwrap(), SearchRequest::new("q"));
    }
}
