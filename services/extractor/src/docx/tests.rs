#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::archive::tests::zip_of;

const STYLES: &str = "<w:styles>\
    <w:style w:type='paragraph' w:default='1' w:styleId='Normal'><w:name w:val='Normal'/></w:style>\
    <w:style w:type='paragraph' w:styleId='H2'><w:name w:val='heading 2'/><w:pPr><w:outlineLvl w:val='1'/></w:pPr></w:style>\
    <w:style w:type='paragraph' w:styleId='Own'><w:name w:val='Chapter'/><w:basedOn w:val='H2'/></w:style>\
    <w:style w:type='paragraph' w:styleId='T1'><w:name w:val='Überschrift 1'/></w:style>\
    <w:style w:type='paragraph' w:styleId='Title'><w:name w:val='Title'/></w:style>\
    <w:style w:type='paragraph' w:styleId='Code'><w:name w:val='Source Code'/></w:style>\
    <w:style w:type='paragraph' w:styleId='Loop'><w:name w:val='x'/><w:basedOn w:val='Loop'/></w:style>\
    <w:style w:type='character' w:styleId='Hid'><w:name w:val='h'/><w:rPr><w:vanish/></w:rPr></w:style></w:styles>";
const NUMBERING: &str = "<w:numbering><w:abstractNum w:abstractNumId='0'><w:lvl w:ilvl='0'><w:start w:val='1'/>\
    <w:numFmt w:val='decimal'/><w:lvlText w:val='%1.'/></w:lvl></w:abstractNum>\
    <w:num w:numId='1'><w:abstractNumId w:val='0'/></w:num></w:numbering>";
const RELATIONSHIPS: &str = "<Relationships><Relationship Id='1' Type='x/styles' Target='styles.xml'/>\
    <Relationship Id='2' Type='x/numbering' Target='numbering.xml'/><Relationship Id='3' Type='x/footnotes' Target='footnotes.xml'/>\
    <Relationship Id='4' Type='x/comments' Target='comments.xml'/><Relationship Id='5' Type='x/header' Target='header1.xml'/>\
    <Relationship Id='6' Type='x/header' Target='header2.xml'/></Relationships>";
const FOOTNOTES: &str = "<w:footnotes><w:footnote w:type='separator' w:id='-1'><w:p><w:r><w:t>line</w:t></w:r></w:p></w:footnote>\
    <w:footnote w:id='2'><w:p><w:r><w:footnoteRef/><w:t> See there</w:t></w:r></w:p></w:footnote></w:footnotes>";
const COMMENTS: &str = "<w:comments><w:comment w:id='0'><w:p><w:r><w:t>Why?</w:t></w:r></w:p></w:comment>\
    <w:comment w:id='1'><w:p><w:r><w:t>Lost</w:t></w:r></w:p></w:comment></w:comments>";

fn package(body: &str) -> Vec<u8> {
    let header = "<w:hdr><w:p><w:r><w:t>Letterhead</w:t></w:r></w:p></w:hdr>";
    zip_of(&[
        ("word/document.xml", &*format!("<w:document><w:body>{body}</w:body></w:document>")),
        ("word/_rels/document.xml.rels", RELATIONSHIPS),
        ("word/styles.xml", STYLES),
        ("word/numbering.xml", NUMBERING),
        ("word/footnotes.xml", FOOTNOTES),
        ("word/comments.xml", COMMENTS),
        ("word/header1.xml", header),
        ("word/header2.xml", header),
    ])
}

fn read(body: &str) -> Document {
    parse(&package(body), &Limits::default()).unwrap()
}

fn text(body: &str) -> String {
    // The comment that nothing refers to comes last.
    let text = read(body).pages.remove(0).text;
    text.strip_suffix("Lost").unwrap().trim_end().trim_end_matches("\n\nWhy?").to_owned()
}

fn paragraph(format: &str, runs: &str) -> String {
    format!("<w:p><w:pPr>{format}</w:pPr>{runs}</w:p>")
}

fn run(text: &str) -> String {
    format!("<w:r><w:t xml:space='preserve'>{text}</w:t></w:r>")
}

fn kinds(body: &str) -> Vec<BlockKind> {
    read(body).pages[0].blocks.iter().map(|block| block.kind).collect()
}

