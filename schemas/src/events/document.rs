//! What the extractor read out of an asset.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Lineage;

/// The document's text, page by page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentExtracted {
    pub lineage: Lineage,
    /// `pdf`, `html` or `txt`, detected from the bytes.
    pub format: String,
    /// ISO 639-1, when sure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    pub pages: Vec<Page>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// One page. Formats without pages have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Page {
    /// From 1.
    pub number: u32,
    pub text: String,
    /// The page shows text that could not be read (no text layer, or a broken one).
    #[serde(default)]
    pub needs_ocr: bool,
}

/// Something a reader of the receipt should know; makes the outcome `degraded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// Stable, snake_case: `needs_ocr`, `invalid_encoding`, …
    pub code: String,
    pub message: String,
    /// The pages it concerns; empty for the whole document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<u32>,
}

/// What later stages and the receipt need to know of the whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentFacts {
    pub format: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    pub pages: u32,
    /// Chunks of the whole document, over all parts.
    pub chunks: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}
