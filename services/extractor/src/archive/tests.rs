#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::Write;

use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// A ZIP file with these entries, deflated.
pub(crate) fn zip_of<C: AsRef<[u8]>>(entries: &[(&str, C)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_ref()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Where each record that begins with `signature` starts.
fn records(bytes: &[u8], signature: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(signature)).collect()
}

fn central(bytes: &[u8]) -> Vec<usize> {
    records(bytes, b"PK\x01\x02")
}

fn code<T>(result: Result<T, Failure>) -> &'static str {
    result.map_or_else(|failure| failure.code(), |_| "ok")
}

#[test]
fn entries_are_found_by_their_part_name() {
    let bytes = zip_of(&[("word\\Document.xml", "text"), ("empty", "")]);
    let limits = Limits::default();
    let mut archive = Archive::open(&bytes, &limits).unwrap();
    assert_eq!(archive.read("/word/document.XML").unwrap().unwrap(), b"text");
    assert_eq!(archive.read("empty").unwrap().unwrap(), b"");
    assert_eq!(archive.read("word").unwrap(), None);
    assert!(archive.contains("WORD/document.xml") && archive.names().count() == 2);
}

#[test]
fn the_ratio_counts_beyond_the_free_bytes() {
    let limits = Limits::default();
    let free = usize::try_from(RATIO_FREE_BYTES).unwrap();
    for (length, expected) in [(free, "ok"), (free + 1, "archive_bomb")] {
        let bytes = zip_of(&[("zeros", vec![0; length])]);
        assert_eq!(code(Archive::open(&bytes, &limits).unwrap().read("zeros")), expected);
        assert_eq!(code(guard(&bytes, &limits)), expected);
    }
    let generous = Limits { max_inflate_ratio: 2_000, ..limits };
    assert_eq!(code(guard(&zip_of(&[("zeros", vec![0; free + 1])]), &generous)), "ok");
}

#[test]
fn the_total_counts_over_all_entries() {
    let bytes = zip_of(&[("a", [1; 600]), ("b", [2; 600])]);
    let limits = Limits { max_inflated_bytes: 1_000, ..Limits::default() };
    let mut archive = Archive::open(&bytes, &limits).unwrap();
    assert_eq!(code(archive.read("a")), "ok");
    assert_eq!(code(archive.read("b")), "archive_bomb");
    assert_eq!(code(guard(&bytes, &limits)), "archive_bomb");
    assert_eq!(code(guard(&bytes, &Limits { max_inflated_bytes: 1_200, ..Limits::default() })), "ok");
}

#[test]
fn entries_are_counted() {
    let bytes = zip_of(&[("a", ""), ("b", ""), ("c", "")]);
    for (allowed, expected) in [(3, "ok"), (2, "archive_bomb")] {
        let limits = Limits { max_archive_entries: allowed, ..Limits::default() };
        assert_eq!(code(Archive::open(&bytes, &limits)), expected);
    }
}

#[test]
fn a_declared_size_that_is_too_small_bounds_what_comes_out() {
    let mut bytes = zip_of(&[("a", vec![b'x'; 100_000])]);
    let at = central(&bytes)[0];
    bytes[at + 24..at + 28].copy_from_slice(&10_u32.to_le_bytes());
    let limits = Limits::default();
    assert_eq!(code(guard(&bytes, &limits)), "ok");
    assert_eq!(code(Archive::open(&bytes, &limits).unwrap().read("a")), "corrupt");
    let mut inflated = Vec::new();
    let mut zip = ZipArchive::new(Cursor::new(&bytes[..])).unwrap();
    assert!(zip.by_index(0).unwrap().read_to_end(&mut inflated).is_err());
    assert!(inflated.len() < 40_000, "{}", inflated.len());
}

#[test]
fn duplicates_overlaps_and_encryption_are_refused() {
    let limits = Limits::default();
    let good = zip_of(&[("a1", "first"), ("a2", "second")]);
    let mut duplicate = good.clone();
    for at in records(&good, b"a2") {
        duplicate[at + 1] = b'1';
    }
    assert_eq!(code(Archive::open(&duplicate, &limits)), "corrupt");

    let mut overlapping = good.clone();
    let second = central(&good)[1];
    overlapping[second + 42..second + 46].copy_from_slice(&0_u32.to_le_bytes());
    assert_eq!(code(Archive::open(&overlapping, &limits)), "archive_bomb");

    let mut encrypted = good.clone();
    central(&good).into_iter().for_each(|at| encrypted[at + 8] |= 1);
    records(&good, b"PK\x03\x04").into_iter().for_each(|at| encrypted[at + 6] |= 1);
    assert_eq!(code(Archive::open(&encrypted, &limits)), "encrypted");
}

#[test]
fn damage_is_corrupt() {
    let limits = Limits::default();
    let good = zip_of(&[("a", "some text that is long enough to be cut")]);
    assert!(is_zip(&good) && !is_zip(b"PK is a name"));
    assert_eq!(code(Archive::open(&good[..good.len() - 30], &limits)), "corrupt");
    let mut bad_sum = good.clone();
    bad_sum[central(&good)[0] + 16] ^= 1;
    assert_eq!(code(Archive::open(&bad_sum, &limits).unwrap().read("a")), "corrupt");
}

proptest! {
    #[test]
    fn damaged_archives_never_panic_and_never_yield_more_than_the_limit(
        content in proptest::collection::vec(any::<u8>(), 0..200), damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut bytes = zip_of(&[("a", content.repeat(20)), ("b", content)]);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let limits = Limits { max_inflated_bytes: 3_000, ..Limits::default() };
        if let Ok(mut archive) = Archive::open(&bytes, &limits) {
            let names: Vec<String> = archive.names().map(str::to_owned).collect();
            let read: usize = names.iter().filter_map(|name| archive.read(name).ok().flatten()).map(|text| text.len()).sum();
            prop_assert!(read <= 3_000);
        }
        let _ = guard(&bytes, &limits);
    }
}
