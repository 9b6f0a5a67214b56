//! Pages put together block by block: clean text, and spans that are right by construction.

use heimdex_schemas::{Block, BlockKind, Page};

use crate::tidy::{Tidied, append, through, tidy, tidy_mapped};

/// Between two blocks, and between two items of one list.
const BLOCK_GAP: &str = "\n\n";
const ITEM_GAP: &str = "\n";
/// Between two cells of a row.
const CELL_GAP: &str = " | ";

/// Collects the blocks of one page.
#[derive(Debug, Default)]
pub struct PageBuilder {
    text: String,
    chars: u32,
    blocks: Vec<Block>,
    origins: Vec<[u32; 2]>,
}

impl PageBuilder {
    /// An empty page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a block, tidied; nothing when no text is left of it.
    pub fn push(&mut self, kind: BlockKind, text: &str) {
        self.push_tidy(kind, tidy(text).trim());
    }

    /// Adds a block as [`Self::push`] does, with `origins` of its characters (as in [`Page::origins`], counted from the
    /// block's start). Lines of a table are given as they shall stand in the page.
    pub fn push_from(&mut self, kind: BlockKind, text: &str, origins: &[[u32; 2]]) {
        let Tidied { text, origins: cleaned } = tidy_mapped(text);
        // The indentation of code is part of it.
        let blank: fn(char) -> bool = if kind == BlockKind::Code { |c| c == '\n' } else { char::is_whitespace };
        let inner = text.trim_matches(blank);
        let Some(start) = self.push_tidy(kind, inner) else { return };
        let skipped = count(&text) - count(text.trim_start_matches(blank));
        for [at, source] in through(&cleaned, origins) {
            // An entry within the white space left out moves up to the first character.
            let (at, source) = if at < skipped { (skipped, source + skipped - at) } else { (at, source) };
            // What came from the white space behind the text has no place in it.
            if start + at - skipped < self.chars {
                append(&mut self.origins, start + at - skipped, source);
            }
        }
    }

    /// Adds a table, the first `header_rows` of its `rows` being its header. Empty rows and empty cells at the end of a
    /// row are left out; a cell is one line.
    pub fn table<Row>(&mut self, rows: impl IntoIterator<Item = Row>, header_rows: u32)
    where
        Row: IntoIterator,
        Row::Item: AsRef<str>,
    {
        let mut lines = Vec::new();
        let mut header = 0;
        for (at, row) in (0..).zip(rows) {
            let line = table_line(row);
            header += u32::from(at < header_rows && !line.is_empty());
            lines.extend(Some(line).filter(|line| !line.is_empty()));
        }
        self.push_tidy(BlockKind::Table { header_rows: header }, &lines.join("\n"));
    }

    /// Adds the blocks of another page, whose origins are not those of this one.
    pub fn append(&mut self, page: &Page) {
        let mut characters = page.text.chars();
        let mut at = 0;
        for Block { kind, span: [start, end] } in &page.blocks {
            characters.by_ref().take(start.saturating_sub(at) as usize).for_each(drop);
            let text: String = characters.by_ref().take(end.saturating_sub(*start) as usize).collect();
            at = *end;
            self.push_from(*kind, &text, &[]);
        }
    }

    /// Bytes of text so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.text.len() as u64
    }

    /// Whether there is no text yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The page.
    #[must_use]
    pub fn finish(self, number: u32) -> Page {
        Page { blocks: self.blocks, origins: self.origins, ..Page::plain(number, self.text) }
    }

    /// Where the block starts, unless it is empty.
    fn push_tidy(&mut self, kind: BlockKind, text: &str) -> Option<u32> {
        if text.is_empty() {
            return None;
        }
        let gap = match self.blocks.last() {
            None => "",
            Some(Block { kind: BlockKind::ListItem, .. }) if kind == BlockKind::ListItem => ITEM_GAP,
            Some(_) => BLOCK_GAP,
        };
        let start = self.chars.saturating_add(count(gap));
        let end = start.saturating_add(count(text));
        self.text.push_str(gap);
        self.text.push_str(text);
        self.chars = end;
        self.blocks.push(Block { kind, span: [start, end] });
        Some(start)
    }
}

/// The cells of a row as a line; empty when they all are.
fn table_line(row: impl IntoIterator<Item: AsRef<str>>) -> String {
    let mut line = String::new();
    let mut gaps = 0;
    for (at, cell) in row.into_iter().enumerate() {
        gaps += usize::from(at > 0);
        let cell = tidy(cell.as_ref());
        let mut words = cell.split_whitespace().peekable();
        if words.peek().is_none() {
            continue;
        }
        (0..gaps).for_each(|_| line.push_str(CELL_GAP));
        gaps = 0;
        for (at, word) in words.enumerate() {
            line.extend((at > 0).then_some(' '));
            line.push_str(word);
        }
    }
    line.trim().to_owned()
}

/// Texts are limited far below what a `u32` counts.
fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(page: &Page) -> Vec<(BlockKind, String)> {
        let chars: Vec<char> = page.text.chars().collect();
        let text = |block: &Block| chars.iter().take(block.span[1] as usize).skip(block.span[0] as usize).collect();
        page.blocks.iter().map(|block| (block.kind, text(block))).collect()
    }

    #[test]
    fn blocks_and_their_gaps() {
        let mut page = PageBuilder::new();
        page.push(BlockKind::Heading { level: 1 }, " Über\u{AD}sicht ");
        page.push(BlockKind::ListItem, "1. one");
        page.push(BlockKind::Paragraph, "\u{200B}\n");
        page.push(BlockKind::ListItem, "2. two");
        page.table([vec!["City", "Fare"], vec!["", ""], vec!["Oslo\nNord", "", "12", ""]], 1);
        let page = page.finish(3);
        assert_eq!(page.text, "Übersicht\n\n1. one\n2. two\n\nCity | Fare\nOslo Nord |  | 12");
        let table = "City | Fare\nOslo Nord |  | 12".to_owned();
        assert_eq!(seen(&page).last(), Some(&(BlockKind::Table { header_rows: 1 }, table)));
        assert_eq!(seen(&page).first(), Some(&(BlockKind::Heading { level: 1 }, "Übersicht".to_owned())));
    }

    #[test]
    fn origins_end_with_the_text() {
        let mut page = PageBuilder::new();
        page.push_from(BlockKind::Paragraph, " ab \n ", &[[0, 5], [3, 20], [5, 40]]);
        assert_eq!(page.finish(1).origins, [[0, 6]]);
    }

    proptest! {
        #[test]
        fn spans_are_the_blocks_texts(texts in proptest::collection::vec("[ a漢\u{AD}\\n\u{301}😀]{0,12}", 0..8)) {
            let mut page = PageBuilder::new();
            texts.iter().for_each(|text| page.push(BlockKind::Paragraph, text));
            let page = page.finish(1);
            let whole: Vec<String> = seen(&page).into_iter().map(|(_, text)| text).collect();
            prop_assert_eq!(whole.join("\n\n"), page.text);
        }
    }
}
