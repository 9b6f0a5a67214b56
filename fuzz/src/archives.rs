//! Packages around arbitrary parts: a mutated ZIP archive is hardly ever more than a broken ZIP archive.
//!
//! An input is parts joined by the byte 0; the first byte of a part says which one it is.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

struct Package {
    /// What there is when the input does not say otherwise.
    given: &'static [(&'static str, &'static str)],
    /// What the input can say.
    parts: &'static [&'static str],
}

fn build(package: &Package, input: &[u8]) -> Vec<u8> {
    let mut parts: Vec<(&str, &[u8])> = Vec::new();
    for part in input.split(|byte| *byte == 0).take(16) {
        let Some((which, content)) = part.split_first() else { continue };
        let name = package.parts[usize::from(*which) % package.parts.len()];
        if parts.iter().all(|(known, _)| *known != name) {
            parts.push((name, content));
        }
    }
    for (name, content) in package.given {
        if parts.iter().all(|(known, _)| known != name) {
            parts.push((name, content.as_bytes()));
        }
    }
    zip(&parts).unwrap_or_default()
}

fn zip(parts: &[(&str, &[u8])]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in parts {
        archive.start_file(*name, stored)?;
        archive.write_all(content)?;
    }
    Ok(archive.finish()?.into_inner())
}

const DOCX: Package = Package {
    given: &[
        ("[Content_Types].xml", include_str!("../parts/docx/content_types.xml")),
        ("_rels/.rels", include_str!("../parts/docx/rels.xml")),
        ("word/_rels/document.xml.rels", include_str!("../parts/docx/document_rels.xml")),
        ("word/document.xml", include_str!("../parts/docx/document.xml")),
    ],
    parts: &[
        "word/document.xml",
        "word/styles.xml",
        "word/numbering.xml",
        "word/footnotes.xml",
        "word/endnotes.xml",
        "word/comments.xml",
        "word/header1.xml",
        "word/footer1.xml",
        "word/_rels/document.xml.rels",
        "docProps/core.xml",
        "[Content_Types].xml",
        "_rels/.rels",
    ],
};

/// A Word document.
pub fn docx(input: &[u8]) -> Vec<u8> {
    build(&DOCX, input)
}

const PPTX: Package = Package {
    given: &[
        ("[Content_Types].xml", include_str!("../parts/pptx/content_types.xml")),
        ("_rels/.rels", include_str!("../parts/pptx/rels.xml")),
        ("ppt/presentation.xml", include_str!("../parts/pptx/presentation.xml")),
        ("ppt/_rels/presentation.xml.rels", include_str!("../parts/pptx/presentation_rels.xml")),
        ("ppt/slides/_rels/slide1.xml.rels", include_str!("../parts/pptx/slide_rels.xml")),
        ("ppt/slides/slide1.xml", include_str!("../parts/pptx/slide.xml")),
    ],
    parts: &[
        "ppt/slides/slide1.xml",
        "ppt/notesSlides/notesSlide1.xml",
        "ppt/comments/comment1.xml",
        "ppt/slides/_rels/slide1.xml.rels",
        "ppt/presentation.xml",
        "ppt/_rels/presentation.xml.rels",
        "docProps/core.xml",
        "[Content_Types].xml",
    ],
};

/// A presentation.
pub fn pptx(input: &[u8]) -> Vec<u8> {
    build(&PPTX, input)
}

const XLSX: Package = Package {
    given: &[
        ("[Content_Types].xml", include_str!("../parts/xlsx/content_types.xml")),
        ("_rels/.rels", include_str!("../parts/xlsx/rels.xml")),
        ("xl/workbook.xml", include_str!("../parts/xlsx/workbook.xml")),
        ("xl/_rels/workbook.xml.rels", include_str!("../parts/xlsx/workbook_rels.xml")),
        ("xl/worksheets/sheet1.xml", include_str!("../parts/xlsx/sheet.xml")),
        ("xl/sharedStrings.xml", include_str!("../parts/xlsx/shared_strings.xml")),
        ("xl/styles.xml", include_str!("../parts/xlsx/styles.xml")),
    ],
    parts: &[
        "xl/worksheets/sheet1.xml",
        "xl/sharedStrings.xml",
        "xl/styles.xml",
        "xl/workbook.xml",
        "xl/_rels/workbook.xml.rels",
        "xl/comments1.xml",
        "xl/worksheets/_rels/sheet1.xml.rels",
        "xl/worksheets/sheet2.xml",
        "[Content_Types].xml",
    ],
};

/// A workbook of XML parts.
pub fn xlsx(input: &[u8]) -> Vec<u8> {
    build(&XLSX, input)
}

const XLSB: Package = Package {
    given: &[
        ("[Content_Types].xml", include_str!("../parts/xlsb/content_types.xml")),
        ("_rels/.rels", include_str!("../parts/xlsb/rels.xml")),
        ("xl/_rels/workbook.bin.rels", include_str!("../parts/xlsb/workbook_rels.xml")),
    ],
    parts: &["xl/worksheets/sheet1.bin", "xl/workbook.bin", "xl/sharedStrings.bin", "xl/styles.bin"],
};

/// A workbook of binary parts, whose zeros stand doubled as 255 254 in the input.
pub fn xlsb(input: &[u8]) -> Vec<u8> {
    let parts = input.split(|byte| *byte == 0).map(|part| {
        let mut binary = Vec::with_capacity(part.len());
        let mut rest = part;
        while let Some((first, after)) = rest.split_first() {
            let is_zero = *first == 255 && after.first() == Some(&254);
            binary.push(if is_zero { 0 } else { *first });
            rest = if is_zero { &after[1..] } else { after };
        }
        binary
    });
    let parts: Vec<Vec<u8>> = parts.take(8).collect();
    let named = parts.iter().filter_map(|part| part.split_first());
    let mut all: Vec<(&str, &[u8])> =
        named.map(|(which, content)| (XLSB.parts[usize::from(*which) % XLSB.parts.len()], content)).collect();
    all.extend(XLSB.given.iter().map(|(name, content)| (*name, content.as_bytes())));
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|(name, _)| seen.insert(*name));
    zip(&all).unwrap_or_default()
}

const ODS: Package = Package {
    given: &[
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", include_str!("../parts/ods/manifest.xml")),
        ("content.xml", include_str!("../parts/ods/content.xml")),
    ],
    parts: &["content.xml", "meta.xml", "styles.xml", "META-INF/manifest.xml"],
};

/// An OpenDocument spreadsheet.
pub fn ods(input: &[u8]) -> Vec<u8> {
    build(&ODS, input)
}
