//! Markup to a tree whose texts know where in the markup they stand.
//!
//! The parser is fed piece by piece (a run of text, a tag, a character reference); what text it adds to the tree while it
//! has a piece in hand comes from that piece.

use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;

use ego_tree::NodeId;
use html5ever::driver::{self, ParseOpts};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, QualName};
use scraper::{Html, HtmlTreeSink};

use crate::Failure;
use crate::tidy::{append, count};

/// Characters parsed between two looks at the depth. A deeper document costs the parser time quadratic in its depth.
const DEPTH_INTERVAL: u32 = 4096;
/// Bytes that the parser may leave out before a text, such as the line end after `<pre>`.
const LEFT_OUT: usize = 64;
/// Longer than any named character reference (HTML standard, section 13.5).
const REFERENCE_BYTES: usize = 40;

/// A parsed page.
pub(super) struct Traced {
    pub html: Html,
    origins: HashMap<NodeId, TextOrigins>,
}

/// Of one text node: its length in characters, and where they come from.
#[derive(Default)]
struct TextOrigins {
    length: u32,
    entries: Vec<[u32; 2]>,
}

impl Traced {
    /// Where the characters of a text node stand in the markup.
    pub(super) fn origins(&self, text: NodeId) -> &[[u32; 2]] {
        self.origins.get(&text).map_or(&[], |origins| origins.entries.as_slice())
    }
}

/// The tree of `markup`, refused as soon as elements are open deeper than `max_depth`.
pub(super) fn tree(markup: &str, max_depth: u64) -> Result<Traced, Failure> {
    let mut parser = driver::parse_document(Sink::new(), ParseOpts::default());
    let whole = StrTendril::from(markup);
    let xml = is_xhtml(markup);
    let (mut offset, mut position, mut checked) = (0_u32, 0_u32, 0_u32);
    let mut pictures = 0_u32;
    for piece in pieces(markup) {
        let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let tendril = whole.subtendril(offset, bytes);
        parser.tokenizer.sink.sink.begin(position, tendril.clone());
        parser.process(tendril);
        if xml {
            pictures =
                (pictures + u32::from(piece.starts_with("<svg"))).saturating_sub(u32::from(piece.starts_with("</svg")));
            if let Some(name) = closes_itself(piece).filter(|_| pictures == 0) {
                parser.process(StrTendril::from(format!("</{name}>")));
            }
        }
        offset += bytes;
        position += count(piece);
        if position - checked >= DEPTH_INTERVAL {
            checked = position;
            if parser.tokenizer.sink.sink.depth_of_newest() > max_depth {
                return Err(Failure::too_large("nesting of HTML elements", max_depth));
            }
        }
    }
    if parser.tokenizer.sink.sink.depth_of_newest() > max_depth {
        return Err(Failure::too_large("nesting of HTML elements", max_depth));
    }
    Ok(parser.finish())
}

/// Whether an empty-element tag closes its element, as in XML.
fn is_xhtml(markup: &str) -> bool {
    let head = markup.get(..markup.floor_char_boundary(1024)).unwrap_or_default();
    head.trim_start().starts_with("<?xml") || head.contains("//DTD XHTML")
}

/// Elements that have no end tag in HTML either.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// The element that `<name … />` opens and, in XML, closes.
fn closes_itself(piece: &str) -> Option<&str> {
    let inside = piece.strip_prefix('<')?.strip_suffix("/>")?;
    let name = inside.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    let quoted = inside.matches('"').count() % 2 == 0 && inside.matches('\'').count() % 2 == 0;
    (!name.is_empty() && quoted && !VOID.iter().any(|void| void.eq_ignore_ascii_case(name))).then_some(name)
}

