//! A document's text: its pages joined, and which bytes and characters belong to which page.

use std::ops::Range;

use heimdex_schemas::Page;

/// Stands between the texts of two pages: a blank line, so that no word, sentence or paragraph runs over.
pub const PAGE_SEPARATOR: &str = "\n\n";

/// The text that spans refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentText {
    text: String,
    pages: Vec<PageRange>,
}

/// Where a page's text lies, without the white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PageRange {
    number: u32,
    bytes: Range<usize>,
}

impl DocumentText {
    /// Joins the texts of `pages` in their order with [`PAGE_SEPARATOR`].
    #[must_use]
    pub fn new(pages: &[Page]) -> Self {
        let mut text = String::with_capacity(pages.iter().map(|page| page.text.len() + PAGE_SEPARATOR.len()).sum());
        let mut ranges = Vec::with_capacity(pages.len());
        for (at, page) in pages.iter().enumerate() {
            if at > 0 {
                text.push_str(PAGE_SEPARATOR);
            }
            ranges.push(PageRange { number: page.number, bytes: visible(&page.text, text.len()) });
            text.push_str(&page.text);
        }
        Self { text, pages: ranges }
    }

    /// The joined text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The pages whose visible text reaches into `bytes`, in document order: the number of each, and the character of
    /// that stretch at which it begins. The first begins it.
    #[must_use]
    pub fn pages_in(&self, bytes: &Range<usize>) -> Vec<(u32, u32)> {
        let first = self.pages.partition_point(|page| page.bytes.end <= bytes.start);
        let after = self.pages.iter().skip(first).take_while(|page| page.bytes.start < bytes.end);
        let visible = after.filter(|page| !page.bytes.is_empty()).enumerate();
        visible
            .map(|(at, page)| (page.number, if at == 0 { 0 } else { self.characters(bytes.start..page.bytes.start) }))
            .collect()
    }

    fn characters(&self, bytes: Range<usize>) -> u32 {
        let count = self.text.get(bytes).map_or(0, |text| text.chars().count());
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

fn visible(text: &str, offset: usize) -> Range<usize> {
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len().max(start);
    offset + start..offset + end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, text: &str) -> Page {
        Page { number, text: text.to_owned(), needs_ocr: false }
    }

    #[test]
    fn pages_are_joined_by_a_blank_line_and_found_again() {
        let document = DocumentText::new(&[page(1, "one"), page(2, " "), page(3, "three\n"), page(4, "four")]);
        assert_eq!(document.text(), "one\n\n \n\nthree\n\n\nfour");
        assert_eq!(document.pages_in(&(0..3)), [(1, 0)]);
        assert_eq!(document.pages_in(&(0..9)), [(1, 0), (3, 8)]);
        assert_eq!(document.pages_in(&(3..8)), Vec::new());
        assert_eq!(document.pages_in(&(0..document.text().len())), [(1, 0), (3, 8), (4, 16)]);
    }

    #[test]
    fn no_pages_are_no_text() {
        assert_eq!(DocumentText::new(&[]).text(), "");
    }
}
