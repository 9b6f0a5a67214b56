//! Folding: one spelling for what readers take as the same text, with a map back to the bytes it came from.
//!
//! Each extended grapheme cluster is put through NFKC with full case folding, loses the diacritics of Latin letters and
//! what Unicode calls default-ignorable (soft hyphens, joiners, variation selectors). Working by cluster keeps the map
//! exact: a folded character always belongs to one cluster of the source.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Folded text and where each piece of it comes from.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    pub(crate) text: String,
    runs: Vec<Run>,
    source_len: usize,
}

/// A stretch of folded text, up to the next run. In an aligned run byte `i` comes from byte `i` of the source stretch;
/// any other run is one cluster whose bytes have no finer origin.
#[derive(Debug, Clone, Copy)]
struct Run {
    folded: usize,
    source: usize,
    aligned: bool,
}

impl Folded {
    /// Folds `source` in one pass.
    pub(crate) fn new(source: &str) -> Self {
        let mut folded = Self { text: String::with_capacity(source.len()), runs: Vec::new(), source_len: source.len() };
        let mut at = 0;
        while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
            let ascii = plain_ascii(rest);
            if ascii.is_empty() {
                let cluster = rest.graphemes(true).next().unwrap_or(rest);
                folded.push_cluster(at, cluster);
                at += cluster.len();
            } else {
                folded.start_run(at, true);
                folded.text.extend(ascii.chars().map(|c| c.to_ascii_lowercase()));
                at += ascii.len();
            }
        }
        folded
    }

    fn push_cluster(&mut self, source: usize, cluster: &str) {
        let start = self.text.len();
        let mut chars = cluster.chars();
        let alone = chars.next().is_some() && chars.next().is_none();
        let at_run = self.runs.len();
        self.start_run(source, false);
        self.text.extend(fold_cluster(cluster));
        let aligned =
            alone && self.text.len() - start == cluster.len() && self.text.get(start..).is_some_and(is_one_char);
        if aligned {
            self.runs.truncate(at_run);
            self.start_run_at(start, source);
        }
    }

    /// Opens a run at the end of the folded text, unless the last one is aligned and goes on.
    fn start_run(&mut self, source: usize, aligned: bool) {
        if aligned {
            self.start_run_at(self.text.len(), source);
        } else {
            self.runs.push(Run { folded: self.text.len(), source, aligned });
        }
    }

    fn start_run_at(&mut self, folded: usize, source: usize) {
        if !self.runs.last().is_some_and(|run| run.aligned) {
            self.runs.push(Run { folded, source, aligned: true });
        }
    }

    /// The source bytes behind a non-empty range of folded bytes. Always on character boundaries when `range` is.
    pub(crate) fn span(&self, range: &Range<usize>) -> Range<usize> {
        self.start_of(range.start)..self.end_of(range.end)
    }

    fn start_of(&self, folded: usize) -> usize {
        let run = self.run_at(folded).and_then(|at| self.runs.get(at));
        run.map_or(0, |run| if run.aligned { run.source + (folded - run.folded) } else { run.source })
    }

    fn end_of(&self, folded: usize) -> usize {
        let Some(at) = self.run_at(folded.saturating_sub(1)) else { return 0 };
        match self.runs.get(at) {
            Some(run) if run.aligned => run.source + (folded - run.folded),
            _ => self.runs.get(at + 1).map_or(self.source_len, |next| next.source),
        }
    }

    fn run_at(&self, folded: usize) -> Option<usize> {
        self.runs.partition_point(|run| run.folded <= folded).checked_sub(1)
    }
}

/// The leading ASCII of `rest` that no combining mark can change: all of it, less its last character if more follows.
fn plain_ascii(rest: &str) -> &str {
    let len = rest.bytes().take_while(u8::is_ascii).count();
    let keep = if len == rest.len() { len } else { len.saturating_sub(1) };
    rest.get(..keep).unwrap_or_default()
}

fn is_one_char(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some() && chars.next().is_none()
}

/// Decomposes, folds case, takes the marks off Latin letters and composes again.
fn fold_cluster(cluster: &str) -> impl Iterator<Item = char> {
    let folded = cluster.nfkd().filter(|c| !is_ignorable(*c)).flat_map(case_fold);
    let mut latin = false;
    let plain = folded.nfkd().filter(move |c| {
        let mark = is_latin_mark(*c);
        latin = if mark { latin } else { c.is_ascii_alphabetic() };
        !(mark && latin)
    });
    plain.nfkc()
}

/// Combining diacritical marks. On a Latin letter they are left out by many who type a query; on any other letter they
/// make another letter (й, が).
fn is_latin_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Full case folding by way of the standard library's case mappings, which the folding table derives from: ß and ẞ give
/// ss, ς gives σ. It also joins the Turkish ı with i, so that a capitalised word still matches.
fn case_fold(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Default-ignorable code points that occur inside words. The zero width space stays: it separates words.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}' | '\u{200c}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::Folded;
    use proptest::prelude::*;

    fn folded(source: &str) -> String {
        Folded::new(source).text
    }

    #[test]
    fn one_spelling_for_what_reads_the_same() {
        assert_eq!(folded("STRASSE Straße GROẞ"), "strasse strasse gross");
        assert_eq!(folded("ﬁn ＡＢＣ ｶﾞｽ ㍿ ①"), "fin abc ガス 株式会社 1");
        assert_eq!(folded("Ver\u{ad}gleich ΟΔΟΣ"), "vergleich οδοσ");
    }

    #[test]
    fn marks_leave_latin_letters_and_no_others() {
        assert_eq!(folded("café cafe\u{301} Ñandú Việt ÅÇŒ"), "cafe cafe nandu viet acœ");
        assert_eq!(folded("мой ガ ί 한"), "мой ガ ί 한");
    }

    #[test]
    fn spans_lead_back_to_the_source() {
        let source = "Ａ ver\u{ad}y cafe\u{301}s";
        let folded = Folded::new(source);
        for (part, original) in [("a", "Ａ"), ("very", "ver\u{ad}y"), ("cafes", "cafe\u{301}s"), ("s", "s")] {
            let at = folded.text.find(part).unwrap();
            assert_eq!(source.get(folded.span(&(at..at + part.len()))), Some(original));
        }
    }

    proptest! {
        #[test]
        fn every_folded_character_has_a_source_on_character_boundaries(source in "\\PC{0,60}|[a-zA-ZßÄé\u{301}\u{ad}ｶﾞ東 ]{0,60}") {
            let folded = Folded::new(&source);
            let mut before = 0;
            for (at, c) in folded.text.char_indices() {
                let span = folded.span(&(at..at + c.len_utf8()));
                prop_assert!(source.get(span.clone()).is_some_and(|text| !text.is_empty()));
                prop_assert!(span.start >= before);
                before = span.start;
            }
        }

        #[test]
        fn folding_a_folded_text_changes_nothing(source in "\\PC{0,60}") {
            let once = folded(&source);
            prop_assert_eq!(folded(&once), once);
        }
    }
}
