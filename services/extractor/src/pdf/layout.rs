//! Lines of a page: words broken over a line end are joined again, and so are lines of Chinese and Japanese, where a
//! line end means nothing.

/// PDFium's marks for a hyphen that broke a word at a line end; it drops the line end itself (U+0002 in the bounded
/// text of `fpdf_text.h`, U+FFFE in its other calls).
const BROKEN_WORD: [char; 2] = ['\u{2}', '\u{FFFE}'];

/// A CJK line at least this full, compared with the fullest of its page, was wrapped and not ended.
const FULL_PERCENT: usize = 80;

/// The text of a page from PDFium's `raw` text.
pub(super) fn lines(raw: &str) -> String {
    join_wrapped_cjk(&join_broken_words(&raw.replace("\r\n", "\n")))
}

/// A hyphen between letters, the second in lower case, was put there by the line break; any other belongs to the word.
fn join_broken_words(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if !is_break(c, rest.peek().copied()) {
            joined.push(c);
            continue;
        }
        rest.next_if_eq(&'\n');
        let after_letter = joined.chars().next_back().is_some_and(char::is_alphabetic);
        let before_lower = rest.peek().is_some_and(|next| next.is_lowercase());
        if !(after_letter && before_lower) {
            joined.push('-');
        }
    }
    joined
}

fn is_break(c: char, next: Option<char>) -> bool {
    BROKEN_WORD.contains(&c) || (c == '\u{AD}' && next == Some('\n'))
}

fn join_wrapped_cjk(text: &str) -> String {
    let fullest = text.lines().filter(|line| ends_in_cjk(line)).map(width).max().unwrap_or(0);
    let mut joined = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        joined.push_str(line);
        let wrapped = ends_in_cjk(line) && width(line) * 100 >= fullest * FULL_PERCENT;
        let goes_on = lines.peek().is_some_and(|next| next.starts_with(is_cjk));
        if !(wrapped && goes_on) {
            joined.push('\n');
        }
    }
    joined
}

fn ends_in_cjk(line: &str) -> bool {
    line.ends_with(is_cjk)
}

/// In half-width columns.
fn width(line: &str) -> usize {
    line.chars().map(|c| if is_cjk(c) { 2 } else { 1 }).sum()
}

/// Han, kana and their punctuation; hangul is written with spaces and wraps like Latin.
fn is_cjk(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{FF01}'..='\u{FF60}' | '\u{20000}'..='\u{3134F}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn broken_words() {
        for (raw, expected) in [
            ("Installationsan\u{2}leitung\r\nnext", "Installationsanleitung\nnext\n"),
            ("infor\u{FFFE}\r\nmation", "information\n"),
            ("soft\u{AD}\r\nware", "software\n"),
            ("E\u{2}Mail and 10\u{2}20", "E-Mail and 10-20\n"),
            ("kept-as is", "kept-as is\n"),
        ] {
            assert_eq!(lines(raw), expected);
        }
    }

    #[test]
    fn wrapped_cjk_lines_are_joined_and_ended_ones_kept() {
        let raw = "見出し\r\nこの文は行の終わりで折り返されていま\r\nす。ここで終わり。\r\n次の段落はここから始まります。とても長\r\nいです。";
        let expected = "見出し\nこの文は行の終わりで折り返されています。ここで終わり。\n次の段落はここから始まります。とても長いです。\n";
        assert_eq!(lines(raw), expected);
        assert_eq!(lines("使用 apt\r\n安装"), "使用 apt\n安装\n");
    }

    proptest! {
        #[test]
        fn letters_are_never_lost(raw in "[a-zA-Z漢字あ \\r\\n\u{2}\u{AD}\u{FFFE}-]{0,80}") {
            let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
            prop_assert_eq!(letters(&lines(&raw)), letters(&raw));
        }
    }
}
