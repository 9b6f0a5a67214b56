#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use crate::archive::tests::zip_of;

const PRESENTATION: &str = "<p:presentation><p:sldIdLst><p:sldId id='256' r:id='r2'/><p:sldId id='257' r:id='r1'/></p:sldIdLst></p:presentation>";
const RELATIONSHIPS: &str = "<Relationships><Relationship Id='r1' Type='x/slide' Target='slides/slide1.xml'/>\
    <Relationship Id='r2' Type='x/slide' Target='slides/slide2.xml'/></Relationships>";
const SLIDE_RELATIONSHIPS: &str = "<Relationships><Relationship Id='n' Type='x/notesSlide' Target='../notesSlides/notesSlide1.xml'/>\
    <Relationship Id='k' Type='x/comments' Target='../comments/comment1.xml'/>\
    <Relationship Id='c' Type='x/chart' Target='../charts/chart1.xml'/></Relationships>";

fn shape(placeholder: &str, paragraphs: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id='1' name='n'/><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>"
    )
}

fn slide(attributes: &str, shapes: &str) -> String {
    format!("<p:sld {attributes}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>")
}

fn line(text: &str) -> String {
    format!("<a:p><a:r><a:t>{text}</a:t></a:r></a:p>")
}

fn read(first: &str, second: &str) -> Result<Document, Failure> {
    let notes = slide("", &(shape("<p:ph type='sldImg'/>", "") + &shape("<p:ph type='body'/>", &line("Say this"))))
        .replace("p:sld", "p:notes");
    let chart = "<c:chartSpace><c:tx><a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:tx><c:cat><c:strCache><c:pt><c:v>Q1</c:v></c:pt>\
        <c:pt><c:v>Q2</c:v></c:pt></c:strCache></c:cat></c:chartSpace>";
    let comment = "<p:cmLst><p:cm><p:text>Shorter</p:text></p:cm></p:cmLst>";
    let bytes = zip_of(&[
        ("ppt/presentation.xml", PRESENTATION),
        ("ppt/_rels/presentation.xml.rels", RELATIONSHIPS),
        ("ppt/slides/slide2.xml", first),
        ("ppt/slides/_rels/slide2.xml.rels", SLIDE_RELATIONSHIPS),
        ("ppt/slides/slide1.xml", second),
        ("ppt/notesSlides/notesSlide1.xml", &notes),
        ("ppt/comments/comment1.xml", comment),
        ("ppt/charts/chart1.xml", chart),
        ("ppt/embeddings/book.xlsx", ""),
    ]);
    parse(&bytes, &Limits::default())
}

#[test]
fn slides_in_their_order_with_notes_and_labels() {
    let numbered = "<a:p><a:pPr><a:buAutoNum type='arabicPeriod'/></a:pPr><a:r><a:t>one</a:t></a:r></a:p>";
    let first = slide(
        "",
        &(shape("<p:ph idx='1'/>", &(line("Point") + numbered))
            + &shape("<p:ph type='title'/>", &line("The title"))
            + &shape("<p:ph type='ftr'/>", &line("Confidential"))
            + &shape("", &line("A box"))
            + "<p:pic><p:cNvPr descr='Two cats'/></p:pic><p:graphicFrame><c:chart r:id='c'/></p:graphicFrame>"),
    );
    let second = slide("show='0'", &shape("", &line("Secret")));
    let document = read(&first, &second).unwrap();
    let page = &document.pages[0];
    assert_eq!(page.text, "The title\n\n• Point\n1. one\n\nA box\n\nTwo cats\n\nSales\nQ1, Q2\n\nSay this\n\nShorter");
    assert_eq!((page.label.as_deref(), &page.furniture[..]), (Some("1"), &["Confidential".to_owned()][..]));
    assert_eq!(page.blocks[0].kind, BlockKind::Heading { level: 1 });
    assert_eq!(page.blocks.last().unwrap().kind, BlockKind::Note);
    assert_eq!(document.pages[1].label.as_deref(), Some("2 (hidden)"));
    assert_eq!(document.attachments[0].name, "book.xlsx");
}

#[test]
fn tables_groups_and_alternatives() {
    let cell = |attributes: &str, text: &str| format!("<a:tc {attributes}><a:txBody>{}</a:txBody></a:tc>", line(text));
    let table = format!(
        "<p:graphicFrame><a:tbl><a:tblPr firstRow='1'/><a:tr>{}{}</a:tr><a:tr>{}{}</a:tr></a:tbl></p:graphicFrame>",
        cell("", "City"),
        cell("rowSpan='2'", "Fare"),
        cell("", "Oslo"),
        cell("vMerge='1'", "")
    );
    let group = format!("<p:grpSp>{}</p:grpSp>", shape("", &line("inside")));
    let either = format!(
        "<mc:AlternateContent><mc:Choice>{}</mc:Choice><mc:Fallback>{}</mc:Fallback></mc:AlternateContent>",
        shape("", &line("chosen")),
        shape("", &line("old"))
    );
    let document = read(&slide("", &(table + &group + &either)), &slide("", "")).unwrap();
    assert!(document.pages[0].text.starts_with("City | Fare\nOslo | Fare\n\ninside\n\nchosen\n\nSay this"));
    assert_eq!(document.pages[0].blocks[0].kind, BlockKind::Table { header_rows: 1 });
}

#[test]
fn limits_and_damage() {
    let good = slide("", &shape("", &line("text")));
    let document = read(&good, &good.replace("</p:sld>", "")).unwrap();
    assert_eq!(document.warnings, [Warning::PageUnreadable { number: 2 }]);
    assert_eq!(document.pages[1].text, "text");
    let bytes = zip_of(&[("ppt/presentation.xml", PRESENTATION), ("ppt/_rels/presentation.xml.rels", RELATIONSHIPS)]);
    let limits = Limits { max_pages: 1, ..Limits::default() };
    assert_eq!(parse(&bytes, &limits).unwrap_err().code(), "too_large");
    assert_eq!(parse(&bytes, &Limits::default()).unwrap_err().code(), "empty");
    assert_eq!(parse(&zip_of(&[("a", "b")]), &Limits::default()).unwrap_err().code(), "corrupt");
}
