//! A document's sections, by its headings, and its tables.

use std::ops::Range;

use heimdex_schemas::BlockKind;

use crate::document::TextBlock;

/// Characters of a title in a heading path; a longer heading is a paragraph that looks like one.
const TITLE_CHARS: usize = 200;
/// Sections nest as deep as there are heading levels.
const DEEPEST: u8 = 6;

/// The tree of sections: a heading opens one, and the next heading of the same or a higher level closes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    /// By their starts; the first is the whole document, which has no title.
    sections: Vec<Section>,
    /// Tables that have header rows.
    tables: Vec<Table>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    title: String,
    level: u8,
    /// From its heading up to the next heading of its level, sections inside included.
    pub(crate) bytes: Range<usize>,
    pub(crate) parent: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    header: Range<usize>,
    end: usize,
}

impl Outline {
    /// Of `text`, which `blocks` cover.
    pub(crate) fn new(text: &str, blocks: &[TextBlock]) -> Self {
        let len = text.len();
        let mut sections = vec![Section { title: String::new(), level: 0, bytes: 0..len, parent: None }];
        let (mut tables, mut open) = (Vec::new(), 0);
        for block in blocks {
            let text = text.get(block.bytes.clone()).unwrap_or_default();
            match block.kind {
                BlockKind::Heading { level } if !text.trim().is_empty() => {
                    let level = level.clamp(1, DEEPEST);
                    open = close(&mut sections, open, level, block.bytes.start);
                    sections.push(Section {
                        title: title(text),
                        level,
                        bytes: block.bytes.start..len,
                        parent: Some(open),
                    });
                    open = sections.len() - 1;
                }
                BlockKind::Table { header_rows } => tables.extend(table(text, header_rows, block.bytes.clone())),
                _ => {}
            }
        }
        Self { sections, tables }
    }

    /// The innermost section at `byte`; 0 is the document.
    pub(crate) fn section_at(&self, byte: usize) -> usize {
        self.sections.partition_point(|section| section.bytes.start <= byte).saturating_sub(1)
    }

    pub(crate) fn section(&self, section: usize) -> Option<&Section> {
        self.sections.get(section)
    }

    /// The innermost section that holds most of `bytes`, the first of several.
    pub(crate) fn main_section(&self, bytes: &Range<usize>) -> usize {
        let (mut best, mut most) = (0, 0);
        let mut at = bytes.start;
        for section in self.section_at(bytes.start).. {
            let next = self.sections.get(section + 1).map_or(bytes.end, |next| next.bytes.start.min(bytes.end));
            if next.saturating_sub(at) > most {
                (best, most) = (section, next - at);
            }
            at = next;
            if at >= bytes.end {
                break;
            }
        }
        best
    }

    /// The titles from the outermost section down to `section`.
    pub(crate) fn path(&self, section: usize) -> Vec<&str> {
        let chain = std::iter::successors(self.section(section), |section| self.section(section.parent?));
        let mut titles: Vec<&str> = chain.filter(|section| section.level > 0).map(|section| &*section.title).collect();
        titles.reverse();
        titles
    }

    /// The section around whatever begins at `byte`: for a heading the one it lies in, not the one it opens.
    pub(crate) fn section_around(&self, byte: usize) -> usize {
        let inner = self.section_at(byte);
        let opened_here = self.section(inner).filter(|section| section.bytes.start == byte);
        opened_here.and_then(|section| section.parent).unwrap_or(inner)
    }

    /// The header rows of the table whose other rows `byte` lies in.
    pub(crate) fn header_at(&self, byte: usize) -> Option<Range<usize>> {
        let after = self.tables.partition_point(|table| table.header.end <= byte);
        let table = self.tables.get(after.checked_sub(1)?)?;
        (byte < table.end).then(|| table.header.clone())
    }
}

