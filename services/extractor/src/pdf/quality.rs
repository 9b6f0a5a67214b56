//! Whether the characters of a page mean what the page shows.
//!
//! A font without a usable map to Unicode yields replacement characters, control characters (the raw glyph numbers),
//! `(cid:…)` from tools that wrote the file, or private-use characters. A few are bullets and logos; many mean that the
//! page can only be read by looking at it.

/// Percent of the visible characters.
const UNMAPPED_PERCENT: usize = 2;
const PRIVATE_PERCENT: usize = 15;

/// Whether `raw`, the text of a page or a title, is mostly not what it shows.
pub(super) fn is_garbage(raw: &str) -> bool {
    let visible = raw.chars().filter(|c| !c.is_whitespace()).count();
    let unmapped = raw.chars().filter(|c| is_unmapped(*c)).count() + cid_characters(raw);
    let private = raw.chars().filter(|c| is_private(*c)).count();
    unmapped * 100 > visible * UNMAPPED_PERCENT || private * 100 > visible * PRIVATE_PERCENT
}

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
