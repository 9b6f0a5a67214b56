//! What comes over pipes and through PDFium.

use std::sync::OnceLock;

use heimdex_extractor::frame::{self, Kind};
use heimdex_extractor::{Document, Format, Parser, Parsers, Range, Request, ocr};

use crate::{checks, limits};

/// Frames as a child reads them and as the parent does, whoever wrote them.
pub fn frame(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((kind, payload))) = frame::read(&mut rest, 1 << 20) {
        match kind {
            Kind::Document => drop(frame::document(&payload).map(|received| received.bytes.len())),
            Kind::Picture => drop(frame::picture(payload)),
            Kind::Fatal => drop(frame::Fatal::parse(&payload)),
            Kind::Range => drop(frame::json::<Range>(&payload)),
            Kind::Outcome => drop(frame::json::<frame::Outcome>(&payload)),
            Kind::Settings => drop(frame::json::<frame::Settings>(&payload)),
            Kind::Ready => drop(frame::json::<frame::Ready>(&payload)),
            Kind::Opened | Kind::Start => drop(frame::json::<u32>(&payload)),
        }
    }
}

/// The table that a recognizer prints.
pub fn ocr(bytes: &[u8]) {
    if let Ok(read) = ocr::read(&String::from_utf8_lossy(bytes)) {
        let document = Document::of_pages(Format::Pdf, vec![read.page]);
        checks::document(&document, &limits());
        assert!(read.confidence <= 100);
    }
}

thread_local! {
    static PARSERS: OnceLock<Parsers> = const { OnceLock::new() };
}

/// PDFium is not built with counters: what is explored is what Heimdex makes of its answers.
pub fn pdf(bytes: &[u8]) {
    PARSERS.with(|parsers| {
        let parsers = parsers.get_or_init(|| {
            let library = heimdex_provision::ensure(heimdex_provision::File::Pdfium, &heimdex_provision::Quiet);
            Parsers::new(&library.expect("PDFium")).expect("PDFium")
        });
        let request = Request { format: Format::Pdf, bytes, password: Some("secret") };
        if let Ok(document) = parsers.parse(request, &limits()) {
            checks::document(&document, &limits());
        }
    });
}
