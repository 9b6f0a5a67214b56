//! Long documents in ranges of pages: what a parser leaves as it reads, and what the pool's caller makes of it.
//!
//! A range lies behind the one before it and has [`Limits::range_pages`] pages. What is known only at the end (the
//! facts of the document, and the pages of the last range) is the outcome. So a document of one range has no range at
//! all, and whoever keeps ranges can go on behind the last one.

use serde::{Deserialize, Serialize};

use crate::ocr::{Picture, Rendering};
use crate::{Document, Failure, Limits, Page, Warning, language};

/// Some pages in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub pages: Vec<Page>,
    /// Concerning these pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The first page wanted, from 1.
    pub page: u32,
    /// Pages before it whose text was recognized from a picture: they count against [`Limits::ocr_pages`].
    pub recognized: u32,
}

/// The parser's side: takes ranges as they are read.
///
/// An `Err` from here means that nobody wants the rest; a parser hands it on.
pub trait Sink {
    /// The document has `pages` pages and comes in ranges. Called once, before the first of them.
    ///
    /// # Errors
    /// Nobody wants the rest.
    fn begin(&mut self, pages: u32) -> Result<Start, Failure>;

    /// A range, with more to come behind it.
    ///
    /// # Errors
    /// Nobody wants the rest.
    fn range(&mut self, range: Range) -> Result<(), Failure>;

    /// How to render pages that need OCR; `None` when nobody reads them.
    fn rendering(&self) -> Option<Rendering> {
        None
    }

    /// The picture of a page that needs OCR; the page itself comes later.
    ///
    /// # Errors
    /// Nobody wants the rest.
    fn picture(&mut self, _number: u32, _picture: &Picture) -> Result<(), Failure> {
        Ok(())
    }
}

/// The caller's side: takes ranges as they come from a child.
pub trait Ranges: Send {
    /// Why a range could not be taken.
    type Error: Send;

    /// The document has `pages` pages and comes in ranges. Called before the first of them, and once more when the child
    /// was lost and another one goes on.
    fn begin(&mut self, pages: u32) -> impl Future<Output = Result<Start, Self::Error>> + Send;

    /// The next range; more will follow.
    fn take(&mut self, range: Range) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// An open document of which any pages can be read.
pub trait Paged {
    fn page_count(&self) -> u32;

    /// The document without its pages, as far as it can be told before they are read.
    fn facts(&self) -> Document;

    /// The pages from `first` to `last`, both included, from 1. They do not depend on what was read before.
    ///
    /// # Errors
    /// `too_large` when these pages alone are.
    fn pages(&self, first: u32, last: u32, limits: &Limits) -> Result<Range, Failure>;

    /// The page as it looks, `None` when it cannot be drawn.
    fn render(&self, number: u32, rendering: Rendering) -> Option<Picture>;
}

/// Reads all pages of `paged` into `sink`, range by range. Returns the facts with the pages of the last range.
///
/// # Errors
/// Those of [`Paged::pages`] and of `sink`; `too_large` when the text of all pages is.
pub fn stream(paged: &impl Paged, limits: &Limits, sink: &mut dyn Sink) -> Result<Document, Failure> {
    let count = paged.page_count();
    let size = u32::try_from(limits.range_pages).unwrap_or(u32::MAX).max(1);
    let (mut first, mut budget) = (1, limits.ocr_pages);
    if count > size {
        let start = sink.begin(count)?;
        first = start.page.max(1);
        budget = budget.saturating_sub(start.recognized.into());
    }
    let mut text_bytes = 0;
    loop {
        let last = first.saturating_add(size - 1).min(count);
        let range = if first <= count { paged.pages(first, last, limits)? } else { Range::default() };
        text_bytes += range.text_bytes();
        if text_bytes > limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", limits.max_text_bytes));
        }
        draw(paged, &range, &mut budget, sink)?;
        if last >= count {
            let document = range.ends(paged.facts());
            return if count > size { Ok(document) } else { readable(document) };
        }
        sink.range(range)?;
        first = last.saturating_add(1);
    }
}

fn draw(paged: &impl Paged, range: &Range, budget: &mut u64, sink: &mut dyn Sink) -> Result<(), Failure> {
    let Some(rendering) = sink.rendering() else { return Ok(()) };
    for page in range.pages.iter().filter(|page| page.needs_ocr) {
        if *budget == 0 {
            break;
        }
        *budget -= 1;
        if let Some(picture) = paged.render(page.number, rendering) {
            sink.picture(page.number, &picture)?;
        }
    }
    Ok(())
}

impl Range {
    /// Bytes of text over all pages.
    #[must_use]
    pub fn text_bytes(&self) -> u64 {
        self.pages.iter().map(|page| page.text.len() as u64).sum()
    }

    /// The document that ends with this range.
    fn ends(self, facts: Document) -> Document {
        let warnings = self.warnings.into_iter().chain(facts.warnings).collect();
        Document { pages: self.pages, warnings, ..facts }
    }
}

/// Ranges kept in memory.
#[derive(Debug, Default)]
pub struct Collected {
    so_far: Range,
}

impl Collected {
    /// Behind what is here.
    #[must_use]
    pub fn start(&self) -> Start {
        let recognized = self.so_far.pages.iter().filter(|page| page.ocr_confidence.is_some()).count();
        let page = self.so_far.pages.last().map_or(1, |page| page.number.saturating_add(1));
        Start { page, recognized: u32::try_from(recognized).unwrap_or(u32::MAX) }
    }

    /// Adds the next range.
    pub fn push(&mut self, range: Range) {
        self.so_far.pages.extend(range.pages);
        self.so_far.warnings.extend(range.warnings);
    }

    /// The whole document, `last` being its facts and its last pages. What is decided over all pages is decided here: the
    /// language, and whether there is anything to read.
    ///
    /// # Errors
    /// `too_large` when the pages together are, `empty` or `corrupt` when none of them shows anything.
    pub fn finish(mut self, last: Document, limits: &Limits) -> Result<Document, Failure> {
        if self.so_far.pages.is_empty() {
            return Ok(last);
        }
        self.so_far.pages.extend(last.pages);
        self.so_far.warnings.extend(last.warnings);
        let mut document = Document { pages: self.so_far.pages, warnings: self.so_far.warnings, ..last };
        if document.text_bytes() > limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", limits.max_text_bytes));
        }
        language::assign(&mut document);
        readable(document)
    }
}

/// Refuses a document of which no page shows anything.
///
/// # Errors
/// `empty`; `corrupt` when pages could not be read.
pub fn readable(document: Document) -> Result<Document, Failure> {
    let shows_something = document.pages.iter().any(|page| page.needs_ocr || !page.text.is_empty());
    let unreadable = document.warnings.iter().any(|warning| matches!(warning, Warning::PageUnreadable { .. }));
    match (shows_something, unreadable) {
        (true, _) => Ok(document),
        (false, false) => Err(Failure::Empty),
        (false, true) => Err(Failure::corrupt("none of its pages can be read")),
    }
}

impl Sink for Collected {
    fn begin(&mut self, _pages: u32) -> Result<Start, Failure> {
        Ok(self.start())
    }

    fn range(&mut self, range: Range) -> Result<(), Failure> {
        self.push(range);
        Ok(())
    }
}

impl Ranges for Collected {
    type Error = std::convert::Infallible;

    async fn begin(&mut self, _pages: u32) -> Result<Start, Self::Error> {
        Ok(self.start())
    }

    async fn take(&mut self, range: Range) -> Result<(), Self::Error> {
        self.push(range);
        Ok(())
    }
}

#[cfg(test)]
#[path = "ranges/tests.rs"]
mod tests;