#[test]
fn headings_by_outline_style_and_name() {
    let styled = |style: &str| paragraph(&format!("<w:pStyle w:val='{style}'/>"), &run("x"));
    let direct = paragraph("<w:outlineLvl w:val='8'/>", &run("x"));
    let denied = paragraph("<w:pStyle w:val='H2'/><w:outlineLvl w:val='9'/>", &run("x"));
    let body = styled("H2") + &styled("Own") + &styled("T1") + &styled("Loop") + &direct + &denied + &styled("Gone");
    let heading = |level| BlockKind::Heading { level };
    let expected = [
        heading(2),
        heading(2),
        heading(1),
        BlockKind::Paragraph,
        heading(6),
        BlockKind::Paragraph,
        BlockKind::Paragraph,
    ];
    assert_eq!(kinds(&body)[..7], expected);
}

#[test]
fn lists_have_their_numbers_and_code_stays_together() {
    let item = |text: &str| paragraph("<w:numPr><w:ilvl w:val='0'/><w:numId w:val='1'/></w:numPr>", &run(text));
    let none = paragraph("<w:numPr><w:numId w:val='0'/></w:numPr>", &run("plain"));
    let code = |text: &str| paragraph("<w:pStyle w:val='Code'/>", &run(text));
    assert_eq!(text(&(item("a") + &item("b") + &none + &code("x") + &code("y"))), "1. a\n2. b\n\nplain\n\nx\ny");
}

#[test]
fn tracked_changes_show_the_final_text() {
    let body = paragraph("<w:rPr><w:del/></w:rPr>", &run("one "))
        + &paragraph(
            "<w:pPrChange><w:pPr><w:pStyle w:val='H2'/></w:pPr></w:pPrChange>",
            "<w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>\
             <w:moveFrom><w:r><w:t>away</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t> here</w:t></w:r></w:moveTo>",
        );
    assert_eq!(text(&body), "one new here");
    assert_eq!(kinds(&body)[0], BlockKind::Paragraph);
}

#[test]
fn notes_follow_their_paragraph_and_come_once() {
    let reference = "<w:r><w:footnoteReference w:id='2'/></w:r><w:r><w:commentReference w:id='0'/></w:r>";
    let document = read(&(paragraph("", &(run("Text") + reference)) + &paragraph("", &(run("More") + reference))));
    assert_eq!(document.pages[0].text, "Text[1]\n\n[1] See there\n\nWhy?\n\nMore\n\nLost");
    assert_eq!(document.pages[0].blocks[1].kind, BlockKind::Note);
    assert_eq!(document.pages[0].furniture, ["Letterhead"]);
}

#[test]
fn fields_show_their_result() {
    let mark = |kind: &str, inside: &str| format!("<w:r><w:fldChar w:fldCharType='{kind}'>{inside}</w:fldChar></w:r>");
    let code = "<w:r><w:instrText>REF x</w:instrText><w:t>hidden</w:t></w:r>";
    let check = "<w:ffData><w:checkBox><w:default w:val='0'/><w:checked/></w:checkBox></w:ffData>";
    let list = "<w:ffData><w:ddList><w:result w:val='1'/><w:listEntry w:val='no'/><w:listEntry w:val='yes'/></w:ddList></w:ffData>";
    let whole = mark("begin", "") + code + &mark("separate", "") + &run("result") + &mark("end", "");
    let controls = mark("begin", check) + code + &mark("end", "") + &mark("begin", list) + &mark("end", "");
    let unended = paragraph("", &(mark("begin", "") + code)) + &paragraph("", &run("next"));
    assert_eq!(text(&(paragraph("", &(whole + &controls)) + &unended)), "result☒yes\n\nnext");
}

#[test]
fn text_boxes_come_once_after_their_paragraph() {
    let content = |text: &str| format!("<w:txbxContent>{}</w:txbxContent>", paragraph("", &run(text)));
    let both = format!(
        "<w:r><mc:AlternateContent><mc:Choice><wp:docPr descr='A lake'/>{}</mc:Choice><mc:Fallback><v:shape>{}</v:shape>\
         </mc:Fallback></mc:AlternateContent></w:r>",
        content("box"),
        content("box")
    );
    let fallback = format!(
        "<w:r><mc:AlternateContent><mc:Choice/><mc:Fallback>{}</mc:Fallback></mc:AlternateContent></w:r>",
        content("old")
    );
    let picture = "<w:r><wp:docPr descr='C:\\photos\\1.png'/></w:r>";
    assert_eq!(text(&paragraph("", &(both + &run("around") + &fallback + picture))), "around\n\nA lake\n\nbox\n\nold");
}

