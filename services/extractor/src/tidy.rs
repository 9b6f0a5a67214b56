//! Evens out characters and white space, the same way for every format, and keeps where each character came from.

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Tidy text with its way back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tidied {
    pub text: String,
    /// Entries `[t, s]`: character `t` of `text` is, or was made from, character `s` of the source; up to the next entry
    /// both go on one by one.
    pub origins: Vec<[u32; 2]>,
}

/// The text of [`tidy_mapped`] alone.
pub(crate) fn tidy(text: &str) -> String {
    tidy_mapped(text).text
}

/// Text in NFC with `\n` line ends, no trailing blanks, at most one blank line in a row, and without controls, soft
/// hyphens and zero-width marks. Latin ligatures and Kangxi radicals, which fonts of PDFs produce, become the letters
/// they stand for; the rest of compatibility normalization is left to whoever indexes (it would change `²` to `2`).
pub(crate) fn tidy_mapped(text: &str) -> Tidied {
    let mut composer = Composer { lines: Lines::new(text.len()), cluster: Vec::new() };
    let normal = is_nfc_quick(text.chars()) == IsNormalized::Yes;
    let mut previous = '\0';
    for (at, c) in (0_u32..).zip(text.chars()) {
        match c {
            '\n' if previous == '\r' => {}
            '\r' | '\n' | '\u{B}' | '\u{85}' | '\u{2028}' => composer.line_end(at),
            '\u{C}' | '\u{2029}' => {
                composer.line_end(at);
                composer.line_end(at);
            }
            _ if is_dropped(c, previous) => {}
            _ if is_space(c) => composer.push(' ', at, normal),
            '\u{FB00}'..='\u{FB06}' | '\u{2F00}'..='\u{2FD5}' => {
                std::iter::once(c).nfkc().for_each(|plain| composer.push(plain, at, normal));
            }
            _ => composer.push(c, at, normal),
        }
        previous = c;
    }
    composer.flush();
    composer.lines.done
}

/// The map that goes from the texts of `outer` to the sources of `inner`, where the sources of `outer` are the texts of
/// `inner`. Both ascend in their text positions; so does the result.
pub(crate) fn through(outer: &[[u32; 2]], inner: &[[u32; 2]]) -> Vec<[u32; 2]> {
    let mut composed: Vec<[u32; 2]> = Vec::with_capacity(outer.len() + inner.len());
    for (index, &[start, middle]) in outer.iter().enumerate() {
        let length = outer.get(index + 1).map_or(u32::MAX - start, |next| next[0] - start);
        let first = inner.partition_point(|entry| entry[0] <= middle).saturating_sub(1);
        for (place, &[from, source]) in inner.iter().enumerate().skip(first) {
            let skipped = from.saturating_sub(middle);
            if skipped >= length && place != first {
                break;
            }
            append(&mut composed, start + skipped, source + middle.saturating_sub(from));
        }
    }
    composed
}

/// Appends an entry unless the map goes there anyway; one for the same character as the last replaces it.
pub(crate) fn append(map: &mut Vec<[u32; 2]>, text: u32, source: u32) {
    if map.last().is_some_and(|last| last[0] == text) {
        map.pop();
    }
    let expected = map.last().map(|&[t, s]| s.saturating_add(text.saturating_sub(t)));
    if expected != Some(source) {
        map.push([text, source]);
    }
}

/// Characters of `text`; texts are limited far below what a `u32` counts.
pub(crate) fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

/// Blanks without the fixed width or the ban on a line end that they ask for. U+3000 is part of East Asian text.
fn is_space(c: char) -> bool {
    matches!(c, '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}')
}

/// Characters that no reader sees: controls, soft hyphens, zero-width and direction marks, tags, noncharacters.
fn is_dropped(c: char, previous: char) -> bool {
    match c {
        '\t' => false,
        '\0'..='\x7E' => c < ' ',
        // Joiners belong to the spelling of Arabic and Indic scripts and to emoji; no alphabet before U+0590 has them.
        '\u{200C}' | '\u{200D}' => previous < '\u{590}',
        '\u{7F}'..='\u{9F}' | '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' => {
            true
        }
        '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' => true,
        '\u{FDD0}'..='\u{FDEF}' | '\u{E0000}'..='\u{E007F}' => true,
        _ => u32::from(c) & 0xFFFE == 0xFFFE,
    }
}

/// Twice what the Stream-Safe Text Format allows (Unicode Standard Annex #15, section 13): longer runs are no text.
const LONGEST_CLUSTER: usize = 64;

/// Brings characters into NFC, one cluster (what normalization can mix) at a time.
struct Composer {
    lines: Lines,
    cluster: Vec<(char, u32)>,
}

impl Composer {
    fn push(&mut self, c: char, at: u32, normal: bool) {
        if normal {
            return self.lines.push(c, at);
        }
        if begins_cluster(c) || self.cluster.len() >= LONGEST_CLUSTER {
            self.flush();
        }
        self.cluster.push((c, at));
    }

    fn line_end(&mut self, at: u32) {
        self.flush();
        self.lines.line_end(at);
    }

    fn flush(&mut self) {
        if let [(c, at)] = *self.cluster
            && c < '\u{300}'
        {
            self.lines.push(c, at);
        } else if let Some(&(_, start)) = self.cluster.first() {
            // What normalization left as it was keeps its own place, what it composed takes the cluster's.
            for c in self.cluster.iter().map(|(c, _)| *c).nfc() {
                let own = self.cluster.iter().find(|(source, _)| *source == c);
                self.lines.push(c, own.map_or(start, |(_, at)| *at));
            }
        }
        self.cluster.clear();
    }
}

