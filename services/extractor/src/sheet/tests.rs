#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod binary;
mod bombs;
mod damage;
mod documents;
mod layouts;

use super::*;
use crate::archive::tests::zip_of;
use crate::{Block, BlockKind, Status};

/// A workbook of Office Open XML: the sheets by name and content of their `worksheet`, and further parts.
fn workbook(sheets: &[(&str, &str)], parts: &[(&str, &str)]) -> Vec<u8> {
    let mut entries: Vec<(String, String)> = parts.iter().map(|(name, xml)| ((*name).into(), (*xml).into())).collect();
    let (mut list, mut targets) = (String::new(), String::new());
    for (at, (name, content)) in sheets.iter().enumerate() {
        let (name, state) = name.strip_prefix('!').map_or((*name, ""), |name| (name, "state='hidden'"));
        list.push_str(&format!("<sheet name='{name}' sheetId='{at}' {state} r:id='s{at}'/>"));
        targets.push_str(&format!("<Relationship Id='s{at}' Type='x/worksheet' Target='worksheets/{at}.xml'/>"));
        entries.push((format!("xl/worksheets/{at}.xml"), format!("<worksheet>{content}</worksheet>")));
    }
    for kind in ["sharedStrings", "styles", "person"] {
        targets.push_str(&format!("<Relationship Id='{kind}' Type='x/{kind}' Target='{kind}.xml'/>"));
    }
    let rest = parts.iter().find(|(name, _)| *name == "workbook").map_or("", |(_, rest)| rest);
    entries.push(("xl/workbook.xml".into(), format!("<workbook>{rest}<sheets>{list}</sheets></workbook>")));
    entries.push(("xl/_rels/workbook.xml.rels".into(), format!("<Relationships>{targets}</Relationships>")));
    let entries: Vec<(&str, &str)> = entries.iter().map(|(name, xml)| (name.as_str(), xml.as_str())).collect();
    zip_of(&entries)
}

fn one_sheet(content: &str, parts: &[(&str, &str)]) -> Page {
    read(&workbook(&[("S", content)], parts)).pages.remove(0)
}

fn read(bytes: &[u8]) -> Document {
    parse(Format::Xlsx, bytes, &Limits::default()).unwrap()
}

/// Rows of inline texts and numbers: `name,age;Ann,5`.
fn rows(text: &str) -> String {
    let cell = |(column, text): (usize, &str)| {
        let place = char::from(b'A' + u8::try_from(column).unwrap());
        match (text.parse::<f64>(), text) {
            (_, "") => String::new(),
            (Ok(number), _) => format!("<c r='{place}ROW'><v>{number}</v></c>"),
            (Err(_), text) => format!("<c r='{place}ROW' t='inlineStr'><is><t>{text}</t></is></c>"),
        }
    };
    let row = |(at, row): (usize, &str)| {
        let cells: String = row.split(',').enumerate().map(cell).collect();
        format!("<row r='{0}'>{1}</row>", at + 1, cells.replace("ROW", &(at + 1).to_string()))
    };
    format!("<sheetData>{}</sheetData>", text.split(';').enumerate().map(row).collect::<String>())
}

fn kinds(page: &Page) -> Vec<BlockKind> {
    page.blocks.iter().map(|block: &Block| block.kind).collect()
}

#[test]
fn values_of_every_type_as_displayed() {
    let styles = "<styleSheet><numFmts><numFmt numFmtId='170' formatCode='0.0&quot; km&quot;'/></numFmts><cellStyleXfs>\
        <xf numFmtId='9'/></cellStyleXfs><cellXfs><xf/><xf numFmtId='14'/><xf numFmtId='170'/><xf numFmtId='10'/>\
        </cellXfs></styleSheet>";
    let strings = "<sst><si><t>shared &amp; </t><rPh><t>no</t></rPh><r><t>rich</t></r></si><si/><si><t>a_x000D_b_x_</t></si></sst>";
    let cells = "<sheetData><row><c t='s'><v>0</v></c><c t='s'><v>2</v></c><c t='s'><v>99</v></c><c s='1'><v>45292</v></c>\
        <c s='2'><f>1+1</f><v>2.04</v></c><c s='3'><v>0.125</v></c><c t='b'><v>1</v></c><c t='e'><v>#SPILL!</v></c>\
        <c t='str'><f>A1</f><v>made</v></c><c t='d'><v>2024-01-01T00:00:00</v></c><c s='1' t='d'><v>2024-02-29T08:30</v></c><c><f>NOW()</f></c>\
        <c t='inlineStr'><is><r><t>in</t></r><r><t>line</t></r></is></c><c s='77'><v>odd</v></c></row></sheetData>";
    let page = one_sheet(cells, &[("xl/styles.xml", styles), ("xl/sharedStrings.xml", strings)]);
    let expected = "shared & rich | a b_x_ | 2024-01-01 | 2.0 km | 12.50% | TRUE | #SPILL! | made | 2024-01-01T00:00:00 | 2024-02-29 | \
        inline | odd";
    assert_eq!(page.text.lines().last().unwrap(), expected);
}

