//! PDF through PDFium, which is not thread-safe: one [`Pdf`] per process, used from one thread.
//!
//! [`layout`] makes lines of what PDFium returns; [`annotations`] adds what was filled in; [`quality`] tells text from glyph garbage.

mod annotations;
mod layout;
mod quality;

use std::path::Path;

use pdfium_render::prelude::*;

use crate::tidy::tidy;
use crate::{Document, Failure, Format, Limits, Page, Warning};

/// The loaded library.
pub struct Pdf {
    pdfium: Pdfium,
}

impl Pdf {
    /// Loads and initializes PDFium; works once per process.
    ///
    /// # Errors
    /// Says why the library could not be loaded.
    pub fn bind(library: &Path) -> Result<Self, String> {
        let bindings = Pdfium::bind_to_library(library).map_err(|error| format!("{}: {error}", library.display()))?;
        Ok(Self { pdfium: Pdfium::new(bindings) })
    }

    /// Reads the text of each page.
    ///
    /// # Errors
    /// `encrypted`, `corrupt`, `too_large` (pages or text), `empty` when no page shows anything.
    pub fn parse(&self, bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
        let pdf = self.pdfium.load_pdf_from_byte_slice(bytes, None).map_err(load_failure)?;
        let count = u64::try_from(pdf.pages().len()).unwrap_or(0);
        match count {
            0 => return Err(Failure::corrupt("it has no pages")),
            count if count > limits.max_pages => return Err(Failure::too_large("pages", limits.max_pages)),
            _ => {}
        }
        let mut document = read_pages(&pdf, limits)?;
        document.title = title(&pdf);
        if is_truncated(bytes) {
            document.warnings.push(Warning::Truncated);
        }
        Ok(document)
    }
}

/// PDFium tries the empty password by itself.
fn load_failure(error: PdfiumError) -> Failure {
    match error {
        PdfiumError::PdfiumLibraryInternalError(
            PdfiumInternalError::PasswordError | PdfiumInternalError::SecurityError,
        ) => Failure::Encrypted,
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::FormatError) => {
            Failure::corrupt("neither its cross-reference table nor its objects can be read")
        }
        other => Failure::corrupt(other.to_string()),
    }
}

fn read_pages(pdf: &PdfDocument<'_>, limits: &Limits) -> Result<Document, Failure> {
    let mut document = Document { format: Format::Pdf, title: None, language: None, pages: vec![], warnings: vec![] };
    let mut text_bytes = 0;
    for (number, index) in (1..).zip(pdf.pages().as_range()) {
        let page = read_page(pdf, index, number).unwrap_or_else(|| {
            document.warnings.push(Warning::PageUnreadable { number });
            Page { number, text: String::new(), needs_ocr: false }
        });
        text_bytes += page.text.len() as u64;
        if text_bytes > limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", limits.max_text_bytes));
        }
        document.pages.push(page);
    }
    check_pages(document)
}

/// `None` when PDFium cannot load the page.
fn read_page(pdf: &PdfDocument<'_>, index: PdfPageIndex, number: u32) -> Option<Page> {
    let page = pdf.pages().get(index).ok()?;
    let raw = page.text().ok()?.inside_rect(everywhere());
    let filled_in = annotations::text(&page);
    let text = tidy(&[layout::lines(&raw), filled_in].join("\n\n"));
    let needs_ocr = if text.is_empty() { shows_something(&page) } else { quality::is_garbage(&raw) };
    Some(Page { number, text, needs_ocr })
}

/// Rules and boxes are no text; a page with more drawn shapes than these may show letters as outlines.
const DRAWN_SHAPES: usize = 16;

fn shows_something(page: &PdfPage<'_>) -> bool {
    let objects = page.objects();
    let picture = objects.iter().any(|object| object.object_type() != PdfPageObjectType::Path);
    picture || objects.len() > DRAWN_SHAPES
}

/// Pages may be rotated and their boxes start anywhere: asking for one box's text loses the rest.
fn everywhere() -> PdfRect {
    PdfRect::new_from_values(-1e7, -1e7, 1e7, 1e7)
}

fn check_pages(document: Document) -> Result<Document, Failure> {
    let shows_something = document.pages.iter().any(|page| page.needs_ocr || !page.text.is_empty());
    match (shows_something, document.warnings.is_empty()) {
        (true, _) => Ok(document),
        (false, true) => Err(Failure::Empty),
        (false, false) => Err(Failure::corrupt("none of its pages can be read")),
    }
}

fn title(pdf: &PdfDocument<'_>) -> Option<String> {
    let tag = pdf.metadata().get(PdfDocumentMetadataTagType::Title)?;
    let title = tag.value().split_whitespace().collect::<Vec<_>>().join(" ");
    let readable = !title.is_empty() && !quality::is_garbage(&title);
    readable.then_some(title)
}

/// How far from its end a file's `%%EOF` may lie; readers look at the last 1024 bytes (PDF 1.7 reference, appendix H,
/// note 18), some files carry more behind it.
const TAIL: usize = 4096;

fn is_truncated(bytes: &[u8]) -> bool {
    let tail = bytes.trim_ascii_end();
    let tail = tail.get(tail.len().saturating_sub(TAIL)..).unwrap_or_default();
    !tail.windows(5).any(|window| window == b"%%EOF")
}
