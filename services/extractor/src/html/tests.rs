//! Pages as they are found: frames, tables, encodings, and markup that wants to exhaust the parser.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;

fn text(markup: &str) -> String {
    parse(markup.as_bytes(), &Limits::default()).unwrap().pages.first().unwrap().text.clone()
}

#[test]
fn headings_paragraphs_lists_and_rows() {
    let markup = "<h1>Title</h1><p>One <b>bold</b>\n word.<br>Next line</p><ul><li>a<li>b</ul>\
                  <table><tr><th>k<th>v<tr><td>1<td><p>two</p><p>three</p></table><pre>x\n  y</pre>tail";
    assert_eq!(text(markup), "Title\n\nOne bold word.\nNext line\n\na\nb\n\nk\tv\n1\ttwo three\n\nx\n  y\n\ntail");
}

#[test]
fn inline_elements_do_not_tear_words() {
    assert_eq!(text("<p>un<b>break</b>able <i> spaced </i>out"), "unbreakable spaced out");
}

#[test]
fn frames_scripts_and_hidden_text_are_left_out() {
    let markup = "<title>T</title><style>p{}</style><script>var a</script><header>Site</header><nav>Menu</nav>\
                  <div class='x navheader'>Prev Next</div><p hidden>secret</p><article><header>By Ann</header>Body</article>\
                  <footer>Imprint</footer>";
    assert_eq!(text(markup), "By Ann\n\nBody");
}

#[test]
fn main_stands_for_the_page_only_when_it_holds_it() {
    let words = "word ".repeat(50);
    assert_eq!(text(&format!("<div>around</div><main>{words}</main>")), words.trim());
    assert!(text(&format!("<main>x</main><div>{words}</div>")).contains("word word"));
}

#[test]
fn a_page_of_nothing_but_navigation_keeps_it() {
    assert_eq!(text("<nav><a href=x>Only</a> links</nav>"), "Only links");
}

#[test]
fn title_language_and_charset() {
    let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode(
        "<html lang=ja-JP><meta http-equiv=x content='text/html; charset=Shift_JIS'><title> 題 名\n</title><p>本文",
    );
    let document = parse(&bytes, &Limits::default()).unwrap();
    assert_eq!(document.title.as_deref(), Some("題 名"));
    assert_eq!(document.language.as_deref(), Some("ja"));
    assert_eq!(document.pages.first().unwrap().text, "本文");
}

#[test]
fn declared_charsets() {
    for (head, expected) in [
        ("<meta charset=utf-8>", Some("utf-8")),
        ("<META  Charset = 'ISO-8859-1'/>", Some("iso-8859-1")),
        ("<?xml version='1.0' encoding='euc-jp'?>", Some("euc-jp")),
        ("<meta name=x content=y>", None),
        ("<p>charset=x", None),
    ] {
        assert_eq!(declared_charset(head.as_bytes()).as_deref(), expected, "{head}");
    }
}

#[test]
fn a_hundred_thousand_nested_tags_are_refused_quickly() {
    for tag in ["<div>", "<b>", "<table><tr><td>", "<svg><g>"] {
        let failure = parse(tag.repeat(100_000).as_bytes(), &Limits::default()).unwrap_err();
        assert_eq!(failure.code(), "too_large", "{tag}");
    }
    let deep = format!("{}deep text{}", "<div>".repeat(1_500), "</div>".repeat(1_500));
    assert_eq!(text(&deep), "deep text");
}

#[test]
fn unclosed_tags_that_do_not_nest_are_fine() {
    let markup = "<p>para<li>item".repeat(20_000);
    assert!(text(&markup).starts_with("para\n\nitem\n\npara"));
}

#[test]
fn pictures_are_read_by_their_alternative_text() {
    assert_eq!(text("<p>See <img alt='the  pump' src=x>and<img alt=''>go"), "See the pump and go");
}

#[test]
fn nothing_to_read_is_empty() {
    for markup in ["<html><body></body></html>", "<script>alert(1)</script>", "<img src=x>"] {
        assert_eq!(parse(markup.as_bytes(), &Limits::default()).unwrap_err(), Failure::Empty);
    }
}

proptest! {
    #[test]
    fn any_markup_parses(pieces in proptest::collection::vec(
        prop_oneof![
            "</?(div|p|b|i|table|tr|td|select|template|svg|math|form|li|a|pre|main)>",
            "[<>/&;a-z \"'=!-]{0,12}",
            "\\PC{0,6}",
        ], 0..60)) {
        let outcome = parse(pieces.concat().as_bytes(), &Limits::default());
        prop_assert!(matches!(outcome, Ok(_) | Err(Failure::Empty)));
    }
}
