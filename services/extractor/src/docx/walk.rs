//! From the XML of a story part to pieces: one pass, with a stack of stories instead of recursion.

use std::collections::HashMap;

use super::format::{ParagraphFormat, RunFormat, is_former};
use super::notes::{NoteKind, Notes};
use super::pieces::{Piece, flat};
use super::story::{Rules, Story};
use super::symbols;
use super::table::{CellFormat, Table};
use super::table_format::{cell_format, first_row_is_header, row_format};
use crate::drawing::Alternatives;
use crate::xml::{Element, Node, Reader};
use crate::{Failure, Limits};

/// What all parts of one document share.
#[derive(Default)]
pub(super) struct Shared {
    pub rules: Rules,
    pub notes: Notes,
    /// Texts of charts and diagrams by relationship.
    pub drawings: HashMap<String, String>,
    /// Bytes of text so far.
    pub bytes: u64,
}

/// A pass over one part.
pub(super) struct Walk<'s> {
    shared: &'s mut Shared,
    limits: &'s Limits,
    stories: Vec<Story>,
    /// The base of the stack, which is never taken away.
    root: Story,
    alternatives: Alternatives,
    /// Texts that came out so far.
    texts: u64,
    /// Where notes are collected from the part that holds them.
    note_kind: Option<NoteKind>,
    note_ids: Vec<Option<String>>,
}

/// What a part held.
pub(super) struct Walked {
    pub pieces: Vec<Piece>,
    pub title: Option<String>,
    /// Why it could not be read to its end.
    pub damage: Option<Failure>,
}

impl<'s> Walk<'s> {
    /// Reads the body, a header or a footer. Damaged XML gives what stands before the damage.
    ///
    /// # Errors
    /// What is over a limit.
    pub fn story(text: &str, shared: &'s mut Shared, limits: &'s Limits) -> Result<Walked, Failure> {
        Self::new(shared, limits, None).run(text)
    }

    /// Reads a part of notes into `shared`.
    ///
    /// # Errors
    /// As [`Walk::story`].
    pub fn notes(text: &str, kind: NoteKind, shared: &'s mut Shared, limits: &'s Limits) -> Result<Walked, Failure> {
        Self::new(shared, limits, Some(kind)).run(text)
    }

    fn new(shared: &'s mut Shared, limits: &'s Limits, note_kind: Option<NoteKind>) -> Self {
        Self {
            shared,
            limits,
            stories: Vec::new(),
            root: Story::default(),
            alternatives: Alternatives::default(),
            texts: 0,
            note_kind,
            note_ids: Vec::new(),
        }
    }

    fn run(mut self, text: &str) -> Result<Walked, Failure> {
        let mut reader = Reader::new(text, self.limits);
        let damage = match self.read(&mut reader) {
            Err(failure @ Failure::Corrupt { .. }) => Some(failure),
            other => other.map(|()| None)?,
        };
        while !self.stories.is_empty() {
            self.close_story();
        }
        let title = self.root.title.take();
        Ok(Walked { pieces: self.root.finish(&mut self.shared.rules), title, damage })
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Failure> {
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
            "t" => {
                let text = reader.text()?;
                self.run_text(&text)
            }
            "r" => {
                self.here().run = RunFormat::default();
                Ok(())
            }
            "rPr" => {
                self.here().run = RunFormat::read(reader)?;
                Ok(())
            }
            "p" => {
                let (story, rules) = self.here_with_rules();
                story.open_paragraph(rules);
                Ok(())
            }
            "pPr" => {
                self.here().paragraph().format = ParagraphFormat::read(reader)?;
                Ok(())
            }
            "tab" | "ptab" => self.text("\t"),
            "br" | "cr" => self.text("\n"),
            "noBreakHyphen" => self.text("-"),
            name if is_left_out(name) => reader.skip(),
            name => match NoteKind::of_reference(name) {
                Some(kind) => self.refer(kind, element),
                None => self.open_rare(element, reader),
            },
        }
    }

