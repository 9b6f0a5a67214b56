//! What a parse yields: page texts and how far they can be trusted.

use std::collections::BTreeMap;

pub use heimdex_schemas::{Attachment, Block, BlockKind, Page};
use serde::{Deserialize, Serialize};

use crate::Format;

/// The text of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub format: Format,
    pub title: Option<String>,
    /// ISO 639-1, `None` when unsure.
    pub language: Option<String>,
    /// In document order. A PDF has its own pages, a spreadsheet its sheets, a presentation its slides; everything else
    /// is one page.
    pub pages: Vec<Page>,
    pub warnings: Vec<Warning>,
    /// What the document says of itself: `author`, `subject`, `keywords`, `created`, `modified` (RFC 3339), …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// Something is missing or doubtful although text came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum Warning {
    /// Bytes that mean nothing in the detected encoding; each stands as U+FFFD in the text.
    InvalidBytes { encoding: String },
    /// A page that the parser could not load; its text is empty.
    PageUnreadable { number: u32 },
    /// The program that recognizes pages failed on this one.
    OcrFailed { number: u32 },
    /// The end of the file is missing; pages or text may be, too.
    Truncated,
}

/// The outcome of an extraction, as reports and receipts say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    Degraded,
    Failed,
}

impl Document {
    /// A document of one page.
    #[must_use]
    pub fn single(format: Format, text: String) -> Self {
        Self::of_pages(format, vec![Page::plain(1, text)])
    }

    /// A document of `pages` about which nothing else is known yet.
    #[must_use]
    pub fn of_pages(format: Format, pages: Vec<Page>) -> Self {
        let (metadata, attachments) = (BTreeMap::new(), Vec::new());
        Self { format, title: None, language: None, pages, warnings: Vec::new(), metadata, attachments }
    }

    /// [`Status::Degraded`] as soon as one page needs OCR or there is one warning.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.warnings.is_empty() && self.pages.iter().all(|page| !page.needs_ocr) {
            Status::Ok
        } else {
            Status::Degraded
        }
    }

    /// Bytes of text over all pages.
    #[must_use]
    pub fn text_bytes(&self) -> u64 {
        self.pages.iter().map(|page| page.text.len() as u64).sum()
    }
}
