//! Pages that are pictures, without a recognizer and with the real one where the machine has it.

use std::path::Path;
use std::sync::OnceLock;

use heimdex_extractor::ocr::{OcrConfig, Rendering};
use heimdex_extractor::pdf::Pdf;
use heimdex_extractor::ranges::Paged as _;
use heimdex_extractor::{Limits, Status, child};
use libtest_mimic::Trial;

use crate::files::{lines, pdf, picture_pdf};
use crate::recognizing::pool;
use crate::{pdfium, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("without_a_recognizer_a_page_still_needs_one", without),
        trial("a_scanned_page_is_read_by_tesseract_where_it_is_installed", tesseract),
    ]
}

/// A page drawn by PDFium, in a PDF that holds nothing but the picture. PDFium serves one thread and one binding of a
/// process.
fn scan(pdfium: &Path) -> Vec<u8> {
    static SCAN: OnceLock<Vec<u8>> = OnceLock::new();
    let draw = || {
        let text = lines(&["The recognizer reads this sentence", "from the picture of a page."]);
        let bytes = pdf(&[&text]);
        let library = Pdf::bind(pdfium).unwrap();
        let page = library.open(&bytes, None, &Limits::default()).unwrap();
        let picture = page.render(1, Rendering { dpi: 150, max_pixels: 10_000_000 }).unwrap();
        picture_pdf(picture.width, picture.height, &picture.pixels)
    };
    SCAN.get_or_init(draw).clone()
}

async fn without() {
    let pdfium = pdfium().await;
    let pool = pool(child::SUBCOMMAND, pdfium.clone(), Limits::default(), OcrConfig::off()).await.unwrap();
    assert_eq!(pool.ocr_languages(), None);
    let document = pool.extract(&scan(&pdfium)).await.unwrap();
    let page = &document.pages[0];
    assert_eq!((page.text.as_str(), page.needs_ocr, page.ocr_confidence), ("", true, None));
    assert_eq!(document.status(), Status::Degraded);
}

/// Needs the program `tesseract` with the language `eng`; says so where it is missing.
async fn tesseract() {
    let ocr = OcrConfig { languages: vec!["eng".to_owned()], ..OcrConfig::default() };
    if ocr.find_program().is_none() {
        eprintln!("tesseract is not installed: the real recognizer was not tested");
        return;
    }
    let pdfium = pdfium().await;
    let pool = pool(child::SUBCOMMAND, pdfium.clone(), Limits::default(), ocr).await.unwrap();
    let document = pool.extract(&scan(&pdfium)).await.unwrap();
    let page = &document.pages[0];
    assert_eq!(page.text, "The recognizer reads this sentence\nfrom the picture of a page.");
    assert!(page.ocr_confidence.is_some_and(|sure| sure > 80) && !page.needs_ocr, "{page:?}");
    assert_eq!((document.status(), document.language.as_deref()), (Status::Ok, Some("en")));
}
