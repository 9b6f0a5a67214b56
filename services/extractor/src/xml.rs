//! XML of packages as a stream of elements and text, by local names: no tree, no entities beyond the predefined five,
//! nesting limited.
//!
//! Names are compared without their namespace, so the transitional and the strict vocabulary of Office Open XML
//! (ECMA-376 parts 1 and 4) read alike, whatever prefixes a writer chose.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesEnd, BytesRef, BytesStart, Event};

use crate::{Failure, Limits, charset};

/// Bytes in which the XML declaration must name the encoding.
const DECLARATION: usize = 256;

/// One step through a document.
#[derive(Debug)]
pub enum Node<'a> {
    /// A start tag; an empty element has a [`Node::Close`], too.
    Open(Element<'a>),
    Close(Closed<'a>),
    /// Character data, or one resolved reference. A run of text may come in several pieces.
    Text(Cow<'a, str>),
}

/// A start tag.
#[derive(Debug)]
pub struct Element<'a>(BytesStart<'a>);

impl Element<'_> {
    /// The name without a prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// The value of the first attribute with this local name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        self.find(|prefixed, local| local == name || prefixed == name)
    }

    /// The value of the attribute with this local name that has a prefix: `r:id`, where an `id` stands beside it.
    #[must_use]
    pub fn prefixed(&self, name: &str) -> Option<Cow<'_, str>> {
        self.find(|full, local| local == name && full.len() > local.len())
    }

    fn find(&self, wanted: impl Fn(&str, &str) -> bool) -> Option<Cow<'_, str>> {
        let mut attributes = self.0.attributes();
        let found = attributes.with_checks(false).flatten().find(|attribute| {
            let local = attribute.key.local_name();
            wanted(attribute.key.into_inner(), local.into_inner())
        })?;
        match found.normalized_value(XmlVersion::Explicit1_0) {
            Ok(value) => Some(value),
            // An undefined entity in a value: the value as it is written says more than none.
            Err(_) => Some(found.value),
        }
    }
}

/// An end tag.
#[derive(Debug)]
pub struct Closed<'a>(BytesEnd<'a>);

impl Closed<'_> {
    /// The name without a prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }
}

/// The characters of an XML part: by byte order mark, zero bytes (UTF-16), validity (UTF-8) or declaration.
#[must_use]
pub fn decode(bytes: Vec<u8>) -> String {
    if charset::Bom::of(&bytes).is_none() && !bytes.contains(&0) {
        return String::from_utf8(bytes).unwrap_or_else(|invalid| decode_declared(invalid.as_bytes()));
    }
    decode_declared(&bytes)
}

fn decode_declared(bytes: &[u8]) -> String {
    let head = charset::ascii_head(bytes, DECLARATION);
    let declaration = head.split_once("?>").map_or("", |(declaration, _)| declaration);
    let value = declaration.split_once("encoding").map_or("", |(_, after)| after);
    let label = value.split(['"', '\'']).nth(1);
    charset::decode(bytes, label).text
}