/// Cuts before `<` and `&`, after `>`, after a character reference, and around carriage returns, which the parser changes.
fn pieces(markup: &str) -> impl Iterator<Item = &str> {
    let mut rest = markup;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(piece_length(rest.as_bytes()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// All cuts lie beside ASCII characters, so never within another.
fn piece_length(rest: &[u8]) -> usize {
    let until = |is: fn(u8) -> bool| rest.iter().skip(1).position(|byte| is(*byte)).map(|at| at + 1);
    match rest.first() {
        None => 0,
        Some(b'<') => match until(|byte| matches!(byte, b'>' | b'<')) {
            Some(at) if rest.get(at) == Some(&b'>') => at + 1,
            Some(at) => at,
            None => rest.len(),
        },
        Some(b'&') => {
            let name = until(|byte| !byte.is_ascii_alphanumeric() && byte != b'#').unwrap_or(rest.len());
            if name > REFERENCE_BYTES {
                return 1;
            }
            name + usize::from(rest.get(name) == Some(&b';'))
        }
        Some(b'\r') => 1 + usize::from(rest.get(1) == Some(&b'\n')),
        Some(_) => until(|byte| matches!(byte, b'<' | b'&' | b'\r')).unwrap_or(rest.len()),
    }
}

/// The tree of `scraper`, and beside it the origins of its texts.
struct Sink {
    tree: HtmlTreeSink,
    origins: RefCell<HashMap<NodeId, TextOrigins>>,
    /// The piece in hand, how many of its bytes are in the tree, and the position of what follows them.
    piece: RefCell<StrTendril>,
    taken: Cell<usize>,
    position: Cell<u32>,
    /// A character reference is added when the piece after it arrives; this is where one that waits stands.
    waiting: Cell<Option<u32>>,
}

impl Sink {
    fn new() -> Self {
        Self {
            tree: HtmlTreeSink::new(Html::new_document()),
            origins: RefCell::default(),
            piece: RefCell::default(),
            position: Cell::new(0),
            waiting: Cell::new(None),
            taken: Cell::new(0),
        }
    }

    fn begin(&self, position: u32, piece: StrTendril) {
        let unread = self.taken.get() == 0 && self.piece.borrow().starts_with('&');
        self.waiting.set(unread.then(|| self.position.get()));
        self.position.set(position);
        self.taken.set(0);
        *self.piece.borrow_mut() = piece;
    }

    /// Ancestors of the node added last: elements that stay open keep it deep.
    fn depth_of_newest(&self) -> u64 {
        self.tree.0.borrow().tree.nodes().next_back().map_or(0, |node| node.ancestors().count() as u64)
    }

    /// The position of `text`, which the parser is about to add.
    fn locate(&self, text: &str) -> u32 {
        if let Some(position) = self.waiting.take() {
            return position;
        }
        let piece = self.piece.borrow();
        let rest = piece.get(self.taken.get()..).unwrap_or_default();
        // A reference, and what was held back from earlier pieces, is not there letter by letter. Little is left out
        // between two texts of a piece, so little is searched.
        let near = rest.get(..rest.floor_char_boundary(text.len() + LEFT_OUT)).unwrap_or_default();
        let at = if rest.starts_with(text) { Some(0) } else { near.find(text) };
        let Some(at) = at else { return self.position.get() };
        let found = self.position.get() + count(near.get(..at).unwrap_or_default());
        self.position.set(found + count(text));
        self.taken.set(self.taken.get() + at + text.len());
        found
    }

    /// Notes that `text` was added at the end of the text node `id`.
    fn note(&self, id: Option<NodeId>, text: &str, source: u32) {
        let Some(id) = id else { return };
        let mut origins = self.origins.borrow_mut();
        let of_text = origins.entry(id).or_default();
        append(&mut of_text.entries, of_text.length, source);
        of_text.length = of_text.length.saturating_add(count(text));
    }

    fn last_text_of(&self, parent: NodeId) -> Option<NodeId> {
        let html = self.tree.0.borrow();
        let last = html.tree.get(parent)?.last_child()?;
        last.value().is_text().then(|| last.id())
    }

    fn text_before(&self, sibling: NodeId) -> Option<NodeId> {
        let html = self.tree.0.borrow();
        let before = html.tree.get(sibling)?.prev_sibling()?;
        before.value().is_text().then(|| before.id())
    }
}

impl TreeSink for Sink {
    type Output = Traced;
    type Handle = NodeId;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Traced {
        Traced { html: self.tree.finish(), origins: self.origins.into_inner() }
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        let text = text_of(&child);
        let located = text.map(|text| (self.locate(&text), text));
        self.tree.append(parent, child);
        if let Some((source, text)) = located {
            self.note(self.last_text_of(*parent), &text, source);
        }
    }

    fn append_before_sibling(&self, sibling: &NodeId, new_node: NodeOrText<NodeId>) {
        let text = text_of(&new_node);
        let located = text.map(|text| (self.locate(&text), text));
        self.tree.append_before_sibling(sibling, new_node);
        if let Some((source, text)) = located {
            self.note(self.text_before(*sibling), &text, source);
        }
    }

    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        let has_parent = self.tree.0.borrow().tree.get(*element).is_some_and(|node| node.parent().is_some());
        if has_parent {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn parse_error(&self, message: Cow<'static, str>) {
        self.tree.parse_error(message);
    }

    fn get_document(&self) -> NodeId {
        self.tree.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Ref<'a, QualName> {
        self.tree.elem_name(target)
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> NodeId {
        self.tree.create_element(name, attributes, flags)
    }

    fn create_comment(&self, text: StrTendril) -> NodeId {
        self.tree.create_comment(text)
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> NodeId {
        self.tree.create_pi(target, data)
    }

    fn append_doctype_to_document(&self, name: StrTendril, public: StrTendril, system: StrTendril) {
        self.tree.append_doctype_to_document(name, public, system);
    }

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        self.tree.get_template_contents(target)
    }

    fn same_node(&self, one: &NodeId, other: &NodeId) -> bool {
        self.tree.same_node(one, other)
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.tree.set_quirks_mode(mode);
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attributes: Vec<Attribute>) {
        self.tree.add_attrs_if_missing(target, attributes);
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.tree.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        self.tree.reparent_children(node, new_parent);
    }
}

fn text_of(child: &NodeOrText<NodeId>) -> Option<StrTendril> {
    match child {
        NodeOrText::AppendText(text) => Some(text.clone()),
        NodeOrText::AppendNode(_) => None,
    }
}
