//! Whether the characters of a page mean what the page shows.
//!
//! A font without a usable map to Unicode yields replacement characters, control characters (the raw glyph numbers),
//! `(cid:…)` from tools that wrote the file, or private-use characters. A few are bullets and logos; many mean that the
//! page can only be read by looking at it.

use super::native::Glyph;

/// Percent of the visible characters.
const UNMAPPED_PERCENT: usize = 2;
/// Those for which PDFium had to guess a character, and what their letters look like when it guessed right: they are most of
/// the characters, and among the Latin ones some are vowels.
const GUESSED_PERCENT: usize = 30;
const LETTERS_PERCENT: usize = 60;
const VOWELS_PERCENT: usize = 19;
const PRIVATE_PERCENT: usize = 15;

/// Whether `raw`, the text of a title or the like, is mostly not what it means.
pub(super) fn is_garbage(raw: &str) -> bool {
    let mut counts = Counts { unmapped: cid_characters(raw), ..Counts::default() };
    raw.chars().for_each(|c| counts.count(c));
    counts.are_garbage()
}

/// Whether the text of a page is mostly not what it shows.
pub(super) fn are_garbage(glyphs: &[Glyph]) -> bool {
    let mut counts = Counts::default();
    let mut guessed = Vec::new();
    for glyph in glyphs {
        counts.count(glyph.c);
        if glyph.unmapped && !glyph.c.is_whitespace() {
            guessed.push(glyph.c);
        }
    }
    if glyphs.windows(2).any(|pair| matches!(pair, [a, b] if a.c == '(' && b.c == 'c')) {
        counts.unmapped += cid_characters(&glyphs.iter().map(|glyph| glyph.c).collect::<String>());
    }
    let doubtful = guessed.len() * 100 > counts.visible * GUESSED_PERCENT && is_gibberish(&guessed);
    doubtful || counts.are_garbage()
}

#[derive(Default)]
struct Counts {
    visible: usize,
    unmapped: usize,
    private: usize,
}

impl Counts {
    fn count(&mut self, c: char) {
        self.visible += usize::from(!c.is_whitespace());
        self.unmapped += usize::from(is_unmapped(c));
        self.private += usize::from(is_private(c));
    }

    fn are_garbage(&self) -> bool {
        self.unmapped * 100 > self.visible * UNMAPPED_PERCENT || self.private * 100 > self.visible * PRIVATE_PERCENT
    }
}

fn is_gibberish(guessed: &[char]) -> bool {
    let letters = guessed.iter().filter(|c| c.is_alphanumeric()).count();
    let latin = guessed.iter().filter(|c| c.is_ascii_alphabetic()).count();
    let vowels = guessed.iter().filter(|c| "aeiouyAEIOUY".contains(**c)).count();
    letters * 100 < guessed.len() * LETTERS_PERCENT
        || (latin * 2 > letters && latin >= MIN_LATIN && vowels * 100 < latin * VOWELS_PERCENT)
}

/// Fewer letters say nothing about their vowels.
const MIN_LATIN: usize = 5;

/// U+0002 and U+FFFE are PDFium's own marks for broken words.
fn is_unmapped(c: char) -> bool {
    let control = c.is_control() && !c.is_whitespace() && c != '\u{2}';
    control || matches!(c, '\u{FFFD}' | '\u{FFFF}')
}

fn is_private(c: char) -> bool {
    matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}')
}

/// Characters inside `(cid:123)`.
fn cid_characters(raw: &str) -> usize {
    let numbers = raw.split("(cid:").skip(1).filter_map(|after| after.split_once(')'));
    numbers
        .filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()))
        .map(|(number, _)| number.len() + 6)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_not_garbage() {
        for good in [
            "",
            "Plain text with a bro\u{2}ken word.\r\n",
            "\u{F0B7} one item of a list",
            "第一章 概要",
            "(cid: like this)",
        ] {
            assert!(!is_garbage(good), "{good:?}");
        }
    }

    #[test]
    fn glyph_numbers_are() {
        for bad in [
            "\u{FFFD}\u{FFFD} some",
            "\u{3}\u{10}\u{5}\u{1}",
            "(cid:12)(cid:7)(cid:99) x",
            "\u{E001}\u{E002} \u{E003} a",
        ] {
            assert!(is_garbage(bad), "{bad:?}");
        }
    }
}
