//! Delimited text taken apart, in one pass.

use std::borrow::Cow;

/// A cell as it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// Without the quotes around it; those inside are still doubled.
    raw: &'a str,
    pub(super) quoted: bool,
    /// The character of the text that it begins with.
    pub(super) start: u32,
}

impl<'a> Field<'a> {
    pub(super) fn text(&self) -> Cow<'a, str> {
        if self.quoted && self.raw.contains("\"\"") {
            return Cow::Owned(self.raw.replace("\"\"", "\""));
        }
        Cow::Borrowed(self.raw)
    }
}

/// The records of a text. Blank lines are none.
pub(super) struct Records<'a> {
    rest: &'a str,
    delimiter: char,
    chars: u32,
}

impl<'a> Records<'a> {
    pub(super) fn new(text: &'a str, delimiter: char) -> Self {
        Self { rest: text, delimiter, chars: 0 }
    }

    /// Whether all of the text was taken.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes `bytes` off the rest.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.chars = self.chars.saturating_add(u32::try_from(taken.chars().count()).unwrap_or(u32::MAX));
        taken
    }

    fn field(&mut self) -> Field<'a> {
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let start = self.chars;
        let end = self.rest.find([self.delimiter, '\n', '\r']).unwrap_or(self.rest.len());
        Field { raw: self.take(end), quoted: false, start }
    }

    /// A field between quotes; one that is never closed goes on to the end. What stands behind the closing quote is not
    /// part of it.
    fn quoted(&mut self) -> Field<'a> {
        self.take(1);
        let start = self.chars;
        let mut end = 0;
        while let Some(at) = self.rest.get(end..).and_then(|rest| rest.find('"')) {
            end += at;
            if !self.rest.get(end + 1..).is_some_and(|rest| rest.starts_with('"')) {
                let raw = self.take(end);
                let behind = self.rest.find([self.delimiter, '\n', '\r']).unwrap_or(self.rest.len());
                self.take(behind);
                return Field { raw, quoted: true, start };
            }
            end += 2;
        }
        let raw = self.take(self.rest.len());
        Field { raw, quoted: true, start }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Vec<Field<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let blank = self.rest.len() - self.rest.trim_start_matches(['\n', '\r']).len();
        self.take(blank);
        if self.rest.is_empty() {
            return None;
        }
        let mut fields = vec![self.field()];
        while self.rest.starts_with(self.delimiter) {
            self.take(self.delimiter.len_utf8());
            fields.push(self.field());
        }
        Some(fields)
    }
}
