//! How uploads end, and how far they are.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MissingChunk, StageTime, Warning};
use crate::ids::{Order, UploadId};
use crate::token::{AssetId, ModelName, Org, StageName};

/// Why work ended in the dead-letter stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    pub stage: StageName,
    pub class: FailureClass,
    /// Stable, snake_case: `encrypted`, `corrupt`, `timeout`, …
    pub code: String,
    pub message: String,
}

/// What kind of dead letter it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// It can never work.
    Rejected,
    /// It kept failing.
    Exhausted,
    /// It killed its worker.
    Poison,
    /// Somebody did not want it any more: its asset was deleted, or its job was cancelled.
    Cancelled,
}

/// The outcome of one upload. The newest receipt of a job is the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    pub org: Org,
    /// Absent when a whole org was purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<AssetId>,
    /// Also the job id.
    pub upload: UploadId,
    pub state: ReceiptState,
    /// Counts the terminal states of this upload from 0: replaying a dead part makes the next.
    #[serde(default)]
    pub version: u32,
    pub order: Order,
    /// Absent for a deletion, which concerns all models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// Searchable points of this upload.
    pub chunks: u32,
    pub pages: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Chunks that are not searchable, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingChunk>,
    /// Why it failed, or why parts of it are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// Chunks whose vector was kept from an earlier upload of the asset.
    #[serde(default)]
    pub reused: u32,
    /// Tokens that were cut off because they did not fit the model. Always 0: chunks are cut to fit.
    #[serde(default)]
    pub truncated_tokens: u64,
    /// Points that a deletion removed.
    #[serde(default)]
    pub removed: u64,
    /// When each stage had it in hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageTime>,
    /// The upload that is newer when superseded, the deletion's job when deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<UploadId>,
    pub accepted_at: DateTime<Utc>,
    pub completed_at: DateTime<Utc>,
}

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptState {
    /// All of it is searchable.
    Indexed,
    /// Some pages or chunks are missing and listed; the rest is searchable.
    Degraded,
    /// Nothing of this upload is searchable; an older version, if any, still is.
    Failed,
    /// A newer upload of the asset won.
    Superseded,
    /// The asset or its org was deleted; also how a deletion itself ends.
    Deleted,
}

/// A stage has handled one message of a job. One per job, stage and part is kept, so that parts can be counted in whatever
/// order they come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    pub org: Org,
    pub upload: UploadId,
    pub stage: StageName,
    /// Which of the stage's messages of this job it was, from 0.
    pub part: u32,
    /// How many messages of this job the stage has to handle.
    pub parts: u32,
    /// How many messages it made of this one for the next stage.
    #[serde(default)]
    pub outputs: u32,
    /// The highest sequence of those in the next stage's stream: where the job waits now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    pub at: DateTime<Utc>,
}
