//! What a point holds, as we write it and as we read it.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, ModelName, Order, Org, PointId, UploadId};
use qdrant_client::Payload;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::{self, Value};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

use crate::error::{IndexError, Result};

/// Payload keys that filters name.
pub(crate) mod field {
    pub(crate) const ORG: &str = "org_id";
    pub(crate) const ASSET: &str = "asset_id";
    pub(crate) const UPLOAD: &str = "upload";
    pub(crate) const ORDER: &str = "order";
    pub(crate) const POSITION: &str = "position";
    pub(crate) const CONTENT_HASH: &str = "content_hash";
    pub(crate) const NUMERICS: &str = "numerics";
    pub(crate) const TEXT: &str = "text";
    pub(crate) const STATE: &str = "state";
    pub(crate) const LANGUAGE: &str = "language";
    pub(crate) const PAGES: &str = "pages";
}

/// Where a point is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Written, not yet part of a complete document; no search sees it.
    Staged,
    /// Searchable.
    Live,
    /// Replaced; no search sees it, and it waits for its physical deletion.
    Dead,
}

impl State {
    /// The payload's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Live => "live",
            Self::Dead => "dead",
        }
    }
}

/// One upload among those of its asset. The greater one is newer; the upload's id decides between equal orders, so that
/// two uploads that claim the same place still have a winner that everyone agrees on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    pub upload: UploadId,
    pub order: Order,
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.order, self.upload).cmp(&(other.order, other.upload))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A point's payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub org_id: Org,
    pub asset_id: AssetId,
    pub upload: UploadId,
    pub order: Order,
    /// Where the broker first stored the upload event: a deletion without a `sequence` goes by it.
    #[serde(default)]
    pub position: Order,
    /// Position of the chunk in its document, from 0.
    pub ordinal: u32,
    /// Chunks of the document.
    pub total: u32,
    pub text: String,
    /// The pages the chunk touches, ascending.
    pub pages: Vec<u32>,
    /// The character of `text` at which each of `pages` begins.
    #[serde(default)]
    pub page_starts: Vec<u32>,
    /// Characters in the document's text, half open.
    pub span: [u64; 2],
    #[serde(default)]
    pub heading_path: Vec<String>,
    /// ISO 639-1.
    #[serde(default)]
    pub language: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub source: Option<String>,
    pub model: ModelName,
    pub space: String,
    /// Provider, precision and library that computed the dense vector.
    pub numerics: String,
    pub content_hash: String,
    pub state: State,
    pub indexed_at: DateTime<Utc>,
}

impl Document {
    /// Which upload of its asset it belongs to.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version { upload: self.upload, order: self.order }
    }

    pub(crate) fn into_payload(self, id: PointId) -> Result<Payload> {
        let unreadable = |reason: String| IndexError::Payload { point: id.to_string(), reason };
        let value = serde_json::to_value(self).map_err(|error| unreadable(error.to_string()))?;
        Payload::try_from(value).map_err(|error| unreadable(error.to_string()))
    }
}

/// A point as read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub id: PointId,
    pub document: Document,
}

/// Reads (a part of) a payload as `T`.
pub(crate) fn read<T: serde::de::DeserializeOwned>(id: PointId, payload: HashMap<String, Value>) -> Result<T> {
    let read = Payload::from(payload).deserialize();
    read.map_err(|error| IndexError::Payload { point: id.to_string(), reason: format!("{error:?}") })
}

/// Our point ids are UUIDs.
pub(crate) fn id(found: Option<qdrant::PointId>) -> Result<PointId> {
    let options = found.and_then(|id| id.point_id_options);
    let unreadable = |point: String| IndexError::Payload { point, reason: "its id is not a UUID".to_owned() };
    match options {
        Some(PointIdOptions::Uuid(text)) => text.parse().map(PointId).map_err(|_| unreadable(text)),
        Some(PointIdOptions::Num(number)) => Err(unreadable(number.to_string())),
        None => Err(unreadable("without id".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn equal_orders_are_decided_by_the_upload() {
        let org = "acme".parse().unwrap();
        let version =
            |id: &str, sequence| Version { upload: UploadId::new(&org, "/s", id), order: Order::by_uploader(sequence) };
        let (a, b) = (version("a", 1), version("b", 1));
        assert_ne!(a.cmp(&b), Ordering::Equal);
        assert!(version("a", 2) > b && version("b", 2) > a);
    }

    #[test]
    fn states_are_written_as_they_are_filtered() {
        for state in [State::Staged, State::Live, State::Dead] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
