//! How uploads end, and how far they are.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MissingChunk, Warning};
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
}

/// The outcome of one upload. The newest receipt of a job is the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    pub org: Org,
    pub asset_id: AssetId,
    /// Also the job id.
    pub upload: UploadId,
    pub state: ReceiptState,
    /// Counts the terminal states of this upload from 0: replaying a dead part makes the next.
    #[serde(default)]
    pub version: u32,
    pub order: Order,
    pub model: ModelName,
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
    /// The upload that is newer, when superseded.
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
}

/// Where a job is. One per job and stage, the newest kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    pub org: Org,
    pub upload: UploadId,
    pub stage: StageName,
    pub part: u32,
    pub parts: u32,
    pub at: DateTime<Utc>,
}