    fn open_rare(&mut self, element: &Element<'_>, reader: &mut Reader<'_>) -> Result<(), Failure> {
        match element.name() {
            "fldChar" => {
                if let Some(control) = self.here().fields.character(element, reader)? {
                    self.text(&control)?;
                }
            }
            "sym" => self.symbol(element)?,
            "tbl" => self.open_table(),
            "tblPr" => {
                let first_row = first_row_is_header(reader)?;
                self.with_table(|table| table.first_row = first_row);
            }
            "tr" => self.with_table(Table::row),
            "trPr" => {
                let format = row_format(reader)?;
                self.with_table(|table| table.format_row(format));
            }
            "tc" => self.open_story(Some(CellFormat::default())),
            "tcPr" => self.here().cell = Some(cell_format(reader)?),
            "txbxContent" => self.open_story(None),
            "footnote" | "endnote" | "comment" if self.note_kind.is_some() => self.open_note(element, reader)?,
            "AlternateContent" => self.alternatives.open(self.texts),
            "Choice" | "Fallback" if !self.alternatives.wanted(self.texts) => reader.skip()?,
            "docPr" | "shape" | "rect" => self.alternative_text(element),
            "textpath" => self.alternative_text_of(element, "string"),
            "chart" | "relIds" => self.drawing(element),
            "rt" => self.open_ruby(),
            "oMath" => self.here().paragraph().math += 1,
            _ => self.equation(|equations, text| equations.open(element, text)),
        }
        Ok(())
    }

    fn close(&mut self, name: &str) {
        match name {
            "p" => {
                let (story, rules) = self.here_with_rules();
                story.close_paragraph(rules);
            }
            "r" => self.here().run = RunFormat::default(),
            "tc" | "txbxContent" => self.close_story(),
            "footnote" | "endnote" | "comment" if self.note_kind.is_some() => self.close_story(),
            "tbl" => self.close_table(),
            "AlternateContent" => self.alternatives.close(),
            "rt" => self.close_ruby(),
            "ruby" => self.end_ruby(),
            "oMath" => {
                let paragraph = self.here().paragraph();
                paragraph.math = paragraph.math.saturating_sub(1);
            }
            _ => self.equation(|equations, text| equations.close(name, text)),
        }
    }

    fn here(&mut self) -> &mut Story {
        self.stories.last_mut().unwrap_or(&mut self.root)
    }

    fn here_with_rules(&mut self) -> (&mut Story, &mut Rules) {
        (self.stories.last_mut().unwrap_or(&mut self.root), &mut self.shared.rules)
    }

    /// Adds the text of a run, unless it is hidden or the code of a field.
    fn run_text(&mut self, text: &str) -> Result<(), Failure> {
        if self.is_hidden() {
            return Ok(());
        }
        let shown = symbols::replace(text, self.here().run.font.as_deref());
        // A line end in the XML is a blank; one in the document is an element.
        self.text(&shown.as_deref().unwrap_or(text).replace(['\n', '\r'], " "))
    }

    fn is_hidden(&mut self) -> bool {
        let (story, rules) = self.here_with_rules();
        if let Some(hidden) = story.run.hidden {
            return hidden;
        }
        if let Some(style) = &story.run.style
            && rules.styles.hides(style)
        {
            return true;
        }
        let style = story.paragraph().format.style.as_deref();
        rules.styles.paragraph(style).is_some_and(|style| style.hidden)
    }

    fn text(&mut self, text: &str) -> Result<(), Failure> {
        if text.is_empty() || self.here().fields.in_code() {
            return Ok(());
        }
        self.here().paragraph().text.push_str(text);
        self.count(text)
    }

