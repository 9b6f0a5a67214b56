//! What a story (the body, a cell, a note, a text box) is made of, before it becomes a page.

use heimdex_schemas::BlockKind;

use crate::compose::PageBuilder;

/// A paragraph or a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text { kind: BlockKind, text: String },
    Table { rows: Vec<Vec<String>>, header_rows: u32 },
}

impl Piece {
    /// A paragraph without a role.
    pub fn paragraph(text: impl Into<String>) -> Self {
        Self::Text { kind: BlockKind::Paragraph, text: text.into() }
    }

    /// A note.
    pub fn note(text: impl Into<String>) -> Self {
        Self::Text { kind: BlockKind::Note, text: text.into() }
    }

    /// Whether there is nothing to read in it.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Text { text, .. } => text.trim().is_empty(),
            Self::Table { rows, .. } => rows.iter().flatten().all(|cell| cell.trim().is_empty()),
        }
    }
}

/// Adds `piece` to `pieces`; lines of code stay one block.
pub(crate) fn append(pieces: &mut Vec<Piece>, piece: Piece) {
    if let Piece::Text { kind: BlockKind::Code, text } = &piece
        && let Some(Piece::Text { kind: BlockKind::Code, text: lines }) = pieces.last_mut()
    {
        lines.push('\n');
        lines.push_str(text);
        return;
    }
    if !piece.is_blank() {
        pieces.push(piece);
    }
}

/// The text of `pieces`, a line for each paragraph and row.
pub(crate) fn flat(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text { text: own, .. } => line(&mut text, own),
            Piece::Table { rows, .. } => rows.iter().for_each(|row| line(&mut text, &row.join(" "))),
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// Adds `pieces` to `page`.
pub(crate) fn compose(page: &mut PageBuilder, pieces: Vec<Piece>) {
    for piece in pieces {
        match piece {
            Piece::Text { kind, text } => page.push(kind, &text),
            Piece::Table { rows, header_rows } => page.table(rows, header_rows),
        }
    }
}
