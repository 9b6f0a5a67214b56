//! Which elements of a page are its text, and which are the frame around it.

use ego_tree::NodeRef;
use scraper::node::Element;
use scraper::{ElementRef, Html, Node};

/// Never text for a reader.
const NEVER: &[&str] = &[
    "script",
    "style",
    "noscript",
    "template",
    "head",
    "svg",
    "annotation",
    "annotation-xml",
    "iframe",
    "object",
    "embed",
    "applet",
    "canvas",
    "audio",
    "video",
    "select",
    "datalist",
    "button",
    "input",
    "textarea",
    "meter",
    "progress",
];

/// Landmarks around the content (WAI-ARIA 1.2, section 5.3.4), by element and by role.
const FRAME_ELEMENTS: &[&str] = &["nav", "dialog", "menu"];
const FRAME_ROLES: &[&str] = &["navigation", "banner", "contentinfo", "search", "menu", "menubar", "toolbar"];

/// Class names that generators of pages give to navigation. Whole names only.
const FRAME_CLASSES: &[&str] = &[
    "nav",
    "navbar",
    "navheader",
    "navfooter",
    "navigation",
    "breadcrumb",
    "breadcrumbs",
    "sidebar",
    "site-header",
    "site-footer",
    "skip-link",
    "sphinxsidebar",
    "related",
    "pagination",
    "cookie-banner",
];

/// Smallest share of the page's text for `main` to stand for the page.
const MAIN_PERCENT: usize = 25;

/// The `main` elements, if they hold a fair share of the text.
pub(super) fn main_elements(html: &Html) -> Option<Vec<NodeRef<'_, Node>>> {
    let main: Vec<_> = html.tree.root().descendants().filter(|node| is_main(node)).collect();
    let outermost = main.iter().filter(|node| !node.ancestors().any(|above| is_main(&above))).copied();
    let main: Vec<_> = outermost.collect();
    let whole = text_length(html.tree.root());
    let held: usize = main.iter().map(|node| text_length(*node)).sum();
    (!main.is_empty() && held * 100 >= whole * MAIN_PERCENT).then_some(main)
}

fn is_main(node: &NodeRef<'_, Node>) -> bool {
    let element = node.value().as_element();
    element.is_some_and(|element| element.name() == "main" || element.attr("role") == Some("main"))
}

fn text_length(node: NodeRef<'_, Node>) -> usize {
    let texts = node.descendants().filter_map(|inner| inner.value().as_text());
    texts.map(|text| text.trim().len()).sum()
}

/// Whether an element is to be read when frames are left out.
pub(super) fn is_content(node: NodeRef<'_, Node>, element: &Element) -> bool {
    is_text(node, element) && !is_frame(element) && !is_page_header(node, element)
}

/// Whether an element is to be read at all.
pub(super) fn is_text(_: NodeRef<'_, Node>, element: &Element) -> bool {
    let hidden = element.attr("hidden").is_some() || element.attr("aria-hidden") == Some("true");
    !hidden && !NEVER.contains(&element.name())
}

fn is_frame(element: &Element) -> bool {
    FRAME_ELEMENTS.contains(&element.name())
        || element.attr("role").is_some_and(|role| FRAME_ROLES.contains(&role))
        || element.classes().any(|class| FRAME_CLASSES.contains(&class))
}

/// `header` and `footer` frame the page only where they are not part of an article or section.
fn is_page_header(node: NodeRef<'_, Node>, element: &Element) -> bool {
    let sections = ["article", "section", "main", "blockquote", "td"];
    matches!(element.name(), "header" | "footer")
        && !node.ancestors().filter_map(ElementRef::wrap).any(|above| sections.contains(&above.value().name()))
        && !holds_title(node)
}

/// A header that holds the page's `h1` carries its title, which belongs to the text.
fn holds_title(node: NodeRef<'_, Node>) -> bool {
    node.descendants().filter_map(ElementRef::wrap).any(|inner| inner.value().name() == "h1")
}
