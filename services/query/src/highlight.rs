//! Where the terms of a query stand in a text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use heimdex_lexical::{Analyzer, Term};

/// The terms of a query, to be found in many texts.
#[derive(Debug, Clone, Default)]
pub struct Highlights {
    terms: BTreeMap<u32, String>,
}

impl Highlights {
    #[must_use]
    pub fn of_query(query: &str) -> Self {
        Self { terms: Analyzer.terms(query).into_iter().map(|term| (term.hash, term.text)).collect() }
    }

    /// The matched terms in alphabetical order, and their places in `text` (see [`highlight`]).
    #[must_use]
    pub fn find(&self, text: &str) -> (Vec<String>, Vec<[usize; 2]>) {
        let mut found: Vec<Term> = Analyzer.terms(text);
        found.retain(|term| self.terms.get(&term.hash) == Some(&term.text));
        // Single characters are what is left of a word of an unspaced script: worth showing only when nothing longer is.
        if found.iter().any(is_longer) {
            found.retain(is_longer);
        }
        let names: BTreeSet<String> = found.iter().map(|term| term.text.clone()).collect();
        (names.into_iter().collect(), in_characters(text, merged(found)))
    }
}

fn is_longer(term: &Term) -> bool {
    term.text.chars().nth(1).is_some()
}

/// Characters of `text` (half open, ascending, apart from each other) that stand for terms of `query`.
#[must_use]
pub fn highlight(query: &str, text: &str) -> Vec<[usize; 2]> {
    Highlights::of_query(query).find(text).1
}

/// Byte ranges in order, overlapping ones joined.
fn merged(terms: Vec<Term>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for Term { span, .. } in terms {
        match ranges.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => ranges.push(span),
        }
    }
    ranges
}

fn in_characters(text: &str, ranges: Vec<Range<usize>>) -> Vec<[usize; 2]> {
    let mut counted = (0, 0);
    let mut position = |byte: usize| {
        let (from, before) = counted;
        let passed = text.get(from..byte).map_or(0, |passed| passed.chars().count());
        counted = (byte, before + passed);
        counted.1
    };
    ranges.into_iter().map(|range| [position(range.start), position(range.end)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marked(query: &str, text: &str) -> Vec<String> {
        let characters: Vec<char> = text.chars().collect();
        highlight(query, text).into_iter().map(|[start, end]| characters[start..end].iter().collect()).collect()
    }

    #[test]
    fn words_are_marked_as_they_stand_in_the_text() {
        assert_eq!(marked("travel EXPENSES", "Größe: Travel or travel-expenses"), ["Travel", "travel", "expenses"]);
        assert_eq!(marked("cafe\u{301}", "Ein Café"), ["Café"]);
        assert!(marked("nothing", "of the kind").is_empty());
    }

    #[test]
    fn pairs_of_characters_grow_together_and_hide_single_ones() {
        assert_eq!(marked("東大寺の大仏", "奈良の東大寺と大仏"), ["東大寺", "大仏"]);
        assert_eq!(marked("寺", "東大寺"), ["寺"]);
    }

    proptest! {
        #[test]
        fn spans_are_ascending_apart_and_inside(query in "[a-c東大 ]{1,12}", text in "[a-cA-Cé東大。 ]{0,40}") {
            let spans = highlight(&query, &text);
            let length = text.chars().count();
            prop_assert!(spans.iter().all(|[start, end]| start < end && *end <= length));
            prop_assert!(spans.windows(2).all(|pair| pair[0][1] < pair[1][0]));
        }
    }
}
