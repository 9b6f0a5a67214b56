//! One slide, or its page of notes: one pass over the shapes in their order.

use std::collections::HashMap;

use super::paragraph::{Counters, Paragraph};
use crate::docx::is_description;
use crate::docx::pieces::{Piece, append, flat};
use crate::docx::table::{CellFormat, Table};
use crate::drawing::Alternatives;
use crate::xml::{Element, Node, Reader};
use crate::{Failure, Limits};

/// What a slide holds.
#[derive(Debug, Default)]
pub(super) struct Slide {
    pub title: String,
    pub pieces: Vec<Piece>,
    /// Footers, dates, slide numbers.
    pub furniture: Vec<String>,
    pub hidden: bool,
    /// It could not be read to its end.
    pub damaged: bool,
}

impl Slide {
    /// The text of a page of notes, if there is any.
    pub fn notes(self) -> Option<String> {
        Some(flat(&self.pieces)).filter(|text| !text.trim().is_empty())
    }
}

/// A shape that is open.
#[derive(Debug, Default)]
struct Shape {
    /// The type of its placeholder (`ST_PlaceholderType`, ECMA-376 part 1, section 19.7.10).
    placeholder: Option<String>,
    pieces: Vec<Piece>,
    counters: Counters,
    /// What a picture shows.
    description: Option<String>,
}

/// A table that is open, with the paragraphs of its open cell.
#[derive(Debug, Default)]
struct OpenTable {
    table: Table,
    cell: Vec<Piece>,
    format: CellFormat,
}

/// A pass over one slide.
pub(super) struct SlideReader<'s> {
    limits: &'s Limits,
    drawings: HashMap<String, String>,
    slide: Slide,
    shape: Shape,
    paragraph: Option<Paragraph>,
    table: Option<OpenTable>,
    alternatives: Alternatives,
    texts: u64,
    /// Not a page of notes: the body has bullets.
    is_slide: bool,
}

impl<'s> SlideReader<'s> {
    /// A reader; `drawings` are the texts of charts and diagrams by relationship.
    pub fn new(drawings: HashMap<String, String>, limits: &'s Limits) -> Self {
        Self {
            limits,
            drawings,
            slide: Slide::default(),
            shape: Shape::default(),
            paragraph: None,
            table: None,
            alternatives: Alternatives::default(),
            texts: 0,
            is_slide: false,
        }
    }

    /// Reads the slide; a damaged one up to the damage.
    ///
    /// # Errors
    /// What is over a limit.
    pub fn read(mut self, text: &str) -> Result<Slide, Failure> {
        match self.walk(&mut Reader::new(text, self.limits)) {
            Err(Failure::Corrupt { .. }) => self.slide.damaged = true,
            other => other?,
        }
        self.close_shape();
        Ok(self.slide)
    }

    fn walk(&mut self, reader: &mut Reader<'_>) -> Result<(), Failure> {
        while let Some(node) = reader.next()? {
            match node {
                Node::Open(element) => self.open(&element, reader)?,
                Node::Close(closed) => self.close(closed.name()),
                Node::Text(_) => {}
            }
        }
        Ok(())
    }

    fn open(&mut self, element: &Element<'_>, reader: &mut Reader<'_>) -> Result<(), Failure> {
        match element.name() {
            "sld" => {
                self.is_slide = true;
                self.slide.hidden = matches!(element.attribute("show").as_deref(), Some("0" | "false"));
            }
            "sp" | "cxnSp" | "graphicFrame" | "pic" => self.close_shape(),
            "ph" => {
                let kind = element.attribute("type").map_or_else(|| "obj".to_owned(), std::borrow::Cow::into_owned);
                self.shape.placeholder = Some(kind);
            }
            "cNvPr" => self.describe(element),
            "p" => self.paragraph = Some(Paragraph::default()),
            "t" => {
                let text = reader.text()?;
                self.text(&text);
            }
            "br" => self.text("\n"),
            "fld" if element.attribute("type").is_some_and(|kind| kind == "slidenum") => reader.skip()?,
            "chart" | "relIds" => self.drawing(element),
            "AlternateContent" => self.alternatives.open(self.texts),
            "Choice" | "Fallback" if !self.alternatives.wanted(self.texts) => reader.skip()?,
            _ if self.paragraph.is_some() => self.paragraph.iter_mut().for_each(|paragraph| paragraph.open(element)),
            _ => self.open_table_part(element),
        }
        Ok(())
    }

    fn open_table_part(&mut self, element: &Element<'_>) {
        let is_set = |name| matches!(element.attribute(name).as_deref(), Some("1" | "true"));
        match (element.name(), &mut self.table) {
            ("tbl", _) => self.table = Some(OpenTable::default()),
            ("tblPr", Some(open)) => open.table.first_row = Some(is_set("firstRow")),
            ("tr", Some(open)) => open.table.row(),
            // Columns that a cell spans have cells of their own, which are empty.
            ("tc", Some(open)) => open.format = CellFormat { continues: is_set("vMerge"), ..CellFormat::default() },
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "p" => self.close_paragraph(),
            "tc" => {
                if let Some(open) = &mut self.table {
                    open.table.cell(std::mem::take(&mut open.cell), open.format);
                }
            }
            "tbl" => {
                let pieces = self.table.take().map(|open| open.table.finish()).unwrap_or_default();
                self.shape.pieces.extend(pieces);
            }
            "sp" | "cxnSp" | "graphicFrame" | "pic" => self.close_shape(),
            "AlternateContent" => self.alternatives.close(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        self.texts += u64::from(!text.trim().is_empty());
        self.paragraph.get_or_insert_default().text.push_str(text);
    }

    fn describe(&mut self, element: &Element<'_>) {
        let description = element.attribute("descr").filter(|text| is_description(text));
        self.shape.description = description.map(std::borrow::Cow::into_owned);
    }

    fn drawing(&mut self, element: &Element<'_>) {
        let relationship = element.prefixed("dm").or_else(|| element.prefixed("id"));
        if let Some(text) = relationship.and_then(|id| self.drawings.remove(&*id)) {
            self.texts += 1;
            append(&mut self.shape.pieces, Piece::paragraph(text));
        }
    }

    fn close_paragraph(&mut self) {
        let Some(paragraph) = self.paragraph.take() else { return };
        let in_placeholder = matches!(self.shape.placeholder.as_deref(), Some("body" | "obj"));
        let in_body = self.is_slide && self.table.is_none() && in_placeholder;
        let piece = paragraph.finish(&mut self.shape.counters, in_body);
        let pieces = self.table.as_mut().map_or(&mut self.shape.pieces, |open| &mut open.cell);
        append(pieces, piece);
    }

    /// Ends the shape and puts its text where its placeholder says.
    fn close_shape(&mut self) {
        self.close_paragraph();
        if let Some(open) = self.table.take() {
            self.shape.pieces.extend(open.table.finish());
        }
        let Shape { placeholder, mut pieces, description, .. } = std::mem::take(&mut self.shape);
        match placeholder.as_deref() {
            Some("title" | "ctrTitle") if self.slide.title.is_empty() => {
                self.slide.title = flat(&pieces).split_whitespace().collect::<Vec<_>>().join(" ");
            }
            Some("ftr" | "dt" | "hdr" | "sldNum") => {
                self.slide.furniture.extend(Some(flat(&pieces)).filter(|text| !text.trim().is_empty()));
            }
            // On a page of notes: the picture of the slide.
            Some("sldImg") => {}
            _ => {
                pieces.extend(description.map(Piece::paragraph));
                self.slide.pieces.extend(pieces);
            }
        }
    }
}
