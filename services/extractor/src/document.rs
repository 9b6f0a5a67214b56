//! What a parse yields: page texts and how far they can be trusted.

use serde::{Deserialize, Serialize};

use crate::Format;

/// The text of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub format: Format,
    pub title: Option<String>,
    /// ISO 639-1, `None` when unsure.
    pub language: Option<String>,
    /// In document order. A PDF has its own pages; everything else is one page.
    pub pages: Vec<Page>,
    pub warnings: Vec<Warning>,
}

/// The text of one page: paragraphs separated by a blank line, lines by `\n`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// From 1.
    pub number: u32,
    pub text: String,
    /// The page shows something that its text does not hold: no text layer, or glyphs without meaning.
    pub needs_ocr: bool,
}

/// Something is missing or doubtful although text came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum Warning {
    /// Bytes that mean nothing in the detected encoding; each stands as U+FFFD in the text.
    InvalidBytes { encoding: String },
    /// A page that the parser could not load; its text is empty.
    PageUnreadable { number: u32 },
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
        let page = Page { number: 1, text, needs_ocr: false };
        Self { format, title: None, language: None, pages: vec![page], warnings: Vec::new() }
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
