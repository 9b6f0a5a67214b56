//! Streaming over a stand-in for a document: its pages say their number.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::Format;

/// Pages that say their number; every third needs OCR.
struct Book(u32);

impl Paged for Book {
    fn page_count(&self) -> u32 {
        self.0
    }

    fn facts(&self) -> Document {
        Document::of_pages(Format::Pdf, Vec::new())
    }

    fn pages(&self, first: u32, last: u32, _: &Limits) -> Result<Range, Failure> {
        let page =
            |number: u32| Page { needs_ocr: number.is_multiple_of(3), ..Page::plain(number, format!("page {number}")) };
        let warnings = vec![Warning::PageUnreadable { number: last }];
        Ok(Range { pages: (first..=last).map(page).collect(), warnings })
    }

    fn render(&self, number: u32, _: Rendering) -> Option<Picture> {
        Some(Picture { width: 1, height: 1, pixels: vec![u8::try_from(number % 256).unwrap()] })
    }
}

/// Takes some ranges, then wants no more.
#[derive(Default)]
struct Patience {
    collected: Collected,
    ranges_left: usize,
    ranges: Vec<[u32; 2]>,
    pictures: Vec<u32>,
}

impl Sink for Patience {
    fn begin(&mut self, _: u32) -> Result<Start, Failure> {
        Ok(self.collected.start())
    }

    fn range(&mut self, range: Range) -> Result<(), Failure> {
        self.ranges.push([range.pages[0].number, range.pages.last().unwrap().number]);
        self.collected.push(range);
        self.ranges_left = self.ranges_left.checked_sub(1).ok_or(Failure::Empty)?;
        Ok(())
    }

    fn rendering(&self) -> Option<Rendering> {
        Some(Rendering { dpi: 300, max_pixels: 100 })
    }

    fn picture(&mut self, number: u32, _: &Picture) -> Result<(), Failure> {
        self.pictures.push(number);
        Ok(())
    }
}

fn limits(range_pages: u64) -> Limits {
    Limits { range_pages, ocr_pages: 5, ..Limits::default() }
}

#[test]
fn a_short_document_has_no_ranges() {
    let mut sink = Patience::default();
    let document = stream(&Book(4), &limits(4), &mut sink).unwrap();
    assert_eq!((document.pages.len(), sink.ranges.len(), sink.pictures), (4, 0, vec![3]));
}

#[test]
fn the_last_range_is_the_outcome_and_pictures_are_counted() {
    let mut sink = Patience { ranges_left: 9, ..Patience::default() };
    let last = stream(&Book(40), &limits(16), &mut sink).unwrap();
    assert_eq!(sink.ranges, [[1, 16], [17, 32]]);
    assert_eq!(sink.pictures, [3, 6, 9, 12, 15]);
    let whole = sink.collected.finish(last, &limits(16)).unwrap();
    assert_eq!(whole.pages.iter().map(|page| page.number).collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
    assert_eq!(whole.warnings.len(), 3);
}

#[test]
fn limits_are_those_of_all_pages() {
    let tight = Limits { max_text_bytes: 60, ..limits(4) };
    let mut sink = Patience { ranges_left: 9, ..Patience::default() };
    assert_eq!(stream(&Book(40), &tight, &mut sink).unwrap_err().code(), "too_large");
    let last = Book(8).pages(5, 8, &tight).unwrap().ends(Book(8).facts());
    let mut collected = Collected::default();
    collected.push(Book(8).pages(1, 4, &tight).unwrap());
    assert_eq!(collected.finish(last, &Limits { max_text_bytes: 30, ..tight }).unwrap_err().code(), "too_large");
}

#[test]
fn pages_that_show_nothing_are_no_document() {
    let blank = Document::of_pages(Format::Pdf, vec![Page::plain(1, "")]);
    assert_eq!(readable(blank.clone()).unwrap_err(), Failure::Empty);
    let warned = Document { warnings: vec![Warning::PageUnreadable { number: 1 }], ..blank.clone() };
    assert_eq!(readable(warned).unwrap_err().code(), "corrupt");
    let scanned = Document { pages: vec![Page { needs_ocr: true, ..Page::plain(1, "") }], ..blank };
    assert!(readable(scanned).is_ok());
}

proptest! {
    /// Interrupted as often as you like, no page is missing, none is there twice, and none of a kept range is read again.
    #[test]
    fn interruptions_lose_nothing(pages in 1_u32..200, size in 1_u64..40, patience in 0_usize..4) {
        let mut sink = Patience { ranges_left: patience, ..Patience::default() };
        let last = loop {
            match stream(&Book(pages), &limits(size), &mut sink) {
                Ok(last) => break last,
                Err(_) => sink.ranges_left = patience,
            }
        };
        let whole = sink.collected.finish(last, &limits(size)).unwrap();
        let numbers: Vec<u32> = whole.pages.iter().map(|page| page.number).collect();
        prop_assert_eq!(numbers, (1..=pages).collect::<Vec<_>>());
    }
}
