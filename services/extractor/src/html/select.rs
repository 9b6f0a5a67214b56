//! Which elements of a page are its text, and which are the frame around it.
//!
//! Structure first: elements, roles and class names that say what they are. Then, where a page has enough prose to tell,
//! what lies outside of the part that holds the prose and is made of links. Nothing within that part is judged by its
//! looks: losing text is worse than keeping a menu.

use std::collections::HashSet;

use ego_tree::iter::Edge;
use ego_tree::{NodeId, NodeRef};
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
    "rp",
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
    "mw-editsection",
    "mw-jump-link",
    "headerlink",
];

/// Smallest share of the page's text for `main` to stand for the page.
const MAIN_PERCENT: usize = 25;
/// A paragraph of at least this many bytes, few of them in links, is prose.
const PROSE_BYTES: usize = 80;
/// Prose that a page needs before what lies outside of it is judged.
const ENOUGH_PROSE: usize = 600;
/// Share of the prose that the part of the page called its content holds.
const CONTENT_PERCENT: usize = 90;
/// Links and share of its text that they make up for an element to be a menu.
const MENU_LINKS: usize = 3;
const MENU_PERCENT: usize = 60;
/// The same for a table of contents, and the share of its links that are headings of the page.
const CONTENTS_LINKS: usize = 3;
const CONTENTS_PERCENT: usize = 70;

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

/// Bytes of text that a reader sees.
fn text_length(node: NodeRef<'_, Node>) -> usize {
    let mut length = 0;
    let mut skipped = None;
    for edge in node.traverse() {
        match edge {
            Edge::Open(_) if skipped.is_some() => {}
            Edge::Open(inner) => match inner.value() {
                Node::Text(text) => length += text.trim().len(),
                Node::Element(element) if NEVER.contains(&element.name()) => skipped = Some(inner.id()),
                _ => {}
            },
            Edge::Close(inner) if skipped == Some(inner.id()) => skipped = None,
            Edge::Close(_) => {}
        }
    }
    length
}

/// Whether an element is to be read when frames are left out.
pub(super) fn is_content(node: NodeRef<'_, Node>, element: &Element) -> bool {
    is_text(node, element) && !is_frame(element) && !is_page_header(node, element)
}

/// Whether an element is to be read at all.
pub(super) fn is_text(_: NodeRef<'_, Node>, element: &Element) -> bool {
    let hidden = element.attr("hidden").is_some()
        || element.attr("aria-hidden") == Some("true")
        || element.attr("style").is_some_and(is_invisible)
        || (element.name() == "dialog" && element.attr("open").is_none());
    !hidden && !NEVER.contains(&element.name())
}

fn is_invisible(css: &str) -> bool {
    css.split(';').filter_map(|rule| rule.split_once(':')).any(|(name, value)| {
        let (name, value) = (name.trim(), value.trim().trim_end_matches("!important").trim_end());
        (name.eq_ignore_ascii_case("display") && value.eq_ignore_ascii_case("none"))
            || (name.eq_ignore_ascii_case("visibility") && value.eq_ignore_ascii_case("hidden"))
    })
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

/// The elements that are menus and tables of contents by what they hold.
pub(super) fn menus(html: &Html) -> HashSet<NodeId> {
    let headings = headings(html);
    let measured = measure(html, &headings);
    let mut menus: HashSet<NodeId> =
        measured.nodes.iter().filter(|(_, sum)| sum.is_contents()).map(|(id, _)| *id).collect();
    let Some(content) = content(&measured) else { return menus };
    let mut at = 0;
    while let Some((id, sum)) = measured.nodes.get(at) {
        let outside = !measured.contains(content, at) && !measured.contains(at, content);
        let is_links = outside && sum.is_links();
        if is_links && sum.text * 2 <= measured.prose() {
            menus.insert(*id);
        }
        // What is kept as a whole is not taken apart: a page may be a table of contents with a preface.
        at = if is_links || at == content { sum.end.max(at + 1) } else { at + 1 };
    }
    menus
}

/// What lies below an element: bytes of text, how many of them in links and in prose, links, and links to headings.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    text: usize,
    linked: usize,
    prose: usize,
    links: usize,
    repeats: usize,
    /// Headings of the page within.
    headings: usize,
    is_paragraph: bool,
    /// One past the last element within, in document order.
    end: usize,
}

impl Sum {
    fn is_links(&self) -> bool {
        self.links >= MENU_LINKS && self.linked * 100 >= self.text * MENU_PERCENT
    }

    /// A list of what stands as headings further on adds nothing to the text.
    fn is_contents(&self) -> bool {
        self.links >= CONTENTS_LINKS
            && self.headings == 0
            && self.linked * 100 >= self.text * CONTENTS_PERCENT
            && self.repeats * 100 >= self.links * CONTENTS_PERCENT
    }
}