#[test]
fn sheets_become_pages_with_their_names() {
    let bytes =
        workbook(&[("First", &rows("a,b;1,2")), ("!Secret &amp; co", &rows("x")), ("Void", "<sheetData/>")], &[]);
    let document = read(&bytes);
    let labels: Vec<_> = document.pages.iter().map(|page| (page.number, page.label.as_deref().unwrap())).collect();
    assert_eq!(labels, [(1, "First"), (2, "Secret & co (hidden)"), (3, "Void")]);
    assert_eq!(document.pages.last().unwrap().text, "");
    assert_eq!(document.pages.get(1).unwrap().text, "Secret & co (hidden)\n\nx");
    assert_eq!(document.status(), Status::Ok);
}

#[test]
fn the_1904_epoch_and_strict_vocabulary() {
    let styles = "<styleSheet><cellXfs><xf numFmtId='14'/></cellXfs></styleSheet>";
    let sheet = "<sheetData><row><c s='0'><v>1</v></c></row></sheetData>";
    for (flag, expected) in [("date1904='1'", "1904-01-02"), ("date1904='false'", "1900-01-01")] {
        let properties = format!("<workbookPr {flag}/>");
        let page = one_sheet(sheet, &[("xl/styles.xml", styles), ("workbook", &properties)]);
        assert!(page.text.ends_with(expected), "{}", page.text);
    }
}

#[test]
fn comments_threads_and_text_boxes_are_notes() {
    let rels = "<Relationships><Relationship Id='1' Type='x/comments' Target='../comments1.xml'/>\
        <Relationship Id='2' Type='x/threadedComment' Target='../threads.xml'/>\
        <Relationship Id='3' Type='x/drawing' Target='../drawing.xml'/>\
        <Relationship Id='4' Type='x/table' Target='../missing.xml'/></Relationships>";
    let comments = "<comments><authors><author>Ann</author><author>tc={1}</author></authors><commentList>\
        <comment ref='A1' authorId='0'><text><r><t>why?</t></r></text></comment>\
        <comment ref='A2' authorId='1'><text><t>[Threaded comment]</t></text></comment></commentList></comments>";
    let threads = "<ThreadedComments><threadedComment ref='A2' personId='{p}'><text>so low</text></threadedComment></ThreadedComments>";
    let persons = "<personList><person displayName='Bob' id='{p}'/></personList>";
    let drawing = "<wsDr><sp><txBody><a:p><a:t>boxed</a:t></a:p><a:p><a:t>text</a:t></a:p></txBody></sp></wsDr>";
    let parts = [
        ("xl/worksheets/_rels/0.xml.rels", rels),
        ("xl/comments1.xml", comments),
        ("xl/threads.xml", threads),
        ("xl/person.xml", persons),
        ("xl/drawing.xml", drawing),
    ];
    let page = one_sheet(&rows("a"), &parts);
    assert_eq!(page.text, "S\n\na\n\nAnn: why?\n\nBob: so low\n\nboxed\ntext");
    assert_eq!(kinds(&page).last(), Some(&BlockKind::Note));
}

#[test]
fn a_broken_sheet_degrades_and_broken_books_fail() {
    let bytes = workbook(&[("Good", &rows("a")), ("Bad", "<sheetData><row>")], &[]);
    let document = read(&bytes);
    assert_eq!(document.warnings, [Warning::PageUnreadable { number: 2 }]);
    let code = |bytes: &[u8], format| parse(format, bytes, &Limits::default()).unwrap_err().code();
    assert_eq!(code(&workbook(&[("Bad", "<sheetData><row>")], &[]), Format::Xlsx), "corrupt");
    assert_eq!(code(&workbook(&[("Void", "")], &[]), Format::Xlsx), "empty");
    assert_eq!(code(&zip_of(&[("a", "b")]), Format::Xlsx), "corrupt");
    assert_eq!(code(&zip_of(&[("a", "b")]), Format::Xlsb), "corrupt");
    assert_eq!(code(&zip_of(&[("a", "b")]), Format::Ods), "corrupt");
    assert_eq!(code(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 nothing", Format::Xls), "corrupt");
}
