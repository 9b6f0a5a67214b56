#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::archive::tests::zip_of;

fn types(content_type: &str) -> String {
    format!(
        "<Types><Default Extension='xml' ContentType='application/xml'/><Override PartName='/a' ContentType='{content_type}'/></Types>"
    )
}

fn seen(entries: &[(&str, &str)]) -> String {
    match kind(&zip_of(entries)) {
        Ok(format) => format.name().to_owned(),
        Err(failure) => format!("{} {failure}", failure.code()),
    }
}

#[test]
fn the_main_parts_content_type_decides() {
    let office = "application/vnd.openxmlformats-officedocument.";
    for (content_type, expected) in [
        (format!("{office}wordprocessingml.document.main+xml"), "docx"),
        (format!("{office}wordprocessingml.template.main+xml"), "docx"),
        ("application/vnd.ms-word.document.macroEnabled.main+xml".to_owned(), "docx"),
        (format!("{office}presentationml.slideshow.main+xml"), "pptx"),
        ("application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml".to_owned(), "pptx"),
        (format!("{office}spreadsheetml.sheet.main+xml"), "xlsx"),
        ("application/vnd.ms-excel.sheet.macroEnabled.main+xml".to_owned(), "xlsx"),
        ("application/vnd.ms-excel.sheet.binary.macroEnabled.main".to_owned(), "xlsb"),
        (format!("{office}theme+xml"), "unsupported unsupported content: a ZIP archive"),
    ] {
        assert_eq!(seen(&[("[Content_Types].xml", &types(&content_type))]), expected, "{content_type}");
    }
}

#[test]
fn other_archives_are_named() {
    assert_eq!(seen(&[("mimetype", "application/vnd.oasis.opendocument.spreadsheet")]), "ods");
    assert!(seen(&[("mimetype", "application/vnd.oasis.opendocument.text")]).contains("OpenDocument text"));
    assert!(seen(&[("mimetype", "application/epub+zip")]).contains("EPUB"));
    assert!(seen(&[("META-INF/MANIFEST.MF", "")]).contains("Java"));
    assert_eq!(seen(&[("word/document.xml", "")]), "docx");
    assert!(seen(&[("a.txt", "")]).ends_with("a ZIP archive"));
}

#[test]
fn relationships_are_resolved_against_their_source() {
    let rels = "<Relationships><Relationship Id='1' Type='http://a/b/styles' Target='styles.xml'/>\
        <Relationship Id='2' Type='http://purl.oclc.org/x/image' Target='../media/a.png'/>\
        <Relationship Id='3' Type='x/header' Target='/other/h.xml'/>\
        <Relationship Id='4' Type='x/hyperlink' Target='https://e.org/a' TargetMode='External'/></Relationships>";
    let bytes = zip_of(&[("word/_rels/document.xml.rels", rels)]);
    let limits = Limits::default();
    let mut package = Package::open(&bytes, &limits).unwrap();
    let found = package.relationships("word/document.xml").unwrap();
    let seen: Vec<_> = found.iter().map(|r| (r.kind.as_str(), r.target.as_str(), r.external)).collect();
    assert_eq!(
        seen,
        [
            ("styles", "word/styles.xml", false),
            ("image", "media/a.png", false),
            ("header", "other/h.xml", false),
            ("hyperlink", "https://e.org/a", true)
        ]
    );
    assert_eq!(package.relationships("none").unwrap(), []);
}

#[test]
fn the_main_part_and_the_properties() {
    let rels = "<Relationships><Relationship Id='1' Type='x/officeDocument' Target='word/other.xml'/>\
        <Relationship Id='2' Type='x/metadata/core-properties' Target='docProps/core.xml'/></Relationships>";
    let core = "<cp:coreProperties xmlns:dc='d'><dc:title> A \n title</dc:title><dc:creator>Ann</dc:creator>\
        <dcterms:created>2020-01-02</dcterms:created><dcterms:modified>yesterday</dcterms:modified><broken";
    let bytes = zip_of(&[("_rels/.rels", rels), ("word/other.xml", "<a/>"), ("docProps/core.xml", core)]);
    let limits = Limits::default();
    let mut package = Package::open(&bytes, &limits).unwrap();
    assert_eq!(package.main_part("word/document.xml").unwrap(), "word/other.xml");
    let properties: Vec<_> = package.properties().unwrap().into_iter().collect();
    let expected = [("author", "Ann"), ("created", "2020-01-02T00:00:00Z"), ("title", "A title")];
    assert_eq!(properties, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