/// Whether nothing before `c` can compose with it or change places with it (Unicode Standard Annex #15, section 9.1).
fn begins_cluster(c: char) -> bool {
    let is_starter =
        |c: char| canonical_combining_class(c) == 0 && is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes;
    c < '\u{300}'
        || is_starter(c)
        || std::iter::once(c).nfc().next().is_some_and(|first| first != c && is_starter(first))
}

/// Evens out blanks and line ends.
struct Lines {
    done: Tidied,
    characters: u32,
    /// Line ends that stand between what is done and the next character, two at most.
    ends: Vec<u32>,
    /// Blanks that are kept if a character follows them on their line.
    blanks: Vec<(char, u32)>,
}

impl Lines {
    fn new(bytes: usize) -> Self {
        let done = Tidied { text: String::with_capacity(bytes), origins: Vec::new() };
        Self { done, characters: 0, ends: Vec::new(), blanks: Vec::new() }
    }

    fn line_end(&mut self, at: u32) {
        self.blanks.clear();
        if self.ends.len() < 2 {
            self.ends.push(at);
        }
    }

    fn push(&mut self, c: char, at: u32) {
        if c.is_whitespace() {
            return self.blanks.push((c, at));
        }
        if !self.ends.is_empty() || !self.blanks.is_empty() {
            self.separate();
        }
        self.write(c, at);
    }

    fn separate(&mut self) {
        let begun = self.characters > 0;
        for at in std::mem::take(&mut self.ends).into_iter().filter(|_| begun) {
            self.write('\n', at);
        }
        for (blank, at) in std::mem::take(&mut self.blanks) {
            self.write(blank, at);
        }
    }

    fn write(&mut self, c: char, at: u32) {
        append(&mut self.done.origins, self.characters, at);
        self.done.text.push(c);
        self.characters = self.characters.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    /// Where character `t` comes from.
    fn source_of(origins: &[[u32; 2]], t: u32) -> u32 {
        let [from, source] = origins[origins.partition_point(|entry| entry[0] <= t) - 1];
        source + t - from
    }

    fn same_up_to_normalization(tidy: char, source: char) -> bool {
        let both_white = tidy.is_whitespace() && (source.is_whitespace() || source.is_control());
        both_white || std::iter::once(source).nfkd().any(|part| std::iter::once(tidy).nfkd().any(|own| own == part))
    }

    #[test]
    fn line_ends_blanks_and_controls() {
        assert_eq!(tidy("\r\n a \r\nb\t\r\r\r\n\nc\u{0}\u{C}d\u{FEFF}"), " a\nb\n\nc\n\nd");
        assert_eq!(tidy("of\u{FB01}ce soft\u{AD}ware \u{2F08} e\u{301} x²"), "office software 人 é x²");
        assert_eq!(
            tidy("\u{202B}a\u{200D}b\u{E0041}\u{FFFF} می\u{200C}خواهم 1\u{2009}000"),
            "ab می\u{200C}خواهم 1 000"
        );
    }

    #[test]
    fn origins_point_at_the_source() {
        let tidied = tidy_mapped("\n\nso\u{AD}ft  \r\n\r\n\r\ne\u{301}\u{FB01}x");
        assert_eq!(tidied.text, "soft\n\néfix");
        assert_eq!(tidied.origins, [[0, 2], [2, 5], [4, 9], [5, 11], [6, 15], [7, 17], [8, 17]]);
    }

    #[test]
    fn maps_follow_each_other() {
        let outer = [[0, 2], [3, 10], [5, 0]];
        let inner = [[0, 100], [4, 200], [11, 300]];
        assert_eq!(through(&outer, &inner), [[0, 102], [2, 200], [3, 206], [4, 300], [5, 100], [9, 200], [16, 300]]);
        assert_eq!(through(&[[0, 5], [2, 9]], &[[0, 0]]), [[0, 5], [2, 9]]);
    }

    proptest! {
        #[test]
        fn tidying_twice_changes_nothing(text in "[ \\n\\r\\tab\u{301}\u{FB01}\u{AD}\u{0}漢\u{1100}\u{1161}\u{F900}\u{345}]{0,60}") {
            let once = tidy(&text);
            prop_assert_eq!(tidy(&once), once);
        }

        #[test]
        fn every_character_has_its_origin(text in prop_oneof![
            "[ \\n\\r\\tab\u{301}\u{323}\u{FB01}\u{AD}\u{0}漢\u{1100}\u{1161}\u{11A8}\u{212B}\u{F900}\u{C}]{0,60}",
            "\\PC{0,40}"
        ]) {
            let tidied = tidy_mapped(&text);
            prop_assert!(is_nfc_quick(tidied.text.chars()) != IsNormalized::No);
            let source: Vec<char> = text.chars().collect();
            for (t, c) in (0..).zip(tidied.text.chars()) {
                let from = source[source_of(&tidied.origins, t) as usize];
                prop_assert!(same_up_to_normalization(c, from), "{c:?} from {from:?}");
            }
        }

        #[test]
        fn composed_maps_lead_where_both_lead(text in "[ \\n\u{AD}\u{FB01}ab]{1,40}") {
            let first = tidy_mapped(&text);
            let again = tidy_mapped(&format!("\u{AD}{}", first.text.replace('b', "\u{AD}b")));
            let composed = through(&again.origins, &first.origins);
            for t in 0..again.text.chars().count() as u32 {
                prop_assert_eq!(source_of(&composed, t), source_of(&first.origins, source_of(&again.origins, t)));
            }
        }
    }
}
