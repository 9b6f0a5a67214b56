//! Numbers, dates and texts as a spreadsheet displays them, by number format codes (ECMA-376 part 1, section 18.8.31).
//!
//! [`code`] reads a format code, [`digits`] writes numbers, [`fraction`] those with a fraction bar, [`calendar`] dates
//! and times, [`general`] what has no format. Two things differ from the screen because a screen cannot be searched:
//! `General` shows whole numbers of 12 to 15 digits in full, and the short date of the reader's own locale (built-in
//! format 14) is written as ISO 8601.

mod calendar;
mod code;
mod digits;
mod fraction;
mod general;
mod names;

use std::borrow::Cow;

pub use calendar::{Epoch, serial};
use code::{Section, Token};
pub use general::general;

/// A number format, read from its code.
#[derive(Debug, Clone)]
pub struct NumberFormat {
    sections: Vec<Section>,
}

impl NumberFormat {
    /// Reads any text: what is no format code is shown as it stands.
    #[must_use]
    pub fn parse(code: &str) -> Self {
        Self { sections: code::sections(code) }
    }

    /// The format that has this number in every workbook (ECMA-376 part 1, section 18.8.30); `General` for a number
    /// that has none.
    #[must_use]
    pub fn built_in(id: u32) -> Self {
        Self::parse(code::built_in(id))
    }

    /// Whether numbers in it are dates or times.
    #[must_use]
    pub fn is_date(&self) -> bool {
        self.sections.first().is_some_and(Section::is_date)
    }

    /// `value` as displayed.
    #[must_use]
    pub fn number(&self, value: f64, epoch: Epoch) -> String {
        let Some((section, signed)) = self.section_of(value) else { return general(value) };
        let magnitude = value.abs();
        let sign = if signed && value < 0.0 { "-" } else { "" };
        if section.is_date() {
            return calendar::write(section, value, epoch).unwrap_or_else(|| general(value));
        }
        let text = if section.has(&Token::General) {
            section.literally(&general(magnitude))
        } else if section.has(&Token::Text) {
            section.literally(&general(value).replace('-', ""))
        } else if section.has(&Token::Slash) {
            fraction::write(section, magnitude)
        } else {
            digits::write(section, magnitude)
        };
        // What rounds to zero has no sign.
        let zero = !text.contains(|c: char| c.is_ascii_digit() && c != '0') && section.rounds_to_zero(magnitude);
        if zero { text } else { format!("{sign}{text}") }
    }

    /// A text cell as displayed.
    #[must_use]
    pub fn text<'a>(&self, value: &'a str) -> Cow<'a, str> {
        let section = self.sections.get(3).or_else(|| self.sections.iter().find(|section| section.has(&Token::Text)));
        match section {
            Some(section) => Cow::Owned(section.literally(value)),
            None => Cow::Borrowed(value),
        }
    }

    /// The section for `value`, and whether a minus sign stands before what it shows.
    fn section_of(&self, value: f64) -> Option<(&Section, bool)> {
        let numeric = self.sections.get(..self.sections.len().min(3)).unwrap_or_default();
        if numeric.iter().any(|section| section.condition.is_some()) {
            let met = numeric.iter().find(|section| section.condition.is_none_or(|condition| condition.holds(value)));
            return met.or(numeric.last()).map(|section| (section, !section.only_negative()));
        }
        match numeric {
            [] => None,
            [one] => Some((one, true)),
            [_, negative, ..] if value < 0.0 => Some((negative, false)),
            [_, _, zero] if value == 0.0 && !zero.has(&Token::Text) => Some((zero, false)),
            [positive, ..] => Some((positive, true)),
        }
    }
}

#[cfg(test)]
mod tests;
