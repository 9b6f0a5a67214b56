//! Tables: cells with their spans, header rows, and tables that are only there for the layout.

use super::pieces::{Piece, append, flat};

/// Columns of a table (Word allows 63); a cell that claims to span more is cut.
const COLUMNS: usize = 63;

/// The text of a merged cell is repeated in all its rows, and in the header in all its columns, so that each row says what
/// it is about: up to this many bytes, and in one table up to this many times the bytes of its own text.
const REPEATED_BYTES: usize = 256;
const REPEATED_TIMES: usize = 8;

/// What the properties of a cell say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellFormat {
    pub columns: usize,
    /// It goes on with the cell above.
    pub continues: bool,
    pub deleted: bool,
}

impl Default for CellFormat {
    fn default() -> Self {
        Self { columns: 1, continues: false, deleted: false }
    }
}

#[derive(Debug)]
struct Cell {
    pieces: Vec<Piece>,
    format: CellFormat,
}

#[derive(Debug, Default)]
struct Row {
    cells: Vec<Cell>,
    /// Columns left out before the first cell.
    skipped: usize,
    header: bool,
    deleted: bool,
}

/// A table that is being read.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    /// Whether the first row is formatted as a header, when the table says so.
    pub first_row: Option<bool>,
}

/// What the properties of a row say.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct RowFormat {
    pub header: bool,
    pub deleted: bool,
    pub skipped: usize,
}

impl Table {
    /// Begins a row.
    pub fn row(&mut self) {
        self.rows.push(Row::default());
    }

    /// Sets the properties of the last row.
    pub fn format_row(&mut self, format: RowFormat) {
        if let Some(row) = self.rows.last_mut() {
            (row.header, row.deleted, row.skipped) = (format.header, format.deleted, format.skipped.min(COLUMNS));
        }
    }

    /// Adds a cell to the last row.
    pub fn cell(&mut self, pieces: Vec<Piece>, format: CellFormat) {
        let cell = Cell { pieces, format };
        match self.rows.last_mut() {
            Some(row) => row.cells.push(cell),
            None => self.rows.push(Row { cells: vec![cell], ..Row::default() }),
        }
    }

    /// The table as pieces: itself, followed by the notes and the larger tables in its cells; or only the content of its
    /// cells when it is there for the layout.
    pub fn finish(mut self) -> Vec<Piece> {
        self.rows.retain(|row| !row.deleted);
        if self.is_layout() {
            let mut content = Vec::new();
            self.rows
                .into_iter()
                .flat_map(|row| row.cells)
                .flat_map(|cell| cell.pieces)
                .for_each(|piece| append(&mut content, piece));
            return content;
        }
        let header_rows = self.header_rows();
        let mut grid = Grid::default();
        let rows = (0..).zip(self.rows).map(|(at, row)| grid.row(row, at < header_rows)).collect();
        let hoisted = grid.hoisted;
        let mut pieces = Vec::with_capacity(1 + hoisted.len());
        append(&mut pieces, Piece::Table { rows, header_rows });
        pieces.extend(hoisted);
        pieces
    }

    /// One cell, or one column whose cells hold more than a line each, is a frame around text.
    fn is_layout(&self) -> bool {
        let one_column = self.rows.iter().all(|row| row.cells.len() <= 1);
        let structured =
            |cell: &Cell| cell.pieces.len() > 1 || matches!(cell.pieces.first(), Some(Piece::Table { .. }));
        one_column && (self.rows.len() <= 1 || self.rows.iter().flat_map(|row| &row.cells).any(structured))
    }

    /// Rows marked as header, or else the first of several unless the table says that it is none.
    fn header_rows(&self) -> u32 {
        let marked = self.rows.iter().take_while(|row| row.header).count();
        let fallback = usize::from(self.rows.len() > 1 && self.first_row.unwrap_or(true));
        u32::try_from(if marked > 0 { marked } else { fallback }).unwrap_or(u32::MAX)
    }
}

/// Rows while they are laid out in columns.
#[derive(Debug, Default)]
struct Grid {
    above: Vec<String>,
    own_bytes: usize,
    repeated_bytes: usize,
    hoisted: Vec<Piece>,
}

impl Grid {
    fn row(&mut self, row: Row, header: bool) -> Vec<String> {
        let mut cells = vec![String::new(); row.skipped];
        for Cell { pieces, format } in row.cells {
            let (own, apart): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(|piece| !stands_apart(piece));
            self.hoisted.extend(apart);
            let mut text = flat(&own);
            self.own_bytes += text.len();
            if format.continues && text.trim().is_empty() {
                text =
                    self.above.get(cells.len()).cloned().filter(|above| self.may_repeat(above, 1)).unwrap_or_default();
            }
            let spanned = format.columns.clamp(1, COLUMNS) - 1;
            let repeated = if header && self.may_repeat(&text, spanned) { text.clone() } else { String::new() };
            cells.push(text);
            cells.extend(std::iter::repeat_n(repeated, spanned));
        }
        self.above.clone_from(&cells);
        cells
    }

