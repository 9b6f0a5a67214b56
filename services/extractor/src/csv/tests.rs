#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> crate::Page {
    parse(bytes, &Limits::default()).unwrap().pages.remove(0)
}

#[test]
fn delimited_text_is_told_from_everything_else() {
    for delimited in [
        "name,age\nAnn,5\nBob,6\n",
        "Datum;Betrag\n01.02.2024;1,50\n02.02.2024;2,75\n",
        "id\tname\tcity\n1\tA b\tX\n2\tC d\tY\n",
        "a|b\n1|2\n3|4\n5|6",
        "1,2.5,x\n2,3.5,y\n3,4.5,z\n",
        "\"first name\",\"town\"\n\"Ann\",\"Oslo, Nord\"\n\"Bob\",\"Rome\"\n",
        "key,group,owner\nalpha,one,ann\nbeta,two,bob\ngamma,two,eve\n",
        "sep=;\nwhat ever;it is\n",
    ] {
        assert!(is_csv(delimited.as_bytes()), "{delimited}");
    }
    for other in [
        "Paris, France\nLondon, England\nRome, Italy\nOslo, Norway\n",
        "Dear Ann,\nthank you for the letter, the book,\nand the cake.\n",
        "First, we went there, and slept.\nThen, it rained, and we left.\nLast, we wrote, and read.\nSo, it ended, at last.\n",
        "2024-01-01 12:00:00,123 INFO started\n2024-01-01 12:00:01,456 WARN slow\n2024-01-01 12:00:02,001 INFO done\n",
        "int main(void)\n{\n    f(a, b);\n    g(c, d);\n}\n",
        "f(1, 2);\nf(3, 4);\nf(5, 6);\nf(7, 8);\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
        "{\"a\": 1, \"b\": 2}\n{\"a\": 3, \"b\": 4}\n{\"a\": 5, \"b\": 6}\n",
        "a,b\n1,2\n",
        "one word\nper line\nno comma\n",
        "",
    ] {
        assert!(!is_csv(other.as_bytes()), "{other}");
    }
}

#[test]
fn cells_header_and_origins() {
    let page = read("\u{FEFF}Name;Größe;Note\r\n\"Müller \"\"M\"\"\";12;\"two\nlines\"\r\n\r\n;7;x\r\n".as_bytes());
    assert_eq!(page.text, "Name | Größe | Note\nMüller \"M\" | 12 | two lines\n| 7 | x");
    assert_eq!(page.blocks.first().unwrap().kind, BlockKind::Table { header_rows: 1 });
    let source: Vec<char> =
        "Name;Größe;Note\r\n\"Müller \"\"M\"\"\";12;\"two\nlines\"\r\n\r\n;7;x\r\n".chars().collect();
    let text: Vec<char> = page.text.chars().collect();
    for [at, from] in &page.origins {
        assert_eq!(text.get(*at as usize), source.get(*from as usize), "{at} {from}");
    }
}

#[test]
fn wide_and_legacy_encodings() {
    let text = "Stadt;Einwohner\nKöln;1000000\nMünchen;1500000\nNürnberg;500000\n";
    let utf16: Vec<u8> = "\u{FEFF}".chars().chain(text.chars()).map(|c| c as u16).flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for bytes in [utf16, latin] {
        assert!(is_csv(&bytes));
        assert!(read(&bytes).text.contains("Köln | 1000000"));
    }
}

#[test]
fn limits_hold() {
    let limits = Limits { max_text_bytes: 20, ..Limits::default() };
    assert_eq!(parse(b"a,b\n1,2\n3,4\n5,6\n7,8\n", &limits).unwrap_err().code(), "too_large");
    assert_eq!(parse(b",,\n,,\n,,\n", &limits).unwrap_err().code(), "empty");
}

proptest! {
    #[test]
    fn any_text_ends(text in "[a1,;\t|\"\n\r é.]{0,80}") {
        let _ = (is_csv(text.as_bytes()), parse(text.as_bytes(), &Limits::default()));
    }

    #[test]
    fn every_cell_comes_back(rows in proptest::collection::vec(proptest::collection::vec("[a-z\"\n, ;é]{1,8}", 3), 1..6)) {
        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        let text: Vec<String> = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",")).collect();
        let text = text.join("\n");
        let back: Vec<Vec<String>> = Records::new(&text, ',')
            .map(|record| record.iter().map(|field| field.text().into_owned()).collect())
            .collect();
        prop_assert_eq!(back, rows);
    }
}
