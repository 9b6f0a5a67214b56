//! What the extractor read out of an asset.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Lineage;

/// The document's text, page by page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentExtracted {
    pub lineage: Lineage,
    /// `pdf`, `docx`, `xlsx`, `html`, `txt`, …: detected from the bytes.
    pub format: String,
    /// ISO 639-1, when sure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    pub pages: Vec<Page>,
    /// What the document says of itself: `author`, `subject`, `keywords`, `created` and `modified` (RFC 3339), …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// One page. Formats without pages have one; a spreadsheet has one for each sheet, a presentation one for each slide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Page {
    /// From 1.
    pub number: u32,
    /// What the document itself calls the page: a printed page number, a sheet's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Blocks separated by a blank line; items of one list by a line end.
    pub text: String,
    /// The page shows text that could not be read (no text layer, or a broken one).
    #[serde(default)]
    pub needs_ocr: bool,
    /// Mean confidence in percent when the text was recognized from an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ocr_confidence: Option<u8>,
    /// ISO 639-1, where it differs from the document's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What the stretches of the text are: ascending, disjoint, with only white space between them. Empty when unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
    /// Where the text comes from, so that a highlight can be drawn on the source: an entry `[t, s]` says that character
    /// `t` of the text is at position `s` of the source, and so on one by one up to the next entry. Positions are
    /// characters of the decoded file, in a PDF the page's character index. Empty when unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<[u32; 2]>,
    /// Running headers, footers and page numbers, which are not part of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub furniture: Vec<String>,
}

impl Page {
    /// A page of plain text without structure.
    #[must_use]
    pub fn plain(number: u32, text: impl Into<String>) -> Self {
        Self { number, text: text.into(), ..Self::default() }
    }
}

/// A stretch of a page's text, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    #[serde(flatten)]
    pub kind: BlockKind,
    /// Characters (Unicode scalar values) of the page's text, half open.
    pub span: [u32; 2],
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BlockKind {
    /// `level` from 1, the highest, to 6.
    Heading {
        level: u8,
    },
    Paragraph,
    ListItem,
    /// A line for each row, cells separated by ` | `; the first `header_rows` lines name the columns.
    Table {
        header_rows: u32,
    },
    /// Kept line by line.
    Code,
    Quote,
    /// A footnote, a comment, an annotation, the value of a form field.
    Note,
}

/// A file that lies in a document; listed, not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    pub name: String,
    /// Its size, when the document says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
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
