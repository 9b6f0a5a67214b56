//! Pages as they are found: frames, tables, encodings, and markup that wants to exhaust the parser.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::{Block, BlockKind};

fn text(markup: &str) -> String {
    parse(markup.as_bytes(), &Limits::default()).unwrap().pages.first().unwrap().text.clone()
}

#[test]
fn headings_paragraphs_lists_and_rows() {
    let markup = "<h1>Title</h1><p>One <b>bold</b>\n word.<br>Next line</p><ul><li>a<li>b</ul>\
                  <table><tr><th>k<th>v<tr><td>1<td><p>two</p><p>three</p></table><pre>x\n  y</pre>tail";
    assert_eq!(text(markup), "Title\n\nOne bold word.\nNext line\n\na\nb\n\nk | v\n1 | two three\n\nx\n  y\n\ntail");
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
    assert!(text(&markup).starts_with("para\n\nitem\npara"));
}

#[test]
fn pictures_are_read_by_their_alternative_text() {
    assert_eq!(text("<p>See <img alt='the  pump' src=x>and<img alt=''>go"), "See the pump and go");
}

fn blocks(markup: &str) -> Vec<(BlockKind, String)> {
    let page = parse(markup.as_bytes(), &Limits::default()).unwrap().pages.remove(0);
    let text: Vec<char> = page.text.chars().collect();
    let of = |block: &Block| text[block.span[0] as usize..block.span[1] as usize].iter().collect();
    page.blocks.iter().map(|block| (block.kind, of(block))).collect()
}

