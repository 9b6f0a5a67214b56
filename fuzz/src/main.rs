//! One program with all fuzz targets; `HEIMDEX_FUZZ_TARGET` names the one to run, `list` prints their names.
//!
//! A target feeds arbitrary bytes to one parser and then checks what every parser promises. A failure is a panic, a hang or memory
//! without bound: in the product each of them would cost a child process and its document.
#![no_main]

mod archives;
mod checks;
mod chunker;
mod protocol;

use std::sync::OnceLock;

use heimdex_extractor::{Format, Limits, Request, format, language, parser};
use libfuzzer_sys::fuzz_target;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 18] = [
    ("pdf", protocol::pdf),
    ("html", |bytes| parse(Format::Html, bytes)),
    ("txt", |bytes| parse(Format::Txt, bytes)),
    ("md", |bytes| parse(Format::Md, bytes)),
    ("csv", |bytes| parse(Format::Csv, bytes)),
    ("rtf", |bytes| parse(Format::Rtf, bytes)),
    ("eml", |bytes| parse(Format::Eml, bytes)),
    ("docx", |bytes| parse(Format::Docx, &archives::docx(bytes))),
    ("pptx", |bytes| parse(Format::Pptx, &archives::pptx(bytes))),
    ("xlsx", |bytes| parse(Format::Xlsx, &archives::xlsx(bytes))),
    ("xlsb", |bytes| parse(Format::Xlsb, &archives::xlsb(bytes))),
    ("ods", |bytes| parse(Format::Ods, &archives::ods(bytes))),
    ("xls", |bytes| parse(Format::Xls, bytes)),
    ("archive", archive),
    ("sniff", sniffed),
    ("frame", protocol::frame),
    ("ocr", protocol::ocr),
    ("chunk", chunker::chunk),
];

/// Far below the product's, so that no input is slow only because it is large.
pub fn limits() -> Limits {
    Limits { max_text_bytes: 4 << 20, max_inflated_bytes: 16 << 20, max_pages: 64, range_pages: 4, ..Limits::default() }
}

fn parse(format: Format, bytes: &[u8]) {
    let request = Request { format, bytes, password: None };
    if let Ok(mut document) = parser::parse_portable(request, &limits()) {
        language::assign(&mut document);
        checks::document(&document, &limits());
    }
}

/// The bytes of a package themselves, read as each kind of package.
fn archive(bytes: &[u8]) {
    for format in [Format::Docx, Format::Pptx, Format::Xlsx, Format::Xlsb, Format::Ods] {
        parse(format, bytes);
    }
}

/// What an upload goes through: its format is told from its bytes.
fn sniffed(bytes: &[u8]) {
    match format::sniff(bytes) {
        Ok(Format::Pdf) | Err(_) => {}
        Ok(format) => parse(format, bytes),
    }
}

fn target() -> Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = std::env::var("HEIMDEX_FUZZ_TARGET").unwrap_or_default();
        if name == "list" {
            TARGETS.iter().for_each(|(name, _)| println!("{name}"));
            std::process::exit(0);
        }
        let found = TARGETS.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("HEIMDEX_FUZZ_TARGET is {name:?}; `list` prints what there is")).1
    })
}

fuzz_target!(|bytes: &[u8]| target()(bytes));
