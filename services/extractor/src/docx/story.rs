//! A story while it is read: its open paragraph, its table, its fields.

use heimdex_schemas::BlockKind;

use super::equations::Equations;
use super::fields::Fields;
use super::format::{ParagraphFormat, RunFormat};
use super::numbering::Numbering;
use super::pieces::{Piece, append};
use super::style_names::Role;
use super::styles::Styles;
use super::table::{CellFormat, Table};

/// Deepest level that a heading has.
const HEADING_LEVELS: u8 = 6;

/// A paragraph that is open.
#[derive(Debug, Default)]
pub(super) struct Paragraph {
    pub text: String,
    pub format: ParagraphFormat,
    /// Text boxes, notes and alternative texts that are anchored in it.
    pub after: Vec<Piece>,
    pub equations: Equations,
    /// Equations open inside each other.
    pub math: u32,
    /// Where the pronunciation of a base text starts (ECMA-376 part 1, section 17.3.3.25), and what it is.
    pub ruby_start: Option<usize>,
    pub ruby: String,
}

/// Text that flows by itself: the body, a cell, a text box, a note, a header.
#[derive(Debug, Default)]
pub(super) struct Story {
    pieces: Vec<Piece>,
    paragraph: Option<Paragraph>,
    /// Of paragraphs whose mark is gone: belongs before the next one.
    carried: Paragraph,
    pub tables: Vec<Table>,
    pub cell: Option<CellFormat>,
    pub fields: Fields,
    pub run: RunFormat,
    /// The first paragraph in the style for titles.
    pub title: Option<String>,
}

/// What the paragraphs of all stories are told by.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub styles: Styles,
    pub numbering: Numbering,
}

impl Story {
    /// A story; `cell` when it is that of a cell.
    pub fn new(cell: Option<CellFormat>) -> Self {
        Self { cell, ..Self::default() }
    }

    /// The open paragraph; opens one where there is none.
    pub fn paragraph(&mut self) -> &mut Paragraph {
        self.paragraph.get_or_insert_default()
    }

    /// The open paragraph, if there is one.
    pub fn paragraph_if_open(&mut self) -> Option<&mut Paragraph> {
        self.paragraph.as_mut()
    }

    /// Begins a paragraph.
    pub fn open_paragraph(&mut self, rules: &mut Rules) {
        self.close_paragraph(rules);
        self.paragraph = Some(Paragraph::default());
    }

    /// Ends the paragraph, if one is open.
    pub fn close_paragraph(&mut self, rules: &mut Rules) {
        let Some(paragraph) = self.paragraph.take() else { return };
        self.fields.end_paragraph();
        let mut whole = std::mem::take(&mut self.carried);
        whole.text.push_str(&paragraph.text);
        // A pronunciation whose base text is missing.
        whole.text.push_str(&paragraph.ruby);
        whole.after.extend(paragraph.after);
        whole.format = paragraph.format;
        if whole.format.runs_on {
            self.carried = whole;
            return;
        }
        let (kind, label, is_title) = rules.judge(&whole.format);
        if is_title && self.title.is_none() && !whole.text.trim().is_empty() {
            self.title = Some(whole.text.trim().to_owned());
        }
        let text = if whole.text.trim().is_empty() { whole.text } else { label + &whole.text };
        append(&mut self.pieces, Piece::Text { kind, text });
        self.add(whole.after);
    }

    /// Adds finished pieces: after the open paragraph if there is one.
    pub fn add(&mut self, pieces: Vec<Piece>) {
        match &mut self.paragraph {
            Some(paragraph) => paragraph.after.extend(pieces),
            None => pieces.into_iter().for_each(|piece| append(&mut self.pieces, piece)),
        }
    }

    /// Ends the story.
    pub fn finish(mut self, rules: &mut Rules) -> Vec<Piece> {
        self.close_paragraph(rules);
        while let Some(table) = self.tables.pop() {
            self.add(table.finish());
        }
        let rest = std::mem::take(&mut self.carried);
        append(&mut self.pieces, Piece::paragraph(rest.text));
        self.add(rest.after);
        self.pieces
    }
}

impl Rules {
    /// What a paragraph of this format is, what number stands before it, and whether it is a title.
    fn judge(&mut self, format: &ParagraphFormat) -> (BlockKind, String, bool) {
        let style = self.styles.paragraph(format.style.as_deref()).cloned().unwrap_or_default();
        let list = format.list.clone().map(|list| (list, None, String::new())).or(style.list);
        let list = list.filter(|(list, ..)| self.numbering.has(list));
        let label = list.as_ref().map(|(list, level, owner)| {
            let own = format.list_level.or(*level).map(usize::from);
            let level = own.or_else(|| self.numbering.level_of_style(list, owner)).unwrap_or_default();
            self.numbering.next(list, level)
        });
        let outline = match format.outline {
            Some(level) => (level < 9).then_some(level),
            None => style.outline,
        };
        let heading = match (outline, style.role) {
            (Some(level), _) => Some(level.saturating_add(1)),
            (None, Role::Heading(level)) if format.outline.is_none() => Some(level),
            (None, Role::Title) => Some(1),
            _ => None,
        };
        let kind = match (heading, style.role, &list) {
            (Some(level), ..) => BlockKind::Heading { level: level.clamp(1, HEADING_LEVELS) },
            (None, _, Some(_)) => BlockKind::ListItem,
            (None, Role::Quote, None) => BlockKind::Quote,
            (None, Role::Code, None) => BlockKind::Code,
            _ => BlockKind::Paragraph,
        };
        (kind, label.unwrap_or_default(), style.role == Role::Title)
    }
}