/// Reads one XML document.
pub struct Reader<'a> {
    events: quick_xml::Reader<&'a [u8]>,
    depth: u64,
    max_depth: u64,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `text`.
    #[must_use]
    pub fn new(text: &'a str, limits: &Limits) -> Self {
        let mut events = quick_xml::Reader::from_str(text);
        events.config_mut().expand_empty_elements = true;
        Self { events, depth: 0, max_depth: limits.max_xml_depth }
    }

    /// Elements that are open.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.depth
    }

    /// The next node; `None` after the last.
    ///
    /// # Errors
    /// `corrupt` for what is not well-formed, `archive_bomb` where entities are declared, `too_large` for elements nested
    /// too deeply.
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on after an error")]
    pub fn next(&mut self) -> Result<Option<Node<'a>>, Failure> {
        loop {
            let event = self.events.read_event().map_err(|error| Failure::corrupt(format!("XML: {error}")))?;
            let node = match event {
                Event::Start(start) => self.open(start)?,
                Event::End(end) => self.close(end),
                Event::Text(text) => Node::Text(text.into_inner()),
                Event::CData(data) => Node::Text(data.into_inner()),
                Event::GeneralRef(reference) => resolve(&reference),
                Event::DocType(declarations) if declarations.contains("<!ENTITY") => {
                    let detail = "the XML declares entities, which packages must not do".to_owned();
                    return Err(Failure::ArchiveBomb { detail });
                }
                Event::Eof if self.depth > 0 => return Err(Failure::corrupt("XML: the end is missing")),
                Event::Eof => return Ok(None),
                _ => continue,
            };
            return Ok(Some(node));
        }
    }

    /// After a [`Node::Open`]: goes behind its [`Node::Close`].
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn skip(&mut self) -> Result<(), Failure> {
        let inside = self.depth;
        while self.next_within(inside)?.is_some() {}
        Ok(())
    }

    /// The next node up to and with the [`Node::Close`] of the element at `depth`, which [`Reader::depth`] told behind its
    /// [`Node::Open`]; `None` after that.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn next_within(&mut self, depth: u64) -> Result<Option<Node<'a>>, Failure> {
        if self.depth < depth { Ok(None) } else { self.next() }
    }

    /// As [`Reader::next_within`], start tags alone.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn open_within(&mut self, depth: u64) -> Result<Option<Element<'a>>, Failure> {
        while let Some(node) = self.next_within(depth)? {
            if let Node::Open(element) = node {
                return Ok(Some(element));
            }
        }
        Ok(None)
    }

    /// After a [`Node::Open`]: all text inside, up to and with its [`Node::Close`].
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn text(&mut self) -> Result<String, Failure> {
        let mut all = String::new();
        self.text_into(&mut all)?;
        Ok(all)
    }

    /// As [`Reader::text`], behind what `all` has.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn text_into(&mut self, all: &mut String) -> Result<(), Failure> {
        let inside = self.depth;
        while let Some(node) = self.next_within(inside)? {
            if let Node::Text(text) = node {
                all.push_str(&text);
            }
        }
        Ok(())
    }

    fn open(&mut self, start: BytesStart<'a>) -> Result<Node<'a>, Failure> {
        self.depth += 1;
        if self.depth > self.max_depth {
            return Err(Failure::too_large("nesting of XML elements", self.max_depth));
        }
        Ok(Node::Open(Element(start)))
    }

    fn close(&mut self, end: BytesEnd<'a>) -> Node<'a> {
        self.depth = self.depth.saturating_sub(1);
        Node::Close(Closed(end))
    }
}

/// The character of a reference; nothing for one that is neither predefined nor a character's number.
fn resolve<'a>(reference: &BytesRef<'a>) -> Node<'a> {
    let text = match reference.resolve_char_ref() {
        Ok(Some(c)) => Cow::Owned(c.to_string()),
        _ => Cow::Borrowed(resolve_predefined_entity(reference).unwrap_or_default()),
    };
    Node::Text(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn walk(text: &str, limits: &Limits) -> Result<String, Failure> {
        let mut reader = Reader::new(text, limits);
        let mut seen = String::new();
        while let Some(node) = reader.next()? {
            match node {
                Node::Open(element) => seen.push_str(&format!("<{}", element.name())),
                Node::Close(closed) => seen.push_str(&format!("{}>", closed.name())),
                Node::Text(text) => seen.push_str(&text),
            }
        }
        Ok(seen)
    }

    fn code(text: &str) -> &'static str {
        walk(text, &Limits::default()).map_or_else(|failure| failure.code(), |_| "ok")
    }

    #[test]
    fn elements_text_and_references() {
        let text = "<?xml version='1.0'?><!-- c --><w:a x:b='1'>A&lt;&#x42;&#67;&unknown;<![CDATA[<d>]]><e/></w:a>";
        assert_eq!(walk(text, &Limits::default()).unwrap(), "<aA<BC<d><ee>a>");
    }

    #[test]
    fn attributes_by_local_name() {
        let limits = Limits::default();
        let mut reader = Reader::new("<p:s id='1' r:id='a&amp;b' w:val='&what;'/>", &limits);
        let Some(Node::Open(element)) = reader.next().unwrap() else { panic!("no element") };
        assert_eq!(element.attribute("id").as_deref(), Some("1"));
        assert_eq!(element.prefixed("id").as_deref(), Some("a&b"));
        assert_eq!(element.attribute("val").as_deref(), Some("&what;"));
        assert_eq!((element.attribute("v"), element.prefixed("s")), (None, None));
    }

    #[test]
    fn skip_and_text_end_behind_their_element() {
        let limits = Limits::default();
        let mut reader = Reader::new("<r><a>1<a>2</a></a><b>x<c/>y</b>z</r>", &limits);
        assert!(matches!(reader.next().unwrap(), Some(Node::Open(_))));
        assert!(matches!(reader.next().unwrap(), Some(Node::Open(_))));
        reader.skip().unwrap();
        assert!(matches!(reader.next().unwrap(), Some(Node::Open(b)) if b.name() == "b"));
        assert_eq!(reader.text().unwrap(), "xy");
        assert!(matches!(reader.next().unwrap(), Some(Node::Text(text)) if text == "z"));
        assert_eq!(reader.depth(), 1);
    }

    #[test]
    fn encodings() {
        let text = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>Ä</a>";
        let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let marked = [b"\xEF\xBB\xBF".to_vec(), text.as_bytes().to_vec()].concat();
        for bytes in [text.as_bytes().to_vec(), wide(u16::to_le_bytes), wide(u16::to_be_bytes), latin, marked] {
            assert_eq!(decode(bytes), text);
        }
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(code("<a><b></a>"), "corrupt");
        assert_eq!(code("<a><b>"), "corrupt");
        assert_eq!(code("<!DOCTYPE a [<!ENTITY l 'lol'><!ENTITY m '&l;&l;'>]><a>&m;</a>"), "archive_bomb");
        assert_eq!(code("<!DOCTYPE a SYSTEM 'a.dtd'><a>x</a>"), "ok");
        let limits = Limits { max_xml_depth: 3, ..Limits::default() };
        assert!(walk("<a><b><c/></b></a>", &limits).is_ok());
        assert_eq!(walk("<a><b><c><d/></c></b></a>", &limits).unwrap_err().code(), "too_large");
    }

    proptest! {
        #[test]
        fn any_text_ends_without_a_panic(text in "[<>/&;#!\\[\\]a\"'= xE漢-]{0,80}") {
            let _ = walk(&text, &Limits::default());
            let _ = decode(text.into_bytes());
        }
    }
}
