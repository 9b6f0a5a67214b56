//! Styles: what a paragraph is, told through the chain of styles that its own is based on (ECMA-376 part 1, section 17.7).

use std::collections::HashMap;

use super::format::{ParagraphFormat, RunFormat, value};
use super::style_names::{self, Role};
use crate::xml::{Element, Node, Reader};
use crate::{Failure, Limits};

/// Styles of a chain that are looked at; a longer one is a loop, or might as well be.
const CHAIN: usize = 32;

#[derive(Debug, Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    paragraph: ParagraphFormat,
    run: RunFormat,
}

/// What a paragraph style makes of its paragraphs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    pub role: Role,
    /// From 0, up to 8.
    pub outline: Option<u8>,
    /// The numbering instance, the level where the style gives one, and the style of the chain that has it.
    pub list: Option<(String, Option<u8>, String)>,
    pub hidden: bool,
}

/// All styles of a document.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
    default_paragraph: Option<String>,
    resolved: HashMap<String, Resolved>,
}

impl Styles {
    /// Reads a styles part.
    pub fn read(text: &str, limits: &Limits) -> Result<Self, Failure> {
        let mut styles = Self::default();
        let mut reader = Reader::new(text, limits);
        while let Some(node) = reader.next()? {
            if let Node::Open(element) = node
                && element.name() == "style"
            {
                styles.add(&element, &mut reader)?;
            }
        }
        let ids: Vec<String> = styles.styles.keys().cloned().collect();
        styles.resolved = ids.into_iter().map(|id| (id.clone(), styles.resolve(&id))).collect();
        Ok(styles)
    }

    fn add(&mut self, element: &Element<'_>, reader: &mut Reader<'_>) -> Result<(), Failure> {
        let id = element.attribute("styleId").unwrap_or_default().into_owned();
        let paragraph = element.attribute("type").is_none_or(|kind| kind == "paragraph");
        let default = element.attribute("default").is_some_and(|value| !matches!(&*value, "0" | "false" | "off"));
        if paragraph && default {
            self.default_paragraph = Some(id.clone());
        }
        self.styles.insert(id, Style::read(reader)?);
        Ok(())
    }

    /// What the paragraph style `id` means, or without one the default style.
    pub fn paragraph(&self, id: Option<&str>) -> Option<&Resolved> {
        self.resolved.get(id.filter(|id| self.resolved.contains_key(*id)).or(self.default_paragraph.as_deref())?)
    }

    /// Whether text in the character style `id` is hidden.
    pub fn hides(&self, id: &str) -> bool {
        self.resolved.get(id).is_some_and(|style| style.hidden)
    }

    fn resolve(&self, id: &str) -> Resolved {
        let mut found = Resolved::default();
        let mut hidden = None;
        let mut outline = None;
        let mut next = Some(id);
        for _ in 0..CHAIN {
            let Some((id, style)) = next.and_then(|id| Some((id, self.styles.get(id)?))) else { break };
            if found.role == Role::Body {
                found.role = style_names::role(&style.name);
            }
            outline = outline.or(style.paragraph.outline);
            hidden = hidden.or(style.run.hidden);
            if found.list.is_none() {
                found.list = style.paragraph.list.clone().map(|list| (list, style.paragraph.list_level, id.to_owned()));
            }
            next = style.based_on.as_deref();
        }
        found.outline = outline.filter(|level| *level < 9);
        found.hidden = hidden.unwrap_or_default();
        found
    }
}

impl Style {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Failure> {
        let mut style = Self::default();
        let inside = reader.depth();
        while let Some(element) = reader.open_within(inside)? {
            match element.name() {
                "name" => style.name = value(&element).unwrap_or_default(),
                "basedOn" => style.based_on = value(&element),
                "pPr" => style.paragraph = ParagraphFormat::read(reader)?,
                "rPr" => style.run = RunFormat::read(reader)?,
                "tblStylePr" => reader.skip()?,
                _ => {}
            }
        }
        Ok(style)
    }
}