#[test]
fn tables_with_merged_cells_and_tables_inside() {
    let cell =
        |format: &str, text: &str| format!("<w:tc><w:tcPr>{format}</w:tcPr>{}</w:tc>", paragraph("", &run(text)));
    let row = |format: &str, cells: &str| format!("<w:tr><w:trPr>{format}</w:trPr>{cells}</w:tr>");
    let nested = format!("<w:tbl>{0}{0}</w:tbl>", row("", &(cell("", "p") + &cell("", "q"))));
    let table = format!(
        "<w:tbl><w:tblPr><w:tblLook w:val='0000'/></w:tblPr>{}{}{}{}</w:tbl>",
        row("<w:tblHeader/>", &(cell("", "City") + &cell("<w:gridSpan w:val='2'/>", "Fares"))),
        row("", &(cell("<w:vMerge w:val='restart'/>", "Oslo") + &cell("", "1") + &cell("", "2"))),
        row("", &(cell("<w:vMerge/>", "") + &cell("", "3") + &format!("<w:tc>{nested}</w:tc>"))),
        row("<w:del/>", &cell("", "gone"))
    );
    assert_eq!(text(&table), "City | Fares | Fares\nOslo | 1 | 2\nOslo | 3\n\np | q\np | q");
    assert_eq!(kinds(&table)[0], BlockKind::Table { header_rows: 1 });
}

#[test]
fn characters_and_equations() {
    let runs = "<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:noBreakHyphen/><w:t>c</w:t><w:softHyphen/><w:sym w:font='Symbol' \
        w:char='F061'/></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>no</w:t></w:r><w:r><w:rPr><w:rStyle w:val='Hid'/></w:rPr>\
        <w:t>no</w:t></w:r><w:r><w:rPr><w:vanish w:val='0'/></w:rPr><w:t>d</w:t></w:r>";
    assert_eq!(text(&paragraph("", runs)), "a\tb-cαd");
    let ruby =
        "<w:ruby><w:rt><w:r><w:t>kan</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby>";
    assert_eq!(text(&paragraph("", &(run("x") + ruby))), "x漢(kan)");
    let math = "<m:oMath><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>\
        <m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath>";
    assert_eq!(text(&paragraph("", math)), "(a+b)/2x^2");
}

#[test]
fn damage_degrades_and_limits_hold() {
    let cut = package(&(paragraph("", &run("kept")) + "<w:p><w:r></w:p>"));
    let document = parse(&cut, &Limits::default()).unwrap();
    assert!(document.pages[0].text.starts_with("kept") && document.warnings == [Warning::Truncated]);
    let tight = Limits { max_text_bytes: 20, ..Limits::default() };
    assert_eq!(parse(&package(&paragraph("", &run(&"x".repeat(21)))), &tight).unwrap_err().code(), "too_large");
    let deep = package(&("<w:sdt>".repeat(2_000) + &"</w:sdt>".repeat(2_000)));
    assert_eq!(parse(&deep, &Limits::default()).unwrap_err().code(), "too_large");
    assert_eq!(parse(&zip_of(&[("word/other.xml", "<a/>")]), &Limits::default()).unwrap_err().code(), "corrupt");
    let blank = zip_of(&[("word/document.xml", "<w:document><w:body><w:p/></w:body></w:document>")]);
    assert_eq!(parse(&blank, &Limits::default()).unwrap_err(), Failure::Empty);
    let broken = zip_of(&[("word/document.xml", "<w:document><w:p></w:document>")]);
    assert_eq!(parse(&broken, &Limits::default()).unwrap_err().code(), "corrupt");
}

proptest! {
    #[test]
    fn elements_in_any_order_never_panic(names in proptest::collection::vec(0_usize..24, 0..60)) {
        const NAMES: [&str; 12] =
            ["p", "r", "tbl", "tr", "tc", "txbxContent", "AlternateContent", "Choice", "oMath", "den", "rt", "ruby"];
        let mut open = Vec::new();
        let mut body = String::new();
        for place in names {
            match NAMES.get(place) {
                Some(name) => {
                    open.push(*name);
                    body.push_str(&format!("<{name}><t>x</t>"));
                }
                None => body.extend(open.pop().map(|name| format!("</{name}>"))),
            }
        }
        open.iter().rev().for_each(|name| body.push_str(&format!("</{name}>")));
        let document = read(&(run("start") + &body));
        prop_assert!(document.pages[0].text.contains("start"));
    }
}
