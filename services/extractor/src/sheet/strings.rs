//! The texts that cells share, packed: a workbook has up to millions of them.

use crate::xml::{Node, Reader};
use crate::{Failure, Limits};

/// Texts by number.
#[derive(Debug, Default)]
pub(super) struct Strings {
    text: String,
    /// Where each text ends.
    ends: Vec<u32>,
}

impl Strings {
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    pub(super) fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)?;
        let start = number.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(start as usize..end as usize)
    }

    /// Reads a shared string table (ECMA-376 part 1, section 18.4.9).
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub(super) fn read(xml: &str, limits: &Limits) -> Result<Self, Failure> {
        let mut strings = Self::default();
        let mut reader = Reader::new(xml, limits);
        let mut text = String::new();
        while let Some(node) = reader.next()? {
            if let Node::Open(element) = node
                && element.name() == "si"
            {
                text.clear();
                rich_text(&mut reader, &mut text)?;
                strings.push(&text);
            }
        }
        Ok(strings)
    }
}

/// After the opening of a rich text (`si`, `is`, `text`): appends the text of its runs without their phonetic hints.
///
/// # Errors
/// As [`Reader::next`].
pub(super) fn rich_text(reader: &mut Reader<'_>, text: &mut String) -> Result<(), Failure> {
    let inside = reader.depth();
    let mut shown = false;
    while let Some(node) = reader.next_within(inside)? {
        match node {
            Node::Open(element) if element.name() == "rPh" => reader.skip()?,
            Node::Open(element) => shown = element.name() == "t",
            Node::Close(_) => shown = false,
            Node::Text(piece) if shown => unescape(&piece, text),
            Node::Text(_) => {}
        }
    }
    Ok(())
}

/// Appends `text`, in which `_x000D_` stands for a character that XML cannot hold (ECMA-376 part 1, section 22.4.2.4).
pub(super) fn unescape(text: &str, into: &mut String) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("_x") {
        into.push_str(before);
        let code = after.get(..5).and_then(|code| code.strip_suffix('_'));
        match code.and_then(|code| u32::from_str_radix(code, 16).ok()) {
            Some(code) => {
                into.extend(char::from_u32(code));
                rest = after.get(5..).unwrap_or_default();
            }
            None => {
                into.push_str("_x");
                rest = after;
            }
        }
    }
    into.push_str(rest);
}
