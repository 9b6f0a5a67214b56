//! A document's text: its pages joined, and which bytes and characters belong to which page and block.

use std::ops::Range;

use heimdex_schemas::{BlockKind, Page};

use crate::outline::Outline;

/// Stands between the texts of two pages: a blank line, so that no word, sentence or paragraph runs over.
pub const PAGE_SEPARATOR: &str = "\n\n";

/// The text that spans refer to, with its structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentText {
    text: String,
    language: Option<String>,
    pages: Vec<PageRange>,
    blocks: Vec<TextBlock>,
    outline: Outline,
}

/// Where a page's text lies, without the white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PageRange {
    number: u32,
    bytes: Range<usize>,
    language: Option<String>,
}

/// A stretch of the text and what it is. Blocks follow each other without a gap and cover the text: the white space
/// behind one belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextBlock {
    pub(crate) kind: BlockKind,
    pub(crate) bytes: Range<usize>,
    /// Position of its page among the pages.
    pub(crate) page: usize,
}

impl DocumentText {
    /// Joins the texts of `pages` in their order with [`PAGE_SEPARATOR`]. A page that does not know its blocks has a
    /// paragraph between each two blank lines. `language` is that of the document, ISO 639-1.
    #[must_use]
    pub fn new(pages: &[Page], language: Option<&str>) -> Self {
        let mut text = String::with_capacity(pages.iter().map(|page| page.text.len() + PAGE_SEPARATOR.len()).sum());
        let (mut ranges, mut blocks) = (Vec::with_capacity(pages.len()), Vec::new());
        for (at, page) in pages.iter().enumerate() {
            if at > 0 {
                text.push_str(PAGE_SEPARATOR);
            }
            let (number, language) = (page.number, page.language.clone());
            ranges.push(PageRange { number, bytes: visible(&page.text, text.len()), language });
            let starts = block_starts(page).into_iter();
            blocks.extend(starts.map(|(kind, start)| (kind, text.len() + start, at)));
            text.push_str(&page.text);
        }
        let blocks = tile(blocks, text.len());
        let outline = Outline::new(&text, &blocks);
        Self { text, language: language.map(str::to_owned), pages: ranges, blocks, outline }
    }

    /// The joined text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn slice(&self, bytes: Range<usize>) -> &str {
        self.text.get(bytes).unwrap_or_default()
    }

    pub(crate) fn blocks(&self) -> &[TextBlock] {
        &self.blocks
    }

    pub(crate) fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The language of a page, else of the document.
    pub(crate) fn language(&self, page: usize) -> Option<&str> {
        let own = self.pages.get(page).and_then(|page| page.language.as_deref());
        own.or(self.language.as_deref())
    }

    /// The language of the pages that hold most of `bytes`, where it is not the document's.
    pub(crate) fn other_language(&self, bytes: &Range<usize>) -> Option<&str> {
        let page = self.reached(bytes).max_by_key(|page| {
            let shared = page.bytes.end.min(bytes.end).saturating_sub(page.bytes.start.max(bytes.start));
            (shared, std::cmp::Reverse(page.bytes.start))
        });
        page.and_then(|page| page.language.as_deref()).filter(|own| Some(*own) != self.language.as_deref())
    }

    /// The pages whose visible text reaches into `bytes`, in document order: the number of each, and the character of
    /// that stretch at which it begins. The first begins it.
    #[must_use]
    pub fn pages_in(&self, bytes: &Range<usize>) -> Vec<(u32, u32)> {
        let pages = self.reached(bytes).enumerate();
        pages
            .map(|(at, page)| (page.number, if at == 0 { 0 } else { self.characters(bytes.start..page.bytes.start) }))
            .collect()
    }

    fn reached(&self, bytes: &Range<usize>) -> impl Iterator<Item = &PageRange> {
        let (start, end) = (bytes.start, bytes.end);
        let first = self.pages.partition_point(|page| page.bytes.end <= start);
        let after = self.pages.iter().skip(first).take_while(move |page| page.bytes.start < end);
        after.filter(|page| !page.bytes.is_empty())
    }

    fn characters(&self, bytes: Range<usize>) -> u32 {
        u32::try_from(self.slice(bytes).chars().count()).unwrap_or(u32::MAX)
    }
}

fn visible(text: &str, offset: usize) -> Range<usize> {
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len().max(start);
    offset + start..offset + end
}

