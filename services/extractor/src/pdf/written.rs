//! Text in the making, each character with its place on the page.

use unicode_normalization::UnicodeNormalization;

use super::script::is_hyphen;
use crate::tidy::append;

/// Characters with their origins, as in [`crate::Page::origins`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub text: String,
    pub chars: u32,
    pub origins: Vec<[u32; 2]>,
    /// Dots or underscores in a row at the end.
    leaders: u32,
}

/// Leaders of tables of contents and blanks of forms are cut to this many characters.
const MAX_LEADERS: u32 = 4;

impl Written {
    /// Adds what the character `c` at `source` stands for.
    pub(super) fn push(&mut self, c: char, source: u32) {
        match c {
            '\u{2}' | '\u{FFFE}' => self.add('-', source),
            // Symbol fonts have their bullets here.
            '\u{F0B7}' => self.add('•', source),
            '\u{F0A7}' => self.add('▪', source),
            '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFE}' => {
                std::iter::once(c).nfkc().for_each(|plain| self.add(plain, source));
            }
            '.' | '_' | '…' => {
                self.leaders += 1;
                if self.leaders <= MAX_LEADERS {
                    self.add(c, source);
                }
            }
            _ => self.add(c, source),
        }
    }

    fn add(&mut self, c: char, source: u32) {
        if !matches!(c, '.' | '_' | '…') {
            self.leaders = 0;
        }
        append(&mut self.origins, self.chars, source);
        self.text.push(c);
        self.chars += 1;
    }

    /// Adds a blank, unless it would be the second in a row or stand within leaders.
    pub(super) fn blank(&mut self) {
        let needed = self.leaders <= MAX_LEADERS && !self.text.is_empty() && !self.text.ends_with([' ', '\n']);
        if needed {
            self.gap(" ");
        }
    }

    /// Adds characters that are not on the page.
    pub(super) fn gap(&mut self, text: &str) {
        self.text.push_str(text);
        self.chars += u32::try_from(text.chars().count()).unwrap_or(0);
    }

    /// Adds the characters of `other` from `from` to `to`, the end excluded.
    pub(super) fn extend(&mut self, other: &Self, from: u32, to: u32) {
        let (start, begin) = (self.chars, usize::try_from(from).unwrap_or(usize::MAX));
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
        let whole = from == 0 && to >= other.chars;
        if whole {
            self.text.push_str(&other.text);
        } else {
            self.text.extend(other.text.chars().skip(begin).take(length));
        }
        self.chars += to.min(other.chars).saturating_sub(from);
        let first = other.origins.partition_point(|entry| entry[0] <= from).saturating_sub(1);
        for &[at, source] in other.origins.iter().skip(first).take_while(|entry| entry[0] < to) {
            match at.checked_sub(from) {
                Some(at) => append(&mut self.origins, start + at, source),
                None => append(&mut self.origins, start, source + (from - at)),
            }
        }
        self.leaders = 0;
    }

    /// Takes a hyphen off the end.
    pub(super) fn drop_hyphen(&mut self) {
        if self.text.ends_with(is_hyphen) {
            self.text.pop();
            self.chars -= 1;
            if self.origins.last().is_some_and(|last| last[0] == self.chars) {
                self.origins.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str, first: u32) -> Written {
        let mut written = Written::default();
        (first..).zip(text.chars()).for_each(|(at, c)| written.push(c, at));
        written
    }

    #[test]
    fn what_characters_stand_for() {
        let contents = written("1. Start ............... 7", 0);
        assert_eq!((contents.text.as_str(), contents.chars), ("1. Start .... 7", 15));
        assert_eq!(contents.origins, [[0, 0], [13, 24]]);
        assert_eq!(written("\u{F0B7} \u{FEFB}", 0).text, "• \u{644}\u{627}");
    }

    proptest! {
        #[test]
        fn parts_keep_their_places(a in "[a-c漢 -]{0,12}", b in "[a-c漢 -]{0,12}", cut in 0_u32..14) {
            let (first, second) = (written(&a, 5), written(&b, 50));
            let mut both = Written::default();
            both.extend(&first, 0, first.chars);
            let from = cut.min(second.chars);
            both.extend(&second, from, second.chars);
            let expected: String = a.chars().chain(b.chars().skip(from as usize)).collect();
            prop_assert_eq!(&both.text, &expected);
            prop_assert_eq!(both.chars as usize, expected.chars().count());
            let sources = (5..5 + first.chars).chain(50 + from..50 + second.chars);
            for (at, source) in (0..both.chars).zip(sources) {
                let entry = both.origins.iter().rfind(|entry| entry[0] <= at).copied();
                prop_assert_eq!(entry.map(|[t, s]| s + at - t), Some(source));
            }
        }
    }
}
