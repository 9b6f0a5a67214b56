//! HTML: the main text in blocks, without scripts, styles and navigation.
//!
//! [`trace`] parses the markup, [`select`] says which elements are read, [`blocks`] turns them into the page's blocks.

mod blocks;
mod flow;
mod list;
mod meta;
mod select;
mod table;
mod trace;

use ego_tree::NodeRef;
use scraper::Node;

use crate::charset::{self, Decoded};
use crate::{Document, Failure, Format, Limits, Page, Warning, language, text};
pub(crate) use flow::{Flow, Gap};
use trace::Traced;

/// Bytes in which a `charset` declaration must stand (HTML standard, "Specifying the document's character encoding").
const PRESCAN: usize = 1024;

/// Reads the main text of `bytes` as one page.
///
/// # Errors
/// `too_large` over the limits on nesting and text, `empty` when there is no text.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
    let decoded = charset::decode(bytes, declared_charset(bytes).as_deref());
    let mut document = parse_text(&decoded.text, limits)?;
    document.warnings.extend(invalid_bytes(decoded));
    Ok(document)
}

/// As [`parse`], of markup that is decoded already.
pub(crate) fn parse_text(markup: &str, limits: &Limits) -> Result<Document, Failure> {
    let traced = trace::tree(markup, limits.max_html_depth)?;
    let mut document = Document::of_pages(Format::Html, vec![main_page(&traced, limits)]);
    document.title = meta::title(&traced.html);
    document.language = meta::language(&traced.html).and_then(language::declared);
    document.metadata = meta::properties(&traced.html);
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

fn main_page(traced: &Traced, limits: &Limits) -> Page {
    let html = &traced.html;
    let whole = [html.tree.root()];
    let main = select::main_elements(html);
    let roots: &[NodeRef<'_, Node>] = main.as_deref().unwrap_or(&whole);
    let menus = select::menus(html);
    let read = |node: NodeRef<'_, Node>, element: &_| !menus.contains(&node.id()) && select::is_content(node, element);
    let page = blocks::write(traced, roots, read, limits.max_text_bytes);
    if !page.is_empty() {
        return page.finish(1);
    }
    // A page that is nothing but navigation still has that text.
    blocks::write(traced, &whole, select::is_text, limits.max_text_bytes).finish(1)
}

#[cfg(test)]
mod tests;
