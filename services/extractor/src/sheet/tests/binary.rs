//! Binary workbooks, put together record by record.

use std::io::{Cursor, Write};

use super::*;

/// A record of [MS-XLSB]: type and length in bytes of seven bits.
fn part(records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut part = Vec::new();
    for (kind, data) in records {
        for mut number in [usize::from(*kind), data.len()] {
            while number > 0x7F {
                part.push(u8::try_from(number & 0x7F).unwrap() | 0x80);
                number >>= 7;
            }
            part.push(u8::try_from(number).unwrap());
        }
        part.extend(data);
    }
    part
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [u32::try_from(units.len() / 2).unwrap().to_le_bytes().to_vec(), units].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn cell(column: u32, style: u32, value: &[u8]) -> Vec<u8> {
    [&words(&[column, style]), value].concat()
}

pub(super) fn xlsb_of(sheet: &[u8]) -> Vec<u8> {
    let workbook = part(&[
        (153, words(&[1])),
        (156, [words(&[0, 1]), wide("r1"), wide("Binär")].concat()),
        // As Excel 2007 wrote it before its release.
        (156, [words(&[1, 0, 2]), wide("r2"), wide("Away")].concat()),
    ]);
    let strings = part(&[(159, words(&[1, 1])), (19, [vec![0], wide("shared")].concat())]);
    let halves = |halves: &[u16]| -> Vec<u8> { halves.iter().flat_map(|half| half.to_le_bytes()).collect() };
    let styles = part(&[
        (44, [halves(&[170]), wide("0.0\" m\"")].concat()),
        (43, halves(&[220, 0, 400])),
        (47, halves(&[0, 9, 0])),
        (617, words(&[3])),
        (47, halves(&[0, 0, 0])),
        (47, halves(&[0, 170, 0])),
        (47, halves(&[0, 14, 0])),
        (618, Vec::new()),
    ]);
    let rels = "<Relationships><Relationship Id='r1' Type='x/worksheet' Target='worksheets/sheet1.bin'/>\
        <Relationship Id='r2' Type='x/worksheet' Target='worksheets/sheet1.bin'/>\
        <Relationship Id='s' Type='x/sharedStrings' Target='sharedStrings.bin'/>\
        <Relationship Id='t' Type='x/styles' Target='styles.bin'/></Relationships>";
    let comment_rels =
        "<Relationships><Relationship Id='c' Type='x/comments' Target='../comments1.bin'/></Relationships>";
    let comments = part(&[(632, wide("Ann")), (635, words(&[0; 9])), (637, [vec![0], wide("why?")].concat())]);
    zip_of(&[
        ("xl/workbook.bin", workbook),
        ("xl/_rels/workbook.bin.rels", rels.into()),
        ("xl/sharedStrings.bin", strings),
        ("xl/styles.bin", styles),
        ("xl/worksheets/sheet1.bin", sheet.to_vec()),
        ("xl/worksheets/_rels/sheet1.bin.rels", comment_rels.into()),
        ("xl/comments1.bin", comments),
    ])
}

pub(super) fn xlsb_sheet() -> Vec<u8> {
    part(&[
        (0, words(&[0])),
        (7, cell(0, 0, &words(&[0]))),
        (6, cell(1, 0, &wide("plain"))),
        (0, words(&[1])),
        (5, cell(0, 1, &2.04f64.to_le_bytes())),
        // 100 as an integer, and 1.23 as a hundredth of one.
        (2, cell(1, 0, &words(&[100 << 2 | 2]))),
        (2, cell(2, 0, &words(&[123 << 2 | 3]))),
        (9, cell(3, 2, &1.0f64.to_le_bytes())),
        (4, cell(4, 0, &[1])),
        (3, cell(5, 0, &[0x2A])),
        (62, cell(6, 0, &[vec![1], wide("rich")].concat())),
        (7, cell(7, 0, &words(&[77]))),
        (5, vec![1, 2]),
    ])
}

#[test]
fn records_of_binary_packages() {
    let document = parse(Format::Xlsb, &xlsb_of(&xlsb_sheet()), &Limits::default()).unwrap();
    let first = document.pages.first().unwrap();
    assert_eq!(
        first.text,
        "Binär\n\nshared | plain\n2.0 m | 100 | 1.23 | 1904-01-02 | TRUE | #N/A | rich\n\nAnn: why?"
    );
    assert_eq!(document.pages.get(1).unwrap().label.as_deref(), Some("Away (hidden)"));
}

pub(super) fn xls(stream: &[u8]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_stream("/Workbook").unwrap().write_all(stream).unwrap();
    file.flush().unwrap();
    file.into_inner().into_inner()
}

/// A record of [MS-XLS].
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&kind.to_le_bytes()[..], &length.to_le_bytes(), data].concat()
}

