//! From a tree to blocks: one walk without recursion, so that no nesting can exhaust the stack.

use ego_tree::iter::Edge;
use ego_tree::{NodeId, NodeRef};
use heimdex_schemas::BlockKind;
use scraper::Node;
use scraper::node::Element;

use super::flow::{Flow, Gap};
use super::list::List;
use super::table::{self, Table};
use super::trace::Traced;
use crate::PageBuilder;

/// Text between these and their surroundings is a block of its own.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "html",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "optgroup",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
];

/// The text below `roots` as blocks of `page`, entering only the elements that `read` accepts.
pub(super) fn write(
    traced: &Traced,
    roots: &[NodeRef<'_, Node>],
    read: impl Fn(NodeRef<'_, Node>, &Element) -> bool,
    max_bytes: u64,
) -> PageBuilder {
    let mut writer = Writer { max_bytes, ..Writer::default() };
    for root in roots {
        walk(traced, *root, &read, &mut writer);
        writer.end_block();
    }
    writer.page
}

fn walk(
    traced: &Traced,
    root: NodeRef<'_, Node>,
    read: &impl Fn(NodeRef<'_, Node>, &Element) -> bool,
    writer: &mut Writer,
) {
    let mut skipped: Option<NodeId> = None;
    for edge in root.traverse() {
        if writer.is_full() {
            return;
        }
        match edge {
            Edge::Open(_) if skipped.is_some() => {}
            Edge::Open(node) => match node.value() {
                Node::Element(element) if !read(node, element) => skipped = Some(node.id()),
                Node::Element(element) => writer.open(node, element),
                Node::Text(text) => writer.write(text, traced.origins(node.id())),
                _ => {}
            },
            Edge::Close(node) if skipped == Some(node.id()) => skipped = None,
            Edge::Close(_) if skipped.is_some() => {}
            Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    writer.close(element);
                }
            }
        }
    }
}

/// What is open around the text.
#[derive(Default)]
struct Writer {
    page: PageBuilder,
    flow: Flow,
    table: Option<Table>,
    lists: Vec<List>,
    items: u32,
    quotes: u32,
    notes: u32,
    preformatted: u32,
    heading: Option<u8>,
    max_bytes: u64,
}

impl Writer {
    /// Over the limit on text, which whoever asked will notice.
    fn is_full(&self) -> bool {
        self.page.bytes() > self.max_bytes
    }

    fn open(&mut self, node: NodeRef<'_, Node>, element: &Element) {
        let name = element.name();
        if self.open_in_table(element) {
            return;
        }
        if BLOCKS.contains(&name) && !self.flow.is_mark() {
            self.boundary();
        }
        match name {
            "table" if table::holds_data(node, element) => self.table = Some(Table::default()),
            "ul" | "ol" | "menu" | "dir" => self.lists.push(List::of(element, || items_of(node))),
            "li" => self.open_item(element),
            "dt" | "dd" => self.items += 1,
            "pre" => self.preformatted += 1,
            "blockquote" => self.quotes += 1,
            "q" => self.target().write_shown("\""),
            "rt" => self.target().write_shown("("),
            // In a cell laid out, not related: still apart from its neighbours.
            "br" => self.line_end(),
            "img" => self.write_alternative(element),
            _ => {}
        }
        self.notes += u32::from(is_note(element));
        self.heading = heading_level(element).or(self.heading);
    }

    fn close(&mut self, element: &Element) {
        let name = element.name();
        if self.close_in_table(element) {
            return;
        }
        if let Some(title) = element.attr("title").filter(|_| name == "abbr") {
            self.target().write_shown(&format!(" ({title})"));
        }
        if matches!(name, "q" | "rt") {
            self.target().write_shown(if name == "q" { "\"" } else { ")" });
        }
        if BLOCKS.contains(&name) {
            self.boundary();
        }
        match name {
            "ul" | "ol" | "menu" | "dir" => drop(self.lists.pop()),
            "li" | "dt" | "dd" => self.items = self.items.saturating_sub(1),
            "pre" => self.preformatted = self.preformatted.saturating_sub(1),
            "blockquote" => self.quotes = self.quotes.saturating_sub(1),
            _ => {}
        }
        self.notes = self.notes.saturating_sub(u32::from(is_note(element)));
        if heading_level(element).is_some() {
            self.heading = None;
        }
    }

    /// Rows and cells of the table that is being read. Whether the element was one of them.
    fn open_in_table(&mut self, element: &Element) -> bool {
        let Some(table) = &mut self.table else { return false };
        match element.name() {
            "table" => {
                table.nested += 1;
                self.boundary();
            }
            "thead" | "tbody" | "tfoot" | "tr" | "td" | "th" if table.nested == 0 => table.open(element),
            _ => return false,
        }
        true
    }

    fn close_in_table(&mut self, element: &Element) -> bool {
        let Some(table) = &mut self.table else { return false };
        match element.name() {
            "table" if table.nested == 0 => {
                if let Some(table) = self.table.take() {
                    table.finish(&mut self.page);
                }
            }
            "table" => {
                table.nested -= 1;
                self.boundary();
            }
            "thead" | "tbody" | "tfoot" | "tr" | "td" | "th" if table.nested == 0 => table.close(element.name()),
            _ => return false,
        }
        true
    }

    fn open_item(&mut self, element: &Element) {
        self.items += 1;
        let mark = self.lists.last_mut().and_then(|list| list.mark(element));
        if let Some(mark) = mark {
            self.target().write_mark(&mark);
        }
    }

    fn write(&mut self, text: &str, origins: &[[u32; 2]]) {
        let in_cell = self.table.as_ref().is_some_and(Table::in_cell);
        if self.preformatted > 0 && !in_cell {
            return self.flow.write_verbatim(text, origins);
        }
        self.target().write(text, origins);
    }

    /// What the page says in place of a picture.
    fn write_alternative(&mut self, element: &Element) {
        let flow = self.target();
        flow.separate(Gap::Space);
        flow.write_shown(element.attr("alt").unwrap_or_default());
        flow.separate(Gap::Space);
    }

    fn line_end(&mut self) {
        let in_cell = self.table.as_ref().is_some_and(Table::in_cell);
        if self.preformatted > 0 && !in_cell {
            return self.flow.write_verbatim("\n", &[]);
        }
        self.target().separate(if in_cell { Gap::Space } else { Gap::Line });
    }

    fn target(&mut self) -> &mut Flow {
        match &mut self.table {
            Some(table) if table.in_cell() => &mut table.flow,
            _ => &mut self.flow,
        }
    }

    /// A block begins or ends. Blocks in a cell must not tear its row apart.
    fn boundary(&mut self) {
        match &mut self.table {
            Some(table) if table.in_cell() => table.flow.separate(Gap::Space),
            _ => self.end_block(),
        }
    }

    fn end_block(&mut self) {
        let flow = std::mem::take(&mut self.flow);
        if !flow.is_empty() {
            self.page.push_from(self.kind(), &flow.text, &flow.origins);
        }
    }

    fn kind(&self) -> BlockKind {
        match self.heading {
            _ if self.preformatted > 0 => BlockKind::Code,
            Some(level) => BlockKind::Heading { level },
            None if self.notes > 0 => BlockKind::Note,
            None if self.items > 0 => BlockKind::ListItem,
            None if self.quotes > 0 => BlockKind::Quote,
            None => BlockKind::Paragraph,
        }
    }
}

/// Items of the list itself, not of lists in it.
fn items_of(list: NodeRef<'_, Node>) -> usize {
    list.children().filter(|child| child.value().as_element().is_some_and(|child| child.name() == "li")).count()
}

fn heading_level(element: &Element) -> Option<u8> {
    match element.name() {
        "h1" => Some(1),
        "h2" => Some(2),
        "h3" => Some(3),
        "h4" => Some(4),
        "h5" => Some(5),
        "h6" => Some(6),
        // WAI-ARIA 1.2, section 5.4, "heading": the level is 2 where none is given.
        _ if element.attr("role") == Some("heading") => {
            let level = element.attr("aria-level").and_then(|level| level.trim().parse::<u8>().ok());
            Some(level.unwrap_or(2).clamp(1, 6))
        }
        _ => None,
    }
}

/// Footnotes, by the roles of DPUB-ARIA 1.0 and the class names of the usual generators.
fn is_note(element: &Element) -> bool {
    let role = element.attr("role").is_some_and(|role| matches!(role, "doc-footnote" | "doc-endnote" | "doc-endnotes"));
    let class = || element.classes().any(|class| matches!(class, "footnote" | "footnotes" | "endnote" | "endnotes"));
    role || (matches!(element.name(), "div" | "section" | "aside" | "ol" | "dl" | "li" | "p") && class())
}
