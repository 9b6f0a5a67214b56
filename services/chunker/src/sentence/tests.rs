//! Sentences of six languages, and properties of all texts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may fail loudly")]

use proptest::prelude::*;

use super::sentence_starts;

/// A language, a tab, and a text whose sentences are separated by `|`.
const CASES: &str = include_str!("cases.txt");

fn cases() -> impl Iterator<Item = (&'static str, Vec<String>)> {
    CASES.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (language, text) = line.split_once('\t').expect("a tab");
        (language, text.replace("\\n", "\n").split('|').map(str::to_owned).collect())
    })
}

fn sentences(text: &str, language: Option<&str>) -> Vec<String> {
    let starts = sentence_starts(text, language);
    let (begins, ends) = ([0].into_iter().chain(starts.clone()), starts.into_iter().chain([text.len()]));
    begins.zip(ends).map(|(begin, end)| text[begin..end].to_owned()).collect()
}

#[test]
fn every_case_is_cut_where_it_says() {
    let wrong: Vec<String> = cases()
        .filter_map(|(language, expected)| {
            let found = sentences(&expected.concat(), Some(language));
            (found != expected).then(|| format!("{language}: {}", found.join("|")))
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn without_a_language_the_lists_of_all_count() {
    let total = cases().count();
    let right = cases().filter(|(_, expected)| sentences(&expected.concat(), None) == *expected).count();
    assert!(right * 100 >= total * 90, "{right} of {total}");
}

#[test]
fn scripts_with_their_own_stops_are_cut() {
    let expected = ["यह एक है। ", "यह दो है।"];
    assert_eq!(sentences(&expected.concat(), Some("hi")), expected);
    let expected = ["هل هذا صحيح؟ ", "نعم."];
    assert_eq!(sentences(&expected.concat(), Some("ar")), expected);
}

proptest! {
    #[test]
    fn starts_ascend_on_character_boundaries(
        text in "([a-zA-Z0-9]{0,4}|[.!?…。！？」』）\"»\\[\\]]{1,3}|[ \n]{1,2}|[東とB]|\\PC){0,60}",
        language in prop::option::of(prop::sample::select(vec!["en", "de", "es", "fr", "ja", "zh", "hi"])),
    ) {
        let starts = sentence_starts(&text, language);
        prop_assert!(starts.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(starts.iter().all(|at| *at > 0 && *at < text.len() && text.is_char_boundary(*at)));
    }
}

/// A few seconds' worth if any step looked further than a word: 10 MB each.
#[test]
fn the_time_is_linear() {
    for unit in [". ", "a.", "[", "»", "! ", "。」", ".[1]", "z. B. ", ".                "] {
        let text = unit.repeat((10 << 20) / unit.len());
        assert!(sentence_starts(&text, Some("de")).len() <= text.len());
    }
}