    /// Whether `text` may stand in the table so many times more; counts it when it may.
    fn may_repeat(&mut self, text: &str, times: usize) -> bool {
        let bytes = self.repeated_bytes + text.len() * times;
        let may = text.len() <= REPEATED_BYTES && bytes <= self.own_bytes.saturating_mul(REPEATED_TIMES);
        if may {
            self.repeated_bytes = bytes;
        }
        may
    }
}

/// A note, and a nested table of at least two rows and columns, which would lose its shape in a cell.
fn stands_apart(piece: &Piece) -> bool {
    match piece {
        Piece::Text { kind, .. } => *kind == heimdex_schemas::BlockKind::Note,
        Piece::Table { rows, .. } => rows.len() > 1 && rows.iter().any(|row| row.len() > 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[&[&str]]) -> Table {
        let mut table = Table::default();
        for row in rows {
            table.row();
            row.iter().for_each(|cell| table.cell(vec![Piece::paragraph(*cell)], CellFormat::default()));
        }
        table
    }

    fn rows(piece: Option<&Piece>) -> (Vec<Vec<&str>>, u32) {
        match piece {
            Some(Piece::Table { rows, header_rows }) => {
                (rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect(), *header_rows)
            }
            _ => (Vec::new(), u32::MAX),
        }
    }

    #[test]
    fn spans_skipped_columns_and_deleted_rows() {
        let mut table = table(&[&["a", "b", "c"]]);
        table.row();
        table.format_row(RowFormat { deleted: true, ..RowFormat::default() });
        table.row();
        table.format_row(RowFormat { skipped: 1, ..RowFormat::default() });
        table.cell(
            vec![Piece::paragraph("x"), Piece::paragraph("y")],
            CellFormat { columns: 2, ..CellFormat::default() },
        );
        table.row();
        table.cell(vec![], CellFormat::default());
        table.cell(vec![], CellFormat { columns: 2, continues: true, deleted: false });
        let pieces = table.finish();
        assert_eq!(rows(pieces.first()), (vec![vec!["a", "b", "c"], vec!["", "x\ny", ""], vec!["", "x\ny", ""]], 1));
    }

    #[test]
    fn header_rows_marked_denied_or_taken_for_granted() {
        let mut marked = table(&[&["a", "b"], &["c", "d"], &["1", "2"]]);
        marked.rows.iter_mut().take(2).for_each(|row| row.header = true);
        let denied = Table { first_row: Some(false), ..table(&[&["a", "b"], &["1", "2"]]) };
        for (table, expected) in
            [(marked, 2), (denied, 0), (table(&[&["a", "b"], &["1", "2"]]), 1), (table(&[&["a", "b"]]), 0)]
        {
            assert_eq!(rows(table.finish().first()).1, expected);
        }
    }

    #[test]
    fn layout_tables_are_unwrapped_and_inner_tables_follow() {
        let inner = Piece::Table { rows: vec![vec!["1".into(), "2".into()]; 2], header_rows: 1 };
        let mut frame = Table::default();
        frame.row();
        frame.cell(vec![Piece::paragraph("text"), inner.clone()], CellFormat::default());
        assert_eq!(frame.finish(), [Piece::paragraph("text"), inner.clone()]);
        let mut outer = table(&[&["a", "b"]]);
        outer.cell(vec![Piece::paragraph("c"), inner.clone(), Piece::note("n")], CellFormat::default());
        let pieces = outer.finish();
        assert_eq!(rows(pieces.first()).0, [["a", "b", "c"]]);
        assert_eq!(pieces.get(1..), Some(&[inner, Piece::note("n")][..]));
    }

    #[test]
    fn repeating_is_limited_to_headers_and_short_texts() {
        let spanning = |text: String, columns| {
            let mut table = table(&[&["a", "b", "c"]]);
            table.rows.iter_mut().for_each(|row| row.header = true);
            table.row();
            table.format_row(RowFormat { header: true, ..RowFormat::default() });
            table.cell(vec![Piece::paragraph(text)], CellFormat { columns, ..CellFormat::default() });
            let pieces = table.finish();
            rows(pieces.first()).0.into_iter().skip(1).map(|row| row.concat().len()).collect::<Vec<_>>()
        };
        assert_eq!(spanning("yyyyy".to_owned(), 3), [15]);
        assert_eq!(spanning("x".repeat(REPEATED_BYTES + 1), 3), [REPEATED_BYTES + 1]);
        assert_eq!(spanning("y".to_owned(), 1_000_000), [1]);
    }
}