    fn count(&mut self, text: &str) -> Result<(), Failure> {
        self.texts += u64::from(!text.trim().is_empty());
        self.shared.bytes += text.len() as u64;
        if self.shared.bytes > self.limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", self.limits.max_text_bytes));
        }
        Ok(())
    }

    fn symbol(&mut self, element: &Element<'_>) -> Result<(), Failure> {
        let code = element.attribute("char").and_then(|code| u32::from_str_radix(&code, 16).ok());
        let font = element.attribute("font").unwrap_or_default();
        match code.and_then(|code| symbols::shown(code, &font)) {
            Some(shown) if !self.is_hidden() => self.text(shown.encode_utf8(&mut [0; 4])),
            _ => Ok(()),
        }
    }

    fn refer(&mut self, kind: NoteKind, element: &Element<'_>) -> Result<(), Failure> {
        let Some(id) = element.attribute("id") else { return Ok(()) };
        let own_mark = matches!(element.attribute("customMarkFollows").as_deref(), Some("1" | "true" | "on"));
        let Some((mark, note)) = self.shared.notes.refer(kind, &id, own_mark) else { return Ok(()) };
        self.text(&mark)?;
        self.here().paragraph().after.push(Piece::note(note));
        Ok(())
    }

    fn open_story(&mut self, cell: Option<CellFormat>) {
        self.stories.push(Story::new(cell));
    }

    fn open_note(&mut self, element: &Element<'_>, reader: &mut Reader<'_>) -> Result<(), Failure> {
        if element.attribute("type").is_some_and(|kind| kind != "normal") {
            // Separators.
            return reader.skip();
        }
        self.note_ids.push(element.attribute("id").map(std::borrow::Cow::into_owned));
        self.open_story(None);
        Ok(())
    }

    /// Ends the innermost story and gives its pieces to where they belong: its table, its note, the story around it.
    fn close_story(&mut self) {
        let Some(story) = self.stories.pop() else { return };
        let cell = story.cell;
        let pieces = story.finish(&mut self.shared.rules);
        match (cell, self.note_kind) {
            (Some(CellFormat { deleted: true, .. }), _) => {}
            (Some(format), _) if !self.here().tables.is_empty() => {
                self.with_table(|table| table.cell(pieces, format));
            }
            (None, Some(kind)) if self.stories.is_empty() => {
                if let Some(id) = self.note_ids.pop().flatten() {
                    self.shared.notes.add(kind, id, flat(&pieces));
                }
            }
            _ => self.here().add(pieces),
        }
    }

    fn open_table(&mut self) {
        let (story, rules) = self.here_with_rules();
        story.close_paragraph(rules);
        story.tables.push(Table::default());
    }

    fn close_table(&mut self) {
        let (story, rules) = self.here_with_rules();
        story.close_paragraph(rules);
        if let Some(table) = story.tables.pop() {
            story.add(table.finish());
        }
    }

    fn with_table(&mut self, change: impl FnOnce(&mut Table)) {
        if let Some(table) = self.here().tables.last_mut() {
            change(table);
        }
    }

    fn alternative_text(&mut self, element: &Element<'_>) {
        let name = if element.name() == "docPr" { "descr" } else { "alt" };
        self.alternative_text_of(element, name);
    }

    fn alternative_text_of(&mut self, element: &Element<'_>, attribute: &str) {
        let Some(text) = element.attribute(attribute).filter(|text| super::is_description(text)) else { return };
        if self.count(&text).is_ok() {
            self.here().paragraph().after.push(Piece::paragraph(text));
        }
    }

    fn drawing(&mut self, element: &Element<'_>) {
        let relationship = element.prefixed("dm").or_else(|| element.prefixed("id"));
        let text = relationship.and_then(|id| self.shared.drawings.remove(&*id));
        if let Some(text) = text
            && self.count(&text).is_ok()
        {
            self.here().paragraph().after.push(Piece::paragraph(text));
        }
    }

    fn equation(&mut self, change: impl FnOnce(&mut super::equations::Equations, &mut String)) {
        let paragraph = self.here().paragraph_if_open();
        if let Some(paragraph) = paragraph.filter(|paragraph| paragraph.math > 0) {
            change(&mut paragraph.equations, &mut paragraph.text);
        }
    }

    fn open_ruby(&mut self) {
        let paragraph = self.here().paragraph();
        paragraph.ruby_start = Some(paragraph.text.len());
    }

    /// Takes the pronunciation out of the text; it comes before its base in the XML, and behind it in the text.
    fn close_ruby(&mut self) {
        let paragraph = self.here().paragraph();
        if let Some(start) = paragraph.ruby_start.take().filter(|start| *start <= paragraph.text.len()) {
            let ruby = paragraph.text.split_off(start);
            paragraph.ruby.push_str(&ruby);
        }
    }

    fn end_ruby(&mut self) {
        let paragraph = self.here().paragraph();
        let ruby = std::mem::take(&mut paragraph.ruby);
        if !ruby.trim().is_empty() {
            paragraph.text.push_str(&format!("({})", ruby.trim()));
        }
    }
}

/// Elements without text of the final document: deleted text, codes of fields, properties that do not matter here.
fn is_left_out(name: &str) -> bool {
    const LEFT_OUT: [&str; 11] = [
        "del",
        "moveFrom",
        "delText",
        "instrText",
        "delInstrText",
        "sdtPr",
        "sdtEndPr",
        "sectPr",
        "tblGrid",
        "softHyphen",
        "background",
    ];
    LEFT_OUT.contains(&name) || is_former(name)
}
