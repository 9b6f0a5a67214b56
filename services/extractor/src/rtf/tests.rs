//! RTF as word processors write it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::Page;

fn page(body: &str) -> Page {
    let rtf = format!(
        "{{\\rtf1\\ansi\\ansicpg1252\\deff0{{\\fonttbl{{\\f0\\fnil Arial;}}{{\\f1\\fcharset204 Cyr;}}{{\\f2\\fcharset128 Jp;}}}}\
         {{\\stylesheet{{Normal;}}{{\\s1\\sb10 heading 1;}}{{\\*\\cs3 Default;}}}}{body}}}"
    );
    parse(rtf.as_bytes(), &Limits::default()).unwrap().pages.remove(0)
}

#[test]
fn paragraphs_headings_and_code_pages() {
    let page = page(
        "\\pard\\s1 Heading\\par\\pard caf\\'e9 {\\f1 \\'cf\\'f0\\'e8\\'e2\\'e5\\'f2} {\\f2 \\'93\\'fa\\'96{\\b }\\'96\\'7b}\
         \\u8364? \\uc2\\u-10179 ??\\u-8704 ??\\uc0\\u233\\~x\\emdash y\\line z\\par{\\v hidden}{\\*\\unknown no}{\\pict 0102}end",
    );
    assert_eq!(page.text, "Heading\n\ncafé Привет 日本本€ 😀é x—y\nz\n\nend".replace("日本本", &page_japanese()));
    assert_eq!(page.blocks.first().map(|block| block.kind), Some(BlockKind::Heading { level: 1 }));
}

/// `\'93\'fa` is 日; the group in the middle of the second character tears it, as readers do.
fn page_japanese() -> String {
    charset::decode_as(b"\x93\xfa\x96", "shift_jis").unwrap().text
        + &charset::decode_as(b"\x96\x7b", "shift_jis").unwrap().text
}

#[test]
fn lists_tables_notes_and_fields() {
    let page = page(
        "\\pard{\\listtext 1.\\tab}First\\par{\\listtext 2.\\tab}Second\\par\\pard\
         \\trowd\\trhdr\\cellx1\\cellx2\\intbl K\\cell V\\cell\\row\\trowd\\intbl a\\par b\\cell c\\cell\\row\
         \\pard See{\\super\\chftn}{\\footnote The {\\i note}.} {\\field{\\*\\fldinst HYPERLINK \"x\"}{\\fldrslt link}}\\par\
         {\\shp{\\*\\shpinst{\\sp{\\sn a}{\\sv b}}{\\shptxt In a box\\par}}}",
    );
    assert_eq!(page.text, "1.\tFirst\n2.\tSecond\n\nK | V\na b | c\n\nSee link\n\nThe note.\n\nIn a box");
    let kinds: Vec<BlockKind> = page.blocks.iter().map(|block| block.kind).collect();
    assert_eq!(
        kinds,
        [
            BlockKind::ListItem,
            BlockKind::ListItem,
            BlockKind::Table { header_rows: 1 },
            BlockKind::Paragraph,
            BlockKind::Note,
            BlockKind::Paragraph
        ]
    );
}

#[test]
fn properties() {
    let rtf = b"{\\rtf1\\ansi{\\info{\\title The \\'e4 title}{\\author Ann}{\\creatim\\yr2003\\mo7\\dy1\\hr10\\min5}{\\nofpages3}}text}";
    let document = parse(rtf, &Limits::default()).unwrap();
    assert_eq!(document.title.as_deref(), Some("The ä title"));
    assert_eq!(document.metadata.get("created").map(String::as_str), Some("2003-07-01T10:05:00Z"));
    assert_eq!(document.metadata.get("author").map(String::as_str), Some("Ann"));
    assert_eq!(document.pages.first().unwrap().text, "text");
}

#[test]
fn limits_hold() {
    let deep = [b"{\\rtf1 ".to_vec(), b"{".repeat(1_000_000)].concat();
    assert_eq!(parse(&deep, &Limits::default()).unwrap_err().code(), "too_large");
    let tight = Limits { max_text_bytes: 4, ..Limits::default() };
    assert_eq!(parse(b"{\\rtf1 12345 67890 \\par 1 \\par }", &tight).unwrap_err().code(), "too_large");
    assert_eq!(parse(b"{\\rtf1 {\\pict 00}}", &Limits::default()).unwrap_err(), Failure::Empty);
}

proptest! {
    #[test]
    fn any_stream_parses(pieces in proptest::collection::vec(
        "[{}]|\\\\[a-z]{1,6}-?[0-9]{0,3} ?|\\\\'[0-9a-f]{0,2}|\\\\(cell|row|par|footnote|u|listtext|info|title|intbl)[0-9]{0,5}|[ a-zé\\\\*]{0,4}", 0..60)) {
        let outcome = parse(format!("{{\\rtf1{}", pieces.concat()).as_bytes(), &Limits::default());
        prop_assert!(matches!(outcome, Ok(_) | Err(Failure::Empty)));
    }
}