/// Every container in document order with its sum.
struct Measured {
    nodes: Vec<(NodeId, Sum)>,
}

impl Measured {
    fn prose(&self) -> usize {
        self.nodes.first().map_or(0, |(_, sum)| sum.prose)
    }

    fn contains(&self, outer: usize, inner: usize) -> bool {
        outer <= inner && self.nodes.get(outer).is_some_and(|(_, sum)| inner < sum.end)
    }
}

const CONTAINERS: &[&str] = &[
    "html",
    "body",
    "div",
    "section",
    "article",
    "main",
    "aside",
    "ul",
    "ol",
    "dl",
    "table",
    "td",
    "tr",
    "tbody",
    "p",
    "form",
    "center",
    "header",
    "footer",
    "span",
    "blockquote",
    "details",
];

fn measure(html: &Html, headings: &HashSet<String>) -> Measured {
    let mut nodes: Vec<(NodeId, Sum)> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut link: Option<(NodeId, String)> = None;
    let mut skipped = None;
    for edge in html.tree.root().traverse() {
        match edge {
            Edge::Open(_) if skipped.is_some() => {}
            Edge::Close(node) if skipped == Some(node.id()) => skipped = None,
            Edge::Close(_) if skipped.is_some() => {}
            Edge::Open(node) => match node.value() {
                Node::Element(element) if !is_content(node, element) => skipped = Some(node.id()),
                Node::Element(element) => {
                    if element.name() == "a" && element.attr("href").is_some() && link.is_none() {
                        link = Some((node.id(), String::new()));
                    }
                    if CONTAINERS.contains(&element.name()) {
                        open.push(nodes.len());
                        nodes.push((node.id(), Sum::default()));
                    }
                    add(&mut nodes, &open, |sum| sum.headings += usize::from(is_heading(element)));
                }
                Node::Text(text) => {
                    let length = text.trim().len();
                    let linked = if link.is_some() { length } else { 0 };
                    link.iter_mut().for_each(|(_, words)| words.push_str(text));
                    add(&mut nodes, &open, |sum| {
                        sum.text += length;
                        sum.linked += linked;
                    });
                }
                _ => {}
            },
            Edge::Close(node) => {
                if let Some((_, words)) = link.take_if(|(id, _)| *id == node.id()) {
                    let repeats = usize::from(headings.contains(&key(&words)));
                    add(&mut nodes, &open, |sum| {
                        sum.links += 1;
                        sum.repeats += repeats;
                    });
                }
                if node.value().as_element().is_some_and(|element| CONTAINERS.contains(&element.name())) {
                    close(
                        &mut nodes,
                        &mut open,
                        node.value().as_element().is_some_and(|element| element.name() == "p"),
                    );
                }
            }
        }
    }
    Measured { nodes }
}

/// Adds to the innermost open container; sums go up when it closes.
fn add(nodes: &mut [(NodeId, Sum)], open: &[usize], change: impl FnOnce(&mut Sum)) {
    if let Some((_, sum)) = open.last().and_then(|at| nodes.get_mut(*at)) {
        change(sum);
    }
}

fn close(nodes: &mut [(NodeId, Sum)], open: &mut Vec<usize>, is_paragraph: bool) {
    let end = nodes.len();
    let Some(at) = open.pop() else { return };
    let Some((_, sum)) = nodes.get_mut(at) else { return };
    sum.end = end;
    sum.is_paragraph = is_paragraph;
    if is_paragraph && sum.text >= PROSE_BYTES && sum.linked * 2 < sum.text {
        sum.prose = sum.text;
    }
    let done = *sum;
    add(nodes, open, |outer| {
        outer.text += done.text;
        outer.linked += done.linked;
        outer.prose += done.prose;
        outer.links += done.links;
        outer.repeats += done.repeats;
        outer.headings += done.headings;
    });
}

/// The innermost container that holds nearly all prose, if there is enough of it.
fn content(measured: &Measured) -> Option<usize> {
    let whole = Some(measured.prose()).filter(|prose| *prose >= ENOUGH_PROSE)?;
    let holders = measured.nodes.iter().enumerate();
    let holds = |sum: &Sum| !sum.is_paragraph && sum.prose * 100 >= whole * CONTENT_PERCENT;
    holders.filter(|(_, (_, sum))| holds(sum)).map(|(at, _)| at).next_back()
}

fn is_heading(element: &Element) -> bool {
    matches!(element.name(), "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

fn headings(html: &Html) -> HashSet<String> {
    let elements = html.tree.root().descendants().filter_map(ElementRef::wrap);
    let headings = elements.filter(|element| is_heading(element.value()));
    headings.map(|element| key(&element.text().collect::<String>())).filter(|key| !key.is_empty()).collect()
}

/// Text without white space, to compare.
fn key(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
