//! Running text with its origins: white space collapsed as a browser does, or kept.

use crate::tidy::{append, count};

/// What must stand between the text so far and the next text; the larger one wins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gap {
    #[default]
    None,
    Space,
    Line,
}

/// The text of one block or cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flow {
    pub text: String,
    pub origins: Vec<[u32; 2]>,
    length: u32,
    gap: Gap,
    /// All of the text is the mark of an item.
    is_mark: bool,
}

impl Flow {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn separate(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    /// Appends `text`, whose characters stand where `origins` say, every run of white space as one blank.
    pub(crate) fn write(&mut self, text: &str, origins: &[[u32; 2]]) {
        for (c, source) in located(text, origins) {
            if c.is_ascii_whitespace() || c == '\u{A0}' {
                self.separate(Gap::Space);
            } else {
                self.put(c, Some(source));
            }
        }
    }

    /// Appends `text` as it is.
    pub(crate) fn write_verbatim(&mut self, text: &str, origins: &[[u32; 2]]) {
        for (c, source) in located(text, origins) {
            self.put(c, Some(source));
        }
    }

    /// Whether nothing but the mark of an item stands here, so that the next block belongs to it.
    pub(crate) fn is_mark(&self) -> bool {
        self.is_mark
    }

    /// Begins an item with its mark.
    pub(crate) fn write_mark(&mut self, mark: &str) {
        let first = self.is_empty();
        self.write_shown(mark);
        self.separate(Gap::Space);
        self.is_mark = first;
    }

    /// Appends what is not in the source but shown, such as a list number.
    pub(crate) fn write_shown(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() {
                self.separate(Gap::Space);
            } else {
                self.put(c, None);
            }
        }
    }

    /// Appends another text after `between`.
    pub(crate) fn join(&mut self, between: &str, other: &Flow) {
        self.text.push_str(between);
        self.length = self.length.saturating_add(count(between));
        for &[at, source] in &other.origins {
            append(&mut self.origins, self.length.saturating_add(at), source);
        }
        self.text.push_str(&other.text);
        self.length = self.length.saturating_add(other.length);
    }

    fn put(&mut self, c: char, source: Option<u32>) {
        self.is_mark = false;
        let gap = match std::mem::take(&mut self.gap) {
            Gap::Space if !self.text.is_empty() => Some(' '),
            Gap::Line if !self.text.is_empty() => Some('\n'),
            _ => None,
        };
        self.text.extend(gap);
        self.length = self.length.saturating_add(u32::from(gap.is_some()));
        if let Some(source) = source {
            // What is shown before the first text points there.
            if self.origins.is_empty() {
                self.origins.push([0, source]);
            }
            append(&mut self.origins, self.length, source);
        }
        self.text.push(c);
        self.length = self.length.saturating_add(1);
    }
}

/// The characters of `text` with their places in the source.
fn located<'a>(text: &'a str, origins: &'a [[u32; 2]]) -> impl Iterator<Item = (char, u32)> + 'a {
    let mut entries = origins.iter().peekable();
    let mut current = [0, 0];
    (0_u32..).zip(text.chars()).map(move |(at, c)| {
        while let Some(entry) = entries.next_if(|entry| entry[0] <= at) {
            current = *entry;
        }
        (c, current[1].saturating_add(at - current[0]))
    })
}
