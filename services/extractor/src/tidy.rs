//! Evens out characters and white space, the same way for every format.

use unicode_normalization::UnicodeNormalization;

/// Text in NFC with `\n` line ends, no trailing blanks, at most one blank line in a row, and without controls, soft
/// hyphens and zero-width marks. Latin ligatures and Kangxi radicals, which fonts of PDFs produce, become the letters
/// they stand for; the rest of compatibility normalization is left to whoever indexes (it would change `²` to `2`).
pub(crate) fn tidy(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace(['\r', '\u{B}', '\u{2028}'], "\n");
    let paragraphs = lines.replace(['\u{C}', '\u{2029}'], "\n\n");
    squeeze(&plain_characters(&paragraphs))
}

fn plain_characters(text: &str) -> String {
    if text.is_ascii() {
        return text.chars().filter(|c| !is_dropped(*c)).collect();
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_dropped(*c)) {
        match c {
            '\u{A0}' | '\u{2007}' | '\u{202F}' => plain.push(' '),
            '\u{FB00}'..='\u{FB06}' | '\u{2F00}'..='\u{2FD5}' => plain.extend(std::iter::once(c).nfkc()),
            _ => plain.push(c),
        }
    }
    plain.nfc().collect()
}

fn is_dropped(c: char) -> bool {
    let zero_width = matches!(c, '\u{AD}' | '\u{200B}' | '\u{2060}' | '\u{FEFF}');
    zero_width || (c.is_control() && !matches!(c, '\n' | '\t'))
}

fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() && blank {
            continue;
        }
        blank = line.is_empty();
        squeezed.push_str(line);
        squeezed.push('\n');
    }
    squeezed.truncate(squeezed.trim_end().len());
    squeezed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn line_ends_blanks_and_controls() {
        assert_eq!(tidy("\r\n a \r\nb\t\r\r\r\n\nc\u{0}\u{C}d\u{FEFF}"), " a\nb\n\nc\n\nd");
        assert_eq!(tidy("of\u{FB01}ce soft\u{AD}ware \u{2F08} e\u{301} x²"), "office software 人 é x²");
    }

    proptest! {
        #[test]
        fn tidying_twice_changes_nothing(text in "[ \\n\\r\\tab\u{301}\u{FB01}\u{AD}\u{0}漢]{0,60}") {
            let once = tidy(&text);
            prop_assert_eq!(tidy(&once), once);
        }
    }
}
