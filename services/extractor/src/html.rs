//! HTML: the main text in blocks, without scripts, styles and navigation.
//!
//! [`select`] says which elements are read; [`blocks`] turns them into paragraphs.

mod blocks;
mod select;

use std::cell::RefCell;

use html5ever::driver::{self, ParseOpts};
use html5ever::tendril::{StrTendril, TendrilSink};
use scraper::{Html, HtmlTreeSink, Selector};

use crate::charset::{self, Decoded};
use crate::tidy::tidy;
use crate::{Document, Failure, Format, Limits, Warning, language, text};

/// Bytes in which a `charset` declaration must stand (HTML standard, "Specifying the document's character encoding").
const PRESCAN: usize = 1024;

/// Characters parsed between two looks at the depth. A deeper document costs the parser time quadratic in its depth.
const CHUNK: usize = 4096;

/// Reads the main text of `bytes` as one page.
///
/// # Errors
/// `too_large` over the limits on nesting and text, `empty` when there is no text.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
    let decoded = charset::decode(bytes, declared_charset(bytes).as_deref());
    let html = tree(&decoded.text, limits.max_html_depth)?;
    let mut document = Document::single(Format::Html, main_text(&html));
    document.title = title(&html);
    document.language = lang(&html).and_then(language::declared);
    document.warnings.extend(invalid_bytes(decoded));
    text::check_text(&document, limits)?;
    Ok(document)
}

fn invalid_bytes(decoded: Decoded) -> Option<Warning> {
    decoded.invalid.then_some(Warning::InvalidBytes { encoding: decoded.encoding })
}

/// `charset=` of a `meta` element or `encoding=` of an XML declaration, read before the encoding is known.
fn declared_charset(bytes: &[u8]) -> Option<String> {
    let head = charset::ascii_head(bytes, PRESCAN).to_ascii_lowercase();
    let tag = |open: &str, key: &str| {
        let start = head.find(open)?;
        let inside = head.get(start..)?;
        inside.find(key).and_then(|at| inside.get(at + key.len()..)).and_then(attribute_value)
    };
    tag("<meta", "charset").or_else(|| tag("<?xml", "encoding"))
}

/// The value after `charset`: `="utf-8"`, `= utf-8;`, `=utf-8>`.
fn attribute_value(after: &str) -> Option<String> {
    let value = after.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c))).unwrap_or(value.len());
    value.get(..end).filter(|label| !label.is_empty()).map(str::to_owned)
}

/// The document tree, refused as soon as elements are open deeper than `max_depth`.
fn tree(markup: &str, max_depth: u64) -> Result<Html, Failure> {
    let mut parser = driver::parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
    for chunk in chunks(markup) {
        parser.process(StrTendril::from(chunk));
        if depth_of_newest(&parser.tokenizer.sink.sink.0) > max_depth {
            return Err(Failure::too_large("nesting of HTML elements", max_depth));
        }
    }
    Ok(parser.finish())
}

fn chunks(markup: &str) -> impl Iterator<Item = &str> {
    let mut rest = markup;
    std::iter::from_fn(move || {
        let (chunk, after) = rest.split_at(rest.ceil_char_boundary(CHUNK.min(rest.len())));
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// Ancestors of the node added last: elements that stay open keep it deep.
fn depth_of_newest(html: &RefCell<Html>) -> u64 {
    html.borrow().tree.nodes().next_back().map_or(0, |node| node.ancestors().count() as u64)
}

fn main_text(html: &Html) -> String {
    let main = select::main_elements(html);
    let text = tidy(&blocks::text_of(main.as_deref().unwrap_or(&[html.tree.root()]), select::is_content));
    if text.is_empty() {
        // A page that is nothing but navigation still has that text.
        return tidy(&blocks::text_of(&[html.tree.root()], select::is_text));
    }
    text
}

fn title(html: &Html) -> Option<String> {
    let selector = Selector::parse("title").ok()?;
    let text: String = html.select(&selector).next()?.text().collect();
    let title = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then_some(title)
}

fn lang(html: &Html) -> Option<&str> {
    let root = html.tree.root().children().find_map(scraper::ElementRef::wrap)?;
    root.attr("lang").or_else(|| root.attr("xml:lang"))
}

#[cfg(test)]
mod tests;
