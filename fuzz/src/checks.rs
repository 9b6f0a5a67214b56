//! What holds for every document, whatever the bytes were.

use heimdex_extractor::{Document, Limits, Page};

/// Panics when a promise of [`Document`] or [`Page`] is broken.
pub fn document(document: &Document, limits: &Limits) {
    assert!(document.text_bytes() <= limits.max_text_bytes, "{} bytes of text", document.text_bytes());
    for (number, page) in (1..).zip(&document.pages) {
        assert_eq!(page.number, number, "pages are numbered from 1");
        check_page(page);
    }
}

fn check_page(page: &Page) {
    let chars: Vec<char> = page.text.chars().collect();
    let mut end = 0;
    for block in &page.blocks {
        let [from, to] = block.span.map(|at| at as usize);
        assert!(end <= from && from < to && to <= chars.len(), "{block:?} behind {end} of {}", chars.len());
        assert!(chars[end..from].iter().all(|c| c.is_whitespace()), "text between blocks before {block:?}");
        end = to;
    }
    let rest_is_blank = chars[end..].iter().all(|c| c.is_whitespace());
    assert!(page.blocks.is_empty() || rest_is_blank, "text behind the last block");
    let ascending = page.origins.windows(2).all(|pair| pair[0][0] < pair[1][0]);
    let inside = page.origins.iter().all(|[at, _]| (*at as usize) < chars.len().max(1));
    assert!(ascending && inside, "origins {:?} of {} characters", page.origins, chars.len());
}