fn halves(halves: &[u16], rest: &[u8]) -> Vec<u8> {
    halves.iter().flat_map(|half| half.to_le_bytes()).chain(rest.iter().copied()).collect()
}

/// A workbook of one sheet; `globals` stand before it.
fn stream(globals: &[Vec<u8>], sheet: &[Vec<u8>]) -> Vec<u8> {
    let begin = |kind: u16| record(0x0809, &halves(&[0x0600, kind], &[0; 12]));
    let head = [begin(5), globals.concat()].concat();
    let title =
        |at: usize| record(0x85, &[&u32::try_from(at).unwrap().to_le_bytes()[..], &[0, 0, 3, 0], b"Old"].concat());
    let end = record(0x0A, &[]);
    let at = head.len() + title(0).len() + end.len();
    [head, title(at), end.clone(), begin(0x10), sheet.concat(), end].concat()
}

pub(super) fn xls_stream() -> Vec<u8> {
    let globals = [
        record(0x31, &halves(&[200, 0, 0, 400], &[0; 8])),
        record(0x41E, &halves(&[170, 7], b"\x000.0\" m\"")),
        record(0xE0, &halves(&[0, 0], &[0; 16])),
        record(0xE0, &halves(&[0, 170], &[0; 16])),
        record(0xE0, &halves(&[0, 14], &[0; 16])),
        // Two strings; the first goes on in the next record, from one byte a character to two.
        record(0xFC, &[&words(&[2, 2])[..], &halves(&[6], b"\x00abc")].concat()),
        record(0x3C, &[&[1][..], &halves(&[0x64, 0xE9, 0x4E00], &[]), &halves(&[1], b"\x00x")].concat()),
    ];
    let sheet = [
        record(0xFD, &halves(&[0, 0, 0, 0, 0], &[])),
        record(0xFD, &halves(&[0, 1, 0, 1, 0], &[])),
        record(0x204, &halves(&[0, 2, 0, 2], b"\x00no")),
        record(0x203, &halves(&[1, 0, 1], &2.04f64.to_le_bytes())),
        record(
            0xBD,
            &[halves(&[1, 1, 0], &words(&[100 << 2 | 2])), halves(&[2], &words(&[45_292 << 2 | 2])), halves(&[2], &[])]
                .concat(),
        ),
        record(0x06, &halves(&[1, 3, 0, 0, 0, 0, 0xFFFF], &[0; 8])),
        record(0x207, &halves(&[4], b"\x00made")),
        record(0x06, &halves(&[1, 4, 0, 1, 1, 0, 0xFFFF], &[0; 8])),
        record(0x205, &halves(&[1, 5, 0], &[0x07, 1])),
        record(0x5D, &halves(&[0x15, 18, 25, 9], &[0; 14])),
        record(0x1B6, &halves(&[0, 0, 0, 0, 0, 4, 0, 0, 0], &[])),
        record(0x3C, b"\x00why?"),
        record(0x1C, &halves(&[0, 0, 0, 9, 3], b"\x00Ann")),
    ];
    stream(&globals, &sheet)
}

#[test]
fn records_of_compound_files() {
    let document = parse(Format::Xls, &xls(&xls_stream()), &Limits::default()).unwrap();
    let page = document.pages.first().unwrap();
    assert_eq!(page.text, "Old\n\nabcdé一 | x | no\n2.0 m | 100 | 2024-01-01 | made | TRUE | #DIV/0!\n\nAnn: why?");
}

#[test]
fn encrypted_and_cut_streams() {
    let code = |stream: &[u8]| {
        parse(Format::Xls, &xls(stream), &Limits::default()).map_or_else(|failure| failure.code(), |_| "ok")
    };
    assert_eq!(code(&stream(&[record(0x2F, &[0; 6])], &[])), "encrypted");
    assert_eq!(code(&stream(&[], &[])), "empty");
    let whole = stream(&[], &[record(0x204, &halves(&[0, 2, 0, 2], b"\x00no"))]);
    assert_eq!(code(&whole), "ok");
    for end in 0..whole.len() {
        assert!(["ok", "empty"].contains(&code(whole.get(..end).unwrap())), "{end}");
    }
}
