//! A sheet as it is read: the cells that show something, wherever they lie; never a rectangle of all that could be.

use std::collections::{HashMap, HashSet};

use crate::{Failure, Limits};

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A number, a date, a truth value or an error: what columns have below their header.
    Typed,
}

/// A cell that shows something. Rows and columns from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) row: u32,
    pub(super) column: u32,
    start: u32,
    end: u32,
    pub(super) kind: Kind,
    pub(super) bold: bool,
}

/// A rectangle of cells, its borders included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Area {
    pub(super) top: u32,
    pub(super) left: u32,
    pub(super) bottom: u32,
    pub(super) right: u32,
}

impl Area {
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.top <= other.bottom && other.top <= self.bottom && self.left <= other.right && other.left <= self.right
    }

    /// The smallest area with all `cells`, which are in the order of their rows.
    pub(super) fn around(cells: &[Cell]) -> Option<Self> {
        let (top, bottom) = (cells.first()?.row, cells.last()?.row);
        let left = cells.iter().map(|cell| cell.column).min()?;
        let right = cells.iter().map(|cell| cell.column).max()?;
        Some(Self { top, left, bottom, right })
    }
}

/// A table that the sheet itself declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) area: Area,
    pub(super) header_rows: u32,
}

/// One sheet.
#[derive(Debug)]
pub(super) struct Grid {
    text: String,
    cells: Vec<Cell>,
    /// Merged cells, by the place of the one that is shown.
    merged: HashMap<(u32, u32), Area>,
    tables: Vec<Declared>,
    declared: HashSet<Area>,
    /// Rows that a pane or the print settings keep at the top.
    pub(super) frozen_rows: u32,
    /// Comments and text boxes.
    pub(super) notes: Vec<String>,
    room: u64,
    limit: u64,
}

/// What a cell costs in the page beside its text: the separator and its place in memory.
const CELL_COST: u64 = 4;

impl Grid {
    /// An empty sheet of a document that has `written` bytes of text already.
    pub(super) fn new(written: u64, limits: &Limits) -> Self {
        Self {
            text: String::new(),
            cells: Vec::new(),
            merged: HashMap::new(),
            tables: Vec::new(),
            declared: HashSet::new(),
            frozen_rows: 0,
            notes: Vec::new(),
            room: limits.max_text_bytes.saturating_sub(written),
            limit: limits.max_text_bytes,
        }
    }

    /// Adds a cell; one that shows nothing is none.
    ///
    /// # Errors
    /// `too_large` when the text of all cells is over the limit.
    pub(super) fn put(&mut self, place: (u32, u32), text: &str, kind: Kind, bold: bool) -> Result<(), Failure> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        self.spend(text.len() as u64 + CELL_COST)?;
        let start = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.text.push_str(text);
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.cells.push(Cell { row: place.0, column: place.1, start, end, kind, bold });
        Ok(())
    }

    /// Adds a comment, or the text of a box, under its author's name, which many writers put into the text itself.
    ///
    /// # Errors
    /// As [`Grid::put`].
    pub(super) fn comment(&mut self, author: &str, text: &str) -> Result<(), Failure> {
        let (author, text) = (author.trim(), text.trim());
        if text.is_empty() {
            return Ok(());
        }
        let named = author.is_empty() || text.starts_with(author);
        let note = if named { text.to_owned() } else { format!("{author}: {text}") };
        self.spend(note.len() as u64 + CELL_COST)?;
        self.notes.push(note);
        Ok(())
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Failure> {
        self.room = self.room.checked_sub(bytes).ok_or_else(|| Failure::too_large("text bytes", self.limit))?;
        Ok(())
    }

    /// Remembers a declared table, once.
    pub(super) fn declare(&mut self, table: Declared) {
        if self.declared.insert(table.area) {
            self.tables.push(table);
        }
    }

    /// Whether some of the `cells`, which are in the order of their rows, may be in a declared table.
    pub(super) fn has_table(&self, cells: &[Cell]) -> bool {
        !self.tables.is_empty() && self.tables_at(cells).next().is_some()
    }

    /// The declared tables that reach into the area of `cells`.
    pub(super) fn tables_at(&self, cells: &[Cell]) -> impl Iterator<Item = &Declared> {
        let around = Area::around(cells);
        self.tables.iter().filter(move |table| around.is_some_and(|area| table.area.meets(&area)))
    }

    /// Remembers a merged area.
    pub(super) fn merge(&mut self, area: Area) {
        self.merged.insert((area.top, area.left), area);
    }

    /// The cells row by row, each place once: the last one read there counts.
    pub(super) fn sorted(&mut self) -> &[Cell] {
        let place = |cell: &Cell| (cell.row, cell.column);
        if !self.cells.is_sorted_by(|one, next| place(one) < place(next)) {
            self.cells.reverse();
            self.cells.sort_by_key(place);
            self.cells.dedup_by_key(|cell| place(cell));
        }
        &self.cells
    }

    pub(super) fn text_of(&self, cell: &Cell) -> &str {
        self.text.get(cell.start as usize..cell.end as usize).unwrap_or_default()
    }

    /// The cells that `cell` covers.
    pub(super) fn area_of(&self, cell: &Cell) -> Area {
        let single = Area { top: cell.row, left: cell.column, bottom: cell.row, right: cell.column };
        self.merged.get(&(cell.row, cell.column)).copied().unwrap_or(single)
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }
}
