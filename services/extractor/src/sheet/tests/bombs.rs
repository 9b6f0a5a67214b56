//! Small files that mean enormous sheets.

use super::*;

fn code(format: Format, bytes: &[u8], limits: &Limits) -> &'static str {
    parse(format, bytes, limits).map_or_else(|failure| failure.code(), |_| "ok")
}

#[test]
fn far_apart_cells_cost_nothing() {
    let cells = "<dimension ref='A1:XFD1048576'/><sheetData><row r='1'><c r='A1'><v>1</v></c></row>\
        <row r='1048576'><c r='XFD1048576'><v>2</v></c></row></sheetData>\
        <mergeCells><mergeCell ref='A1:XFD1048575'/></mergeCells>";
    // The merged cells reach up to the other one.
    assert_eq!(one_sheet(cells, &[]).text, "S\n\n1\n| 2");
    assert_eq!(one_sheet(&cells.replace(":XFD1048575", ":B2"), &[]).text, "S\n\n1\n\n2");
}

#[test]
fn a_sparse_table_is_not_filled_up() {
    let mut cells = String::new();
    for row in 1..3_000u32 {
        // A diagonal: each row would have as many empty cells as its number, and no column is empty.
        let column = row;
        let name: String = [column / 676, column / 26 % 26, column % 26]
            .iter()
            .map(|digit| char::from(b'A' + u8::try_from(*digit % 26).unwrap()))
            .collect();
        cells.push_str(&format!("<row r='{row}'><c r='{name}{row}'><v>7</v></c></row>"));
    }
    let page = one_sheet(&format!("<sheetData>{cells}</sheetData>"), &[]);
    assert!(page.text.len() < 200_000, "{}", page.text.len());
}

#[test]
fn shared_strings_used_again_and_again_are_limited() {
    let strings = format!("<sst uniqueCount='99999999999'><si><t>{}</t></si></sst>", "x".repeat(10_000));
    let cells: String =
        (1..2_000).map(|row| format!("<row r='{row}'><c r='A{row}' t='s'><v>0</v></c></row>")).collect();
    let bytes = workbook(&[("S", &format!("<sheetData>{cells}</sheetData>"))], &[("xl/sharedStrings.xml", &strings)]);
    let limits = Limits { max_text_bytes: 1 << 20, ..Limits::default() };
    assert_eq!(code(Format::Xlsx, &bytes, &limits), "too_large");
}

#[test]
fn repeated_cells_are_limited() {
    let sheet = |cell: &str| {
        let rows = format!(
            "<table:table-row table:number-rows-repeated='1048575'><table:table-cell table:number-columns-repeated='16384' {cell}</table:table-row>"
        );
        let content = format!(
            "<office:document-content><office:body><office:spreadsheet><table:table table:name='S'>{rows}\
             <table:table-row><table:table-cell><text:p>end</text:p></table:table-cell></table:table-row>\
             </table:table></office:spreadsheet></office:body></office:document-content>"
        );
        zip_of(&[("content.xml", &content)])
    };
    let limits = Limits { max_text_bytes: 1 << 20, ..Limits::default() };
    assert_eq!(
        code(Format::Ods, &sheet("office:value-type='string'><text:p>x</text:p></table:table-cell>"), &limits),
        "too_large"
    );
    assert_eq!(code(Format::Ods, &sheet("/>"), &limits), "ok");
}

#[test]
fn sheets_are_counted() {
    let names: Vec<String> = (0..5).map(|at| format!("S{at}")).collect();
    let cells = rows("a");
    let sheets: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), cells.as_str())).collect();
    let limits = Limits { max_pages: 4, ..Limits::default() };
    assert_eq!(code(Format::Xlsx, &workbook(&sheets, &[]), &limits), "too_large");
}