fn kinds(markup: &str) -> Vec<BlockKind> {
    blocks(markup).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn kinds_of_blocks() {
    let markup = "<h2>H</h2><div role=heading aria-level=4>R</div><p>p</p><ul><li>i</ul><blockquote><p>q</blockquote>\
                  <pre>  c\n   d</pre><dl><dt>t<dd>d</dl><aside role=doc-footnote>n</aside><figure><figcaption>f</figcaption></figure>";
    use BlockKind::{Code, Heading, ListItem, Note, Paragraph, Quote};
    let levels = [Heading { level: 2 }, Heading { level: 4 }];
    let expected = [levels[0], levels[1], Paragraph, ListItem, Quote, Code, ListItem, ListItem, Note, Paragraph];
    assert_eq!(kinds(markup), expected);
    assert!(text(markup).contains("  c\n   d"));
}

#[test]
fn list_numbers_are_those_shown() {
    let markup = "<ol start=3><li><p>c</p><p>more</p><li value=7>g<ol type=a><li>in</ol><li>h</ol><ol reversed><li>x<li>y</ol>\
                  <ol style='list-style-type: none'><li>z</ol>";
    assert_eq!(text(markup), "3. c\nmore\n7. g\na. in\n8. h\n2. x\n1. y\nz");
}

#[test]
fn tables_with_headers_spans_and_tables_within() {
    let markup = "<table><caption>Cap</caption><thead><tr><th colspan=2>AB<th>C</thead><tr><td rowspan=2>r<td>1<td>2\
                  <tr><td>3<td><table><tr><td>x<td>y</table></table>";
    let table = BlockKind::Table { header_rows: 1 };
    let expected =
        [(BlockKind::Paragraph, "Cap".to_owned()), (table, "AB | AB | C\nr | 1 | 2\nr | 3 | x y".to_owned())];
    assert_eq!(blocks(markup), expected);
    let layout = "<table><tr><td><h1>T</h1><table><tr><td>a<td>b<tr><td>c<td>d</table></table>";
    assert_eq!(text(layout), "T\n\na | b\nc | d");
    assert_eq!(text("<table role=presentation><tr><td>a<td>b</table>"), "a\n\nb");
}

#[test]
fn spans_do_not_fill_the_memory() {
    let cells = "<td rowspan=65535 colspan=64>x".repeat(5_000);
    let markup = format!("<table><tr>{cells}{}</table>", "<tr><td>y".repeat(20_000));
    assert!(text(&markup).len() < 2_000_000);
}

#[test]
fn menus_outside_of_the_prose_and_repeated_contents_are_left_out() {
    let prose = format!("<p>{}</p>", "This is a sentence of the article, with a comma. ".repeat(10)).repeat(3);
    let menu = "<div><ul><li><a href=/a>Alpha</a><li><a href=/b>Beta</a><li><a href=/c>Gamma</a></ul></div>";
    let links = "<ul><li><a href=/d>Delta</a><li><a href=/e>Epsilon</a><li><a href=/f>Zeta</a></ul>";
    let page = text(&format!("<body>{menu}<div><h1>T</h1>{prose}{links}</div></body>"));
    assert!(!page.contains("Alpha") && page.contains("Delta"), "{page}");
    assert!(text(&format!("{menu}<p>Too little prose to judge.</p>")).contains("Alpha"));
    let contents = "<div>Contents<ul><li><a href=#1>First chapter</a><li><a href=#2>Second chapter</a><li><a href=#3>Index</a></ul>\
                    </div><h2>First chapter</h2>a<h2>Second chapter</h2>b<h2>Index</h2>c";
    assert_eq!(text(contents), "First chapter\n\na\n\nSecond chapter\n\nb\n\nIndex\n\nc");
}

#[test]
fn what_is_not_shown_is_left_out() {
    let markup = "<p style='color:red; display : none'>a</p><p style='visibility:hidden'>b</p><dialog>c</dialog><p>d</p>\
                  <ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby> <q>said</q>";
    assert_eq!(text(markup), "d\n\n漢(かん) \"said\"");
}

#[test]
fn empty_tags_of_xhtml_close_their_elements() {
    let head = "<?xml version='1.0'?><html><head><title/><script src='x'/></head><body>";
    let markup =
        format!("{head}<h1><a id='x'/>Title</h1><div/><p>text<i/> on<br/>next</p><svg><g/></svg></body></html>");
    assert_eq!(text(&markup), "Title\n\ntext on\nnext");
    assert_eq!(blocks(&markup)[0].0, BlockKind::Heading { level: 1 });
}

#[test]
fn properties_of_the_page() {
    let markup = "<html xml:lang=fr><meta name=Author content=' Ann  B '><meta property=article:published_time content=2024-02-03>\
                  <meta name=keywords content='a, b'><meta name=date content=nonsense><meta property=og:title content=Shared><p>x";
    let document = parse(markup.as_bytes(), &Limits::default()).unwrap();
    assert_eq!((document.title.as_deref(), document.language.as_deref()), (Some("Shared"), Some("fr")));
    let values: Vec<(&str, &str)> = document.metadata.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(values, [("author", "Ann B"), ("created", "2024-02-03T00:00:00Z"), ("keywords", "a, b")]);
}

/// Every character stands in the source where the origins say, or is there as a reference.
#[test]
fn origins_lead_to_the_markup() {
    let markup = "<!-- é --><h1>Ünï &amp; &eacute;</h1>\r\n<table><tr><th>k<td>漢字</table>x<b>y</b>z<pre>\n line\n&lt;a</pre><ol><li>one";
    let page = parse(markup.as_bytes(), &Limits::default()).unwrap().pages.remove(0);
    let source: Vec<char> = markup.chars().collect();
    let mut found = 0;
    for (t, c) in (0_u32..).zip(page.text.chars()) {
        let at = page.origins.partition_point(|entry| entry[0] <= t);
        let [from, start] = page.origins[at - 1];
        let there = source.get((start + t - from) as usize).copied();
        found += usize::from(there == Some(c) || there == Some('&'));
        assert!(
            there == Some(c) || there == Some('&') || c.is_whitespace() || "|1.".contains(c),
            "{c} {there:?} at {t} in {:?}",
            page.origins
        );
    }
    assert!(found > 20);
}

#[test]
fn long_texts_of_references_and_lines_take_no_more_than_linear_time() {
    for piece in ["&amp;", "x\n", "a&lt;", "<b>x</b>\r\n"] {
        assert!(!text(&format!("<pre>{}</pre>", piece.repeat(200_000))).is_empty());
    }
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
