//! OpenDocument spreadsheets.

use super::*;

fn ods(body: &str) -> Vec<u8> {
    let styles = "<office:automatic-styles><style:style style:name='ta2' style:family='table'><style:table-properties \
        table:display='false'/></style:style><style:style style:name='ce1' style:family='table-cell'>\
        <style:text-properties fo:font-weight='bold'/></style:style></office:automatic-styles>";
    let content = format!(
        "<office:document-content>{styles}<office:body><office:spreadsheet>{body}</office:spreadsheet></office:body></office:document-content>"
    );
    let meta = "<office:document-meta><office:meta><dc:title>Budget</dc:title><meta:initial-creator>Ann</meta:initial-creator>\
        <meta:keyword>a</meta:keyword><meta:keyword>b</meta:keyword><meta:creation-date>2024-01-02T03:04:05.123456789</meta:creation-date>\
        </office:meta></office:document-meta>";
    zip_of(&[("content.xml", content.as_str()), ("meta.xml", meta)])
}

fn read_ods(body: &str) -> Document {
    parse(Format::Ods, &ods(body), &Limits::default()).unwrap()
}

#[test]
fn displayed_texts_repetitions_and_covered_cells() {
    let document = read_ods(
        "<table:table table:name='One'><table:table-column table:number-columns-repeated='16384'/>\
         <table:table-row><table:table-cell office:value-type='string' table:number-columns-spanned='2'><text:p>Two</text:p>\
         <text:p>lines<text:s text:c='2000000000'/>x</text:p></table:table-cell><table:covered-table-cell><text:p>no</text:p>\
         </table:covered-table-cell><table:table-cell office:value-type='float' office:value='0.125'><text:p>12.5%</text:p>\
         </table:table-cell></table:table-row>\
         <table:table-row table:number-rows-repeated='2'><table:table-cell table:number-columns-repeated='2' \
         office:value-type='float' office:value='7'><text:p>7</text:p></table:table-cell><table:table-cell \
         office:value-type='date' office:date-value='2024-01-01'/></table:table-row>\
         <table:table-row table:number-rows-repeated='1048573'><table:table-cell table:number-columns-repeated='16384'/>\
         </table:table-row></table:table>\
         <table:table table:name='Two' table:style-name='ta2'><table:table-row><table:table-cell><text:p>x</text:p>\
         </table:table-cell></table:table-row></table:table>",
    );
    let texts: Vec<&str> = document.pages.iter().map(|page| page.text.as_str()).collect();
    assert_eq!(texts, ["One\n\nTwo lines x |  | 12.5%\n7 | 7 | 2024-01-01\n7 | 7 | 2024-01-01", "Two (hidden)\n\nx"]);
    assert_eq!(document.title.as_deref(), Some("Budget"));
    let metadata: Vec<&str> = document.metadata.values().map(String::as_str).collect();
    assert_eq!(metadata, ["Ann", "2024-01-02T03:04:05Z", "a, b"]);
}

#[test]
fn comments_boxes_and_header_rows() {
    let document = read_ods(
        "<table:table table:name='S'><table:shapes><draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box></draw:frame>\
         </table:shapes><table:table-header-rows><table:table-row><table:table-cell><office:annotation><dc:creator>Bob</dc:creator>\
         <dc:date>2024-01-01</dc:date><text:p>note</text:p></office:annotation><text:p>key</text:p></table:table-cell>\
         <table:table-cell><text:p>value</text:p></table:table-cell></table:table-row></table:table-header-rows>\
         <table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell><text:p>b</text:p>\
         </table:table-cell></table:table-row></table:table>",
    );
    let page = document.pages.first().unwrap();
    assert_eq!(page.text, "S\n\nkey | value\na | b\n\nboxed\n\nBob: note");
    assert_eq!(kinds(page).get(1), Some(&BlockKind::Table { header_rows: 1 }));
}

#[test]
fn encrypted_documents_say_so() {
    let manifest =
        "<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let bytes = zip_of(&[("META-INF/manifest.xml", manifest), ("content.xml", "garbage")]);
    assert_eq!(parse(Format::Ods, &bytes, &Limits::default()).unwrap_err(), Failure::Encrypted);
}
