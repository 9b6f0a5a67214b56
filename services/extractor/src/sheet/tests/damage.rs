//! Damaged files end in a document or a typed failure.

use proptest::prelude::*;

use super::*;

/// `bytes` with some of them changed, and cut.
fn damaged(bytes: &[u8], changes: &[(u16, u8)], end: u16) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    let length = damaged.len().max(1);
    for (at, value) in changes {
        if let Some(byte) = damaged.get_mut(usize::from(*at) % length) {
            *byte = *value;
        }
    }
    damaged.truncate(damaged.len() - usize::from(end) % length);
    damaged
}

fn ends(format: Format, bytes: &[u8]) -> Result<(), TestCaseError> {
    let limits = Limits { max_text_bytes: 1 << 16, ..Limits::default() };
    if let Err(failure) = parse(format, bytes, &limits) {
        prop_assert!(["corrupt", "empty", "too_large", "encrypted", "archive_bomb"].contains(&failure.code()));
    }
    Ok(())
}

fn changes() -> impl Strategy<Value = (Vec<(u16, u8)>, u16)> {
    (proptest::collection::vec(any::<(u16, u8)>(), 0..12), prop_oneof![Just(0), any::<u16>()])
}

const SHEET: &str = "<sheetViews><pane ySplit='1' state='frozen'/></sheetViews><sheetData><row r='1'><c r='A1' t='s' s='1'><v>0</v></c>\
    <c t='inlineStr'><is><r><t>a</t></r></is></c></row><row><c r='C9' t='d'><v>2024-01-01</v></c><c t='b'><v>1</v></c>\
    <c s='0'><f>1</f><v>1e9</v></c></row></sheetData><autoFilter ref='A1:B2'/><mergeCells><mergeCell ref='A1:B1'/></mergeCells>";

proptest! {
    #[test]
    fn sheets_of_xml((changes, end) in changes()) {
        let content = damaged(SHEET.as_bytes(), &changes, end);
        let content = String::from_utf8_lossy(&content);
        ends(Format::Xlsx, &workbook(&[("S", &content)], &[("xl/sharedStrings.xml", "<sst><si><t>x</t></si></sst>")]))?;
        let content = format!("<office:spreadsheet><table:table>{content}</table:table></office:spreadsheet>");
        let content = content.replace("row", "table-row").replace("<c ", "<table-cell table:number-columns-repeated='3' ");
        ends(Format::Ods, &zip_of(&[("content.xml", content.as_str())]))?;
    }

    #[test]
    fn sheets_of_records((changes, end) in changes()) {
        ends(Format::Xlsb, &binary::xlsb_of(&damaged(&binary::xlsb_sheet(), &changes, end)))?;
        ends(Format::Xls, &binary::xls(&damaged(&binary::xls_stream(), &changes, end)))?;
        ends(Format::Xls, &damaged(&binary::xls(&binary::xls_stream()), &changes, end))?;
    }
}
