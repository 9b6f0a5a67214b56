//! From bytes of a known format to a document: which parser reads what.

use std::path::Path;

use crate::{Document, Failure, Format, Limits, html, language, pdf::Pdf, text};

/// What a child process runs on each document.
pub trait Parser {
    /// Parses `bytes`, which [`crate::format::sniff`] took for `format`.
    ///
    /// # Errors
    /// The typed reason why this document has no text.
    fn parse(&self, format: Format, bytes: &[u8], limits: &Limits) -> Result<Document, Failure>;
}

/// The parsers of the product.
pub struct Parsers {
    pdf: Pdf,
}

impl Parsers {
    /// Loads PDFium from the library at `pdfium`; once per process.
    ///
    /// # Errors
    /// Says why the library could not be loaded.
    pub fn new(pdfium: &Path) -> Result<Self, String> {
        Ok(Self { pdf: Pdf::bind(pdfium)? })
    }
}

impl Parser for Parsers {
    fn parse(&self, format: Format, bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
        let mut document = match format {
            Format::Pdf => self.pdf.parse(bytes, limits),
            Format::Html => html::parse(bytes, limits),
            Format::Txt => text::parse(bytes, limits),
        }?;
        language::assign(&mut document);
        Ok(document)
    }
}
