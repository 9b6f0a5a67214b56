//! What every event of an upload carries from the first stage to the last.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Order, UploadId};
use crate::token::{AssetId, Lane, ModelName, Org, StageName};

/// Who, what, which upload, how urgent, and for which model. Fixed when the upload is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lineage {
    pub org: Org,
    pub asset_id: AssetId,
    /// Identity of this upload, and the job id.
    pub upload: UploadId,
    /// Which upload of the asset is newer.
    pub order: Order,
    /// Where the broker first stored the upload event. A deletion without a `sequence` covers what was stored before it.
    #[serde(default)]
    pub position: Order,
    pub lane: Lane,
    /// The embedding model the chunks are cut for.
    pub model: ModelName,
    /// How often an operator has replayed this upload; part of every Msg-Id.
    #[serde(default)]
    pub replay: u32,
    /// When the broker stored the upload event.
    pub accepted_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where the asset came from, as its uploader calls it (a file name, a URL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// W3C trace context of the upload event (the origin's trace, not the hop's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The stages passed so far, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trail: Vec<StageTime>,
}

/// When one stage had an upload in hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StageTime {
    pub stage: StageName,
    /// When the broker stored the message (of several: the first).
    pub queued_at: DateTime<Utc>,
    /// When the stage took it in hand (of several: the first).
    pub started_at: DateTime<Utc>,
    /// When the outputs were ready to publish (of several: the last).
    pub finished_at: DateTime<Utc>,
    /// How many messages of the upload the stage handled.
    pub messages: u32,
}
