//! What a search answers, as JSON.

use heimdex_schemas::{AssetId, PointId};
use serde::{Deserialize, Serialize};

use crate::rank::LegShare;

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchResponse {
    pub took_ms: u64,
    /// Candidates that were ranked, of which `hits` are the first.
    pub total: u64,
    /// What this answer had to do without: `dense_unavailable`, `query_too_long`.
    pub degraded: Vec<String>,
    /// Best first.
    pub hits: Vec<Hit>,
    /// Continues the list; `null` when there is nothing to continue.
    pub cursor: Option<String>,
}

/// One chunk that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    pub point_id: PointId,
    /// The fused score in hybrid mode, else the leg's own.
    pub score: f64,
    pub asset_id: AssetId,
    pub title: Option<String>,
    pub source: Option<String>,
    /// The page of the chunk that holds most of the highlights, from 1.
    pub page: Option<u32>,
    /// All pages the chunk touches, ascending.
    pub pages: Vec<u32>,
    /// Position of the chunk in its document, from 0.
    pub ordinal: u32,
    pub text: String,
    /// Characters (Unicode scalar values) of `text`, half open, ascending, apart from each other.
    pub highlights: Vec<[usize; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explain>,
}

/// Why a hit is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explain {
    /// `null` when the leg did not find the chunk, or did not run.
    pub dense: Option<LegShare>,
    pub sparse: Option<LegShare>,
    /// Terms of the query that occur in the chunk, as folded by the analyzer.
    pub matched_terms: Vec<String>,
}
