//! What stands before a chunk's text when it is embedded: its headings, where that is asked for, and the header rows of the
//! table it begins in.

use std::rc::Rc;

use crate::document::DocumentText;
use crate::tokens::{TokenOffsets, TokenizerError};

/// Header rows take at most this part of a chunk; what is more is left out at the border of a cell.
const HEADER_SHARE: usize = 3;
/// Headings take at most this part of a chunk; the outermost are left out first.
const HEADINGS_SHARE: usize = 4;
/// Bytes of header rows that are looked at, because each chunk of the table carries them.
const HEADER_BYTES: usize = 4 << 10;
/// Between the titles of a heading path.
const PATH_SEPARATOR: &str = " > ";
/// Between the cells of a row.
const CELL_SEPARATOR: &str = " | ";

/// A text to stand before others, and how many tokens it has alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) text: String,
    pub(crate) tokens: usize,
}

/// Finds the prefix of what begins at a byte. Remembers the last one, because neighbours share it.
pub(crate) struct Prefixes<'a> {
    document: &'a DocumentText,
    tokens: &'a dyn TokenOffsets,
    max_tokens: usize,
    headings: bool,
    last: Option<(Key, Rc<Prefix>)>,
}

/// Section, and start of the header rows.
type Key = (usize, Option<usize>);

impl<'a> Prefixes<'a> {
    /// For pieces of at most `max_tokens`; with headings when `headings` says so.
    pub(crate) fn new(
        document: &'a DocumentText,
        tokens: &'a dyn TokenOffsets,
        (max_tokens, headings): (usize, bool),
    ) -> Self {
        Self { document, tokens, max_tokens, headings, last: None }
    }

    /// The prefix of a piece that begins at `byte`.
    pub(crate) fn at(&mut self, byte: usize) -> Result<Rc<Prefix>, TokenizerError> {
        let section = if self.headings { self.document.outline().section_around(byte) } else { 0 };
        let header = self.document.outline().header_at(byte);
        let key = (section, header.as_ref().map(|bytes| bytes.start));
        if let Some((_, prefix)) = self.last.as_ref().filter(|(last, _)| *last == key) {
            return Ok(prefix.clone());
        }
        let headings = self.path(section)?;
        let header = header.map_or("", |bytes| self.document.slice(bytes).trim());
        let header = self.fit(bounded(header), CELL_SEPARATOR, self.max_tokens / HEADER_SHARE)?;
        let text =
            [headings.as_str(), header].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
        let tokens = if text.is_empty() { 0 } else { self.tokens.count(&text)? };
        let prefix = Rc::new(Prefix { text, tokens });
        self.last = Some((key, prefix.clone()));
        Ok(prefix)
    }

    fn path(&self, section: usize) -> Result<String, TokenizerError> {
        let titles = self.document.outline().path(section);
        let limit = self.max_tokens / HEADINGS_SHARE;
        for first in 0..titles.len() {
            let path = titles.get(first..).unwrap_or_default().join(PATH_SEPARATOR);
            if self.tokens.count(&path)? <= limit {
                return Ok(path);
            }
        }
        Ok(self.fit(titles.last().copied().unwrap_or_default(), " ", limit)?.to_owned())
    }

    /// As much of `text` as has at most `limit` tokens, up to a line end or `separator`; nothing when neither comes in time.
    fn fit<'t>(&self, text: &'t str, separator: &str, limit: usize) -> Result<&'t str, TokenizerError> {
        let offsets = if text.is_empty() { Vec::new() } else { self.tokens.offsets(text)? };
        let Some((over, _)) = offsets.get(limit) else { return Ok(text) };
        let fits = text.get(..text.floor_char_boundary(*over)).unwrap_or_default();
        let end = fits.rfind(separator).max(fits.rfind('\n')).unwrap_or(0);
        Ok(fits.get(..end).unwrap_or_default())
    }
}

fn bounded(header: &str) -> &str {
    header.get(..header.floor_char_boundary(HEADER_BYTES)).unwrap_or(header)
}

/// What the model sees: the prefix on lines of its own, then the text.
pub(crate) fn input(prefix: &str, text: &str) -> String {
    if prefix.is_empty() { text.to_owned() } else { [prefix, "\n", text].concat() }
}
