//! From a tree to paragraphs: one walk without recursion, so that no nesting can exhaust the stack.

use ego_tree::NodeRef;
use ego_tree::iter::Edge;
use scraper::Node;
use scraper::node::Element;

/// Text between these and their surroundings is a paragraph of its own.
const PARAGRAPHS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "center",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
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
    "hr",
    "html",
    "legend",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "title",
    "ul",
];

/// Text between these begins on a line of its own.
const LINES: &[&str] = &["dd", "dt", "li", "option", "tr", "tbody", "thead", "tfoot", "rt"];

/// Cells of a row, separated by a tab.
const CELLS: &[&str] = &["td", "th"];

/// The text below `roots`, entering only the elements that `read` accepts.
pub(super) fn text_of(roots: &[NodeRef<'_, Node>], read: fn(NodeRef<'_, Node>, &Element) -> bool) -> String {
    let mut writer = Writer::default();
    for root in roots {
        walk(*root, read, &mut writer);
        writer.separate(Gap::Paragraph);
    }
    writer.text
}

fn walk(root: NodeRef<'_, Node>, read: fn(NodeRef<'_, Node>, &Element) -> bool, writer: &mut Writer) {
    let mut skipped = None;
    for edge in root.traverse() {
        match edge {
            Edge::Open(_) if skipped.is_some() => {}
            Edge::Open(node) => match node.value() {
                Node::Element(element) if !read(node, element) => skipped = Some(node.id()),
                Node::Element(element) => {
                    writer.open(element.name());
                    // What the page says in place of a picture.
                    element
                        .attr("alt")
                        .filter(|_| element.name() == "img")
                        .into_iter()
                        .for_each(|alt| writer.write(alt));
                }
                Node::Text(text) => writer.write(text),
                _ => {}
            },
            Edge::Close(node) if skipped == Some(node.id()) => skipped = None,
            Edge::Close(_) if skipped.is_some() => {}
            Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    writer.close(element.name());
                }
            }
        }
    }
}

/// What must stand between the text so far and the next text; the larger one wins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Space,
    Cell,
    Line,
    Paragraph,
}

impl Gap {
    fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Space => " ",
            Self::Cell => "\t",
            Self::Line => "\n",
            Self::Paragraph => "\n\n",
        }
    }
}

#[derive(Default)]
struct Writer {
    text: String,
    gap: Gap,
    /// Open `pre` elements: white space counts inside.
    preformatted: u32,
    /// Open cells: blocks inside a cell must not tear its row apart.
    cells: u32,
}

impl Writer {
    fn open(&mut self, name: &str) {
        self.separate(self.gap_of(name));
        self.preformatted += u32::from(name == "pre");
        self.cells += u32::from(CELLS.contains(&name));
    }

    fn close(&mut self, name: &str) {
        self.preformatted = self.preformatted.saturating_sub(u32::from(name == "pre"));
        self.cells = self.cells.saturating_sub(u32::from(CELLS.contains(&name)));
        // A line break was written when it opened.
        if name != "br" {
            self.separate(self.gap_of(name));
        }
    }

    fn gap_of(&self, name: &str) -> Gap {
        match name {
            "br" if self.cells > 0 => Gap::Space,
            "br" => Gap::Line,
            "img" => Gap::Space,
            name if CELLS.contains(&name) => Gap::Cell,
            name if PARAGRAPHS.contains(&name) && self.cells > 0 => Gap::Space,
            name if PARAGRAPHS.contains(&name) => Gap::Paragraph,
            "tr" => Gap::Line,
            name if LINES.contains(&name) && self.cells > 0 => Gap::Space,
            name if LINES.contains(&name) => Gap::Line,
            _ => Gap::None,
        }
    }

    fn separate(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn write(&mut self, text: &str) {
        if self.preformatted > 0 {
            return self.write_preformatted(text);
        }
        if text.starts_with(char::is_whitespace) {
            self.separate(Gap::Space);
        }
        for word in text.split_whitespace() {
            self.flush();
            self.text.push_str(word);
            self.gap = Gap::Space;
        }
        if !text.trim().is_empty() && !text.ends_with(char::is_whitespace) {
            self.gap = Gap::None;
        }
    }

    fn write_preformatted(&mut self, text: &str) {
        if !text.is_empty() {
            self.flush();
            self.text.push_str(text);
        }
    }

    /// Writes the gap; none is needed before the first text.
    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str(self.gap.text());
        }
        self.gap = Gap::None;
    }
}