/// The blocks of a page with the byte at which each begins, ascending. Spans that are out of order or out of the text are
/// left out: their text belongs to the block before.
fn block_starts(page: &Page) -> Vec<(BlockKind, usize)> {
    if page.blocks.is_empty() {
        return paragraph_starts(&page.text).into_iter().map(|start| (BlockKind::Paragraph, start)).collect();
    }
    let mut starts = Vec::with_capacity(page.blocks.len());
    let mut characters = page.text.char_indices().map(|(byte, _)| byte).zip(0_u32..);
    let mut reached = None;
    for block in &page.blocks {
        let [start, _] = block.span;
        if reached.is_none_or(|reached| reached < start)
            && let Some((byte, _)) = characters.find(|(_, character)| *character == start)
        {
            starts.push((block.kind, byte));
            reached = Some(start);
        }
    }
    starts
}

/// The starts of stretches between blank lines.
fn paragraph_starts(text: &str) -> Vec<usize> {
    let (mut starts, mut at, mut blank) = (Vec::new(), 0, true);
    for line in text.split_inclusive('\n') {
        let empty = line.trim().is_empty();
        if blank && !empty {
            starts.push(at);
        }
        blank = empty;
        at += line.len();
    }
    starts
}

/// Blocks from their starts: each ends where the next begins, and the first begins the text.
fn tile(starts: Vec<(BlockKind, usize, usize)>, len: usize) -> Vec<TextBlock> {
    let ends: Vec<usize> = starts.iter().skip(1).map(|(_, start, _)| *start).chain([len]).collect();
    let mut begin = 0;
    let block = |((kind, _, page), end)| {
        let bytes = std::mem::replace(&mut begin, end)..end;
        TextBlock { kind, bytes, page }
    };
    starts.into_iter().zip(ends).map(block).collect()
}

#[cfg(test)]
mod tests {
    use heimdex_schemas::Block;

    use super::*;

    fn page(number: u32, text: &str) -> Page {
        Page::plain(number, text)
    }

    fn blocks(document: &DocumentText) -> Vec<(BlockKind, &str)> {
        document.blocks().iter().map(|block| (block.kind, document.slice(block.bytes.clone()))).collect()
    }

    #[test]
    fn pages_are_joined_by_a_blank_line_and_found_again() {
        let document = DocumentText::new(&[page(1, "one"), page(2, " "), page(3, "three\n"), page(4, "four")], None);
        assert_eq!(document.text(), "one\n\n \n\nthree\n\n\nfour");
        assert_eq!(document.pages_in(&(0..3)), [(1, 0)]);
        assert_eq!(document.pages_in(&(0..9)), [(1, 0), (3, 8)]);
        assert_eq!(document.pages_in(&(3..8)), Vec::new());
        assert_eq!(document.pages_in(&(0..document.text().len())), [(1, 0), (3, 8), (4, 16)]);
    }

    #[test]
    fn no_pages_are_no_text() {
        assert_eq!(DocumentText::new(&[], None).text(), "");
        assert_eq!(DocumentText::new(&[], None).blocks(), []);
        assert_eq!(DocumentText::new(&[page(1, " \n")], None).blocks(), []);
    }

    #[test]
    fn blocks_cover_the_text_and_count_in_characters() {
        let block = |kind, start, end| Block { kind, span: [start, end] };
        let mut first = page(1, "Größe\n\nzwölf");
        first.blocks = vec![block(BlockKind::Heading { level: 1 }, 0, 5), block(BlockKind::Code, 7, 12)];
        let document = DocumentText::new(&[first, page(2, "\na\n\n b\nc\n \n\nd")], None);
        let paragraph = BlockKind::Paragraph;
        let expected = [
            (BlockKind::Heading { level: 1 }, "Größe\n\n"),
            (BlockKind::Code, "zwölf\n\n\n"),
            (paragraph, "a\n\n"),
            (paragraph, " b\nc\n \n\n"),
            (paragraph, "d"),
        ];
        assert_eq!(blocks(&document), expected);
    }

    #[test]
    fn spans_that_make_no_sense_lose_no_text() {
        let mut odd = page(1, "abcdef");
        let block = |start, end| Block { kind: BlockKind::Quote, span: [start, end] };
        odd.blocks = vec![block(2, 3), block(1, 2), block(4, 2), block(9, 12)];
        let document = DocumentText::new(&[odd], None);
        assert_eq!(blocks(&document), [(BlockKind::Quote, "abcd"), (BlockKind::Quote, "ef")]);
    }

    #[test]
    fn the_language_of_most_of_a_stretch_counts() {
        let other = |number, text, language: &str| Page { language: Some(language.to_owned()), ..page(number, text) };
        let pages = [page(1, "one two three"), other(2, "eins zwei", "de"), other(3, "four five six", "en")];
        let document = DocumentText::new(&pages, Some("en"));
        assert_eq!((document.language(0), document.language(1)), (Some("en"), Some("de")));
        assert_eq!(document.other_language(&(0..17)), None);
        assert_eq!(document.other_language(&(10..24)), Some("de"));
        assert_eq!(document.other_language(&(26..39)), None);
    }
}
