//! What Markdown becomes, and what is not taken for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::Page;

fn page(markdown: &str) -> Page {
    parse(markdown.as_bytes(), &Limits::default()).unwrap().pages.remove(0)
}

#[test]
fn blocks_without_signs() {
    let page = page(
        "Title\n=====\n\nSome *emphasis* and [a link](http://x.y \"t\"),\nnext `code` ![a picture](p.png).\n\n3. three\n4. four\n   - inner\n\n\
         > quoted\n\n```rust\nfn main() {\n    x\n}\n```\n\n| k | v |\n|---|---|\n| a | b<br>c |\n\nNote[^1].\n\n[^1]: The note.\n\n<div>raw <b>html</b></div>\n",
    );
    assert_eq!(
        page.text,
        "Title\n\nSome emphasis and a link, next code a picture.\n\n3. three\n4. four\ninner\n\nquoted\n\nfn main() {\n    x\n}\n\n\
         k | v\na | b c\n\nNote[1].\n\n[1] The note.\n\nraw html"
    );
    let kinds: Vec<BlockKind> = page.blocks.iter().map(|block| block.kind).collect();
    assert_eq!(kinds.first(), Some(&BlockKind::Heading { level: 1 }));
    for kind in
        [BlockKind::Code, BlockKind::Quote, BlockKind::Note, BlockKind::ListItem, BlockKind::Table { header_rows: 1 }]
    {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}

#[test]
fn front_matter_is_metadata() {
    let document = parse(
        b"---\ntitle: \"The title\"\nauthor: Ann\ndate: 2024-02-03\n---\n\n# Heading\n\ntext\n",
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(document.title.as_deref(), Some("The title"));
    assert_eq!(document.metadata.get("created").map(String::as_str), Some("2024-02-03T00:00:00Z"));
    assert_eq!(document.pages.first().unwrap().text, "Heading\n\ntext");
}

#[test]
fn origins_lead_to_the_file() {
    let source = "# Ünïcode\n\nIt is **bold** &amp; `plain`.\n";
    let page = page(source);
    let (text, file): (Vec<char>, Vec<char>) = (page.text.chars().collect(), source.chars().collect());
    let at = |wanted: &str| {
        page.text
            .chars()
            .collect::<String>()
            .find(wanted)
            .map(|byte| page.text.get(..byte).unwrap().chars().count())
            .unwrap()
    };
    for word in ["Ünïcode", "bold", "plain", "It is"] {
        let t = at(word);
        let [from, source] = page.origins[page.origins.partition_point(|entry| entry[0] as usize <= t) - 1];
        let s = source as usize + t - from as usize;
        assert_eq!(file[s..s + 4], text[t..t + 4], "{word}");
    }
}

#[test]
fn recognized_with_care() {
    for markdown in [
        "# Title\n\nSee [this](x.md).\n",
        "Intro\n\n```\ncode\n```\n\n- a\n- b\n",
        "# One\n\nThis sentence is long enough to count as prose, it is.\n\n## Two\n\nAnd this one is also long enough to be counted.\n",
    ] {
        assert!(is_markdown(markdown), "{markdown}");
    }
    for other in [
        "# comment\nkey: value\n- item\n- item\n",
        "#!/bin/sh\n# This is a comment that is long enough, with a stop.\nset -e\n",
        "plain text\n- with a list\n- of two\n",
        "/** doc **/ int x[3](2);\n",
        "1. one\n2. two\n",
    ] {
        assert!(!is_markdown(other), "{other}");
    }
}

proptest! {
    #[test]
    fn any_text_parses(text in "[-#>*`|\\[\\]()_ \\n1.a漢<&;~^:!]{0,120}") {
        let outcome = parse(text.as_bytes(), &Limits::default());
        prop_assert!(matches!(outcome, Ok(_) | Err(Failure::Empty)));
        prop_assert!(!is_markdown(&text) || text.len() > 4);
    }
}
