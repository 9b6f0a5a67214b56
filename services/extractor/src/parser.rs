//! From bytes of a known format to a document: which parser reads what.

use std::path::Path;

use crate::ranges::{Collected, Sink};
use crate::{
    Document, Failure, Format, Limits, csv, docx, eml, html, language, markdown, pdf::Pdf, pptx, ranges, rtf, sheet,
    text,
};

/// A document to parse.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What [`crate::format::sniff`] took the bytes for.
    pub format: Format,
    pub bytes: &'a [u8],
    /// Opens an encrypted document; the empty one is tried first.
    pub password: Option<&'a str>,
}

/// What a child process runs on each document.
pub trait Parser {
    /// Parses one document.
    ///
    /// # Errors
    /// The typed reason why this document has no text.
    fn parse(&self, request: Request<'_>, limits: &Limits) -> Result<Document, Failure>;

    /// As [`Parser::parse`], but a long document goes to `sink` range by range, see [`crate::ranges`]. Returns what is left:
    /// the facts, with the pages of the last range.
    ///
    /// # Errors
    /// As [`Parser::parse`], and those of `sink`.
    fn stream(&self, request: Request<'_>, limits: &Limits, _sink: &mut dyn Sink) -> Result<Document, Failure> {
        self.parse(request, limits)
    }
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
    fn parse(&self, request: Request<'_>, limits: &Limits) -> Result<Document, Failure> {
        let mut collected = Collected::default();
        let last = self.stream(request, limits, &mut collected)?;
        collected.finish(last, limits)
    }

    fn stream(&self, request: Request<'_>, limits: &Limits, sink: &mut dyn Sink) -> Result<Document, Failure> {
        let mut document = match request.format {
            Format::Pdf => ranges::stream(&self.pdf.open(request.bytes, request.password, limits)?, limits, sink),
            _ => parse_portable(request, limits),
        }?;
        // Of a document in ranges only the last one is here: whoever has them all tells its language.
        if document.pages.first().is_none_or(|page| page.number == 1) {
            language::assign(&mut document);
        }
        Ok(document)
    }
}

/// Every format but PDF: these parsers need nothing but the bytes.
///
/// # Errors
/// As [`Parser::parse`].
pub fn parse_portable(request: Request<'_>, limits: &Limits) -> Result<Document, Failure> {
    let Request { format, bytes, .. } = request;
    match format {
        Format::Html => html::parse(bytes, limits),
        Format::Txt => text::parse(bytes, limits),
        Format::Md => markdown::parse(bytes, limits),
        Format::Rtf => rtf::parse(bytes, limits),
        Format::Eml => eml::parse(bytes, limits),
        Format::Docx => docx::parse(bytes, limits),
        Format::Pptx => pptx::parse(bytes, limits),
        Format::Csv => csv::parse(bytes, limits),
        Format::Xlsx | Format::Xlsb | Format::Ods | Format::Xls => sheet::parse(format, bytes, limits),
        other => Err(Failure::unsupported(other.name())),
    }
}