/// Closes sections from `open` on outwards that a heading of `level` at `byte` ends; the one that stays open.
fn close(sections: &mut [Section], mut open: usize, level: u8, byte: usize) -> usize {
    while let Some(section) = sections.get_mut(open).filter(|section| section.level >= level) {
        section.bytes.end = byte;
        open = section.parent.unwrap_or(0);
    }
    open
}

/// A heading on one line.
fn title(text: &str) -> String {
    let mut title = String::new();
    let words = text.split_whitespace().flat_map(|word| [" ", word]).skip(1);
    words.flat_map(str::chars).take(TITLE_CHARS).for_each(|c| title.push(c));
    title
}

fn table(text: &str, header_rows: u32, bytes: Range<usize>) -> Option<Table> {
    let rows = usize::try_from(header_rows).unwrap_or(usize::MAX);
    let header: usize = text.split_inclusive('\n').take(rows).map(str::len).sum();
    let end = bytes.start + text.trim_end().len();
    let header = bytes.start..bytes.start + header;
    (header.start < header.end && header.end < end).then_some(Table { header, end })
}

#[cfg(test)]
mod tests {
    use heimdex_schemas::{Block, Page};

    use super::*;
    use crate::document::DocumentText;

    /// A page of the given blocks.
    fn document(blocks: &[(BlockKind, &str)]) -> DocumentText {
        let mut page = Page::plain(1, "");
        for (kind, text) in blocks {
            let start = page.text.chars().count() as u32;
            page.text.push_str(text);
            page.blocks.push(Block { kind: *kind, span: [start, page.text.chars().count() as u32] });
            page.text.push_str("\n\n");
        }
        DocumentText::new(&[page], None)
    }

    fn heading(level: u8) -> BlockKind {
        BlockKind::Heading { level }
    }

    #[test]
    fn levels_nest_and_close() {
        let text = BlockKind::Paragraph;
        let document = document(&[
            (text, "zero"),
            (heading(1), "A"),
            (text, "one"),
            (heading(3), " B\nb "),
            (text, "two"),
            (heading(2), "C"),
            (text, "three"),
            (heading(1), "D"),
            (text, "four"),
        ]);
        let outline = document.outline();
        let path = |word| outline.path(outline.section_at(document.text().find(word).unwrap_or_default())).join("/");
        assert_eq!(
            [path("zero"), path("one"), path("two"), path("three"), path("four")],
            ["", "A", "A/B b", "A/C", "D"]
        );
        let at = document.text().find('C').unwrap_or_default();
        assert_eq!(
            (outline.path(outline.section_at(at)), outline.path(outline.section_around(at))),
            (vec!["A", "C"], vec!["A"])
        );
        let a = outline.section(1).map(|section| document.slice(section.bytes.clone()));
        assert_eq!(a, Some("A\n\none\n\n B\nb \n\ntwo\n\nC\n\nthree\n\n"));
        let all = outline.main_section(&(0..document.text().len()));
        assert_eq!(outline.path(all), ["A", "B b"]);
    }

    #[test]
    fn headers_belong_to_the_rows_behind_them() {
        let rows = "a | b\n1 | 2\n3 | 4";
        let table = |header_rows| BlockKind::Table { header_rows };
        let document = document(&[(table(1), rows), (BlockKind::Paragraph, "x"), (table(0), rows), (table(3), rows)]);
        let outline = document.outline();
        let with_header: Vec<bool> = (0..document.text().len()).map(|at| outline.header_at(at).is_some()).collect();
        assert_eq!(with_header, (0..document.text().len()).map(|at| (6..17).contains(&at)).collect::<Vec<_>>());
        assert_eq!(outline.header_at(8).map(|bytes| document.slice(bytes)), Some("a | b\n"));
    }

    #[test]
    fn a_title_is_one_short_line() {
        assert_eq!(title(" a\n b\t"), "a b");
        assert_eq!(title(&"word ".repeat(1_000)).chars().count(), TITLE_CHARS);
    }
}
