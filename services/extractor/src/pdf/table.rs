//! Tables: lines in a row whose cells stand under each other.

use heimdex_schemas::BlockKind;

use super::paragraphs::Piece;
use super::rows::{Cell, Row};
use super::written::Written;

/// Fewest lines of a table with two columns, and with more.
const MIN_ROWS: usize = 3;
const MIN_ROWS_WIDE: usize = 2;
/// A longer table comes as several; looking for one at each line stays cheap.
const MAX_ROWS: usize = 500;
/// Between cells of one row.
const SEPARATOR: &str = " | ";

/// A table at the start of `rows` and how many of them it takes.
pub(super) fn table(rows: &[Row]) -> Option<(Piece, usize)> {
    let first = rows.first().filter(|row| row.cells.len() >= 2)?;
    let mut columns: Vec<(f32, f32)> = Vec::new();
    let mut taken: Vec<&Row> = Vec::new();
    for row in rows.iter().take(MAX_ROWS) {
        let near = taken.last().is_none_or(|above| is_near(above, row));
        let wider = near.then(|| with_cells(&columns, row)).flatten();
        let Some(wider) = wider.filter(|_| row.cells.len() >= 2 || is_continuation(&columns, row)) else { break };
        columns = wider;
        taken.push(row);
    }
    while taken.last().is_some_and(|row| row.cells.len() < 2) {
        taken.pop();
    }
    let full = taken.iter().filter(|row| row.cells.len() >= 2).count();
    let needed = if columns.len() > 2 { MIN_ROWS_WIDE } else { MIN_ROWS };
    if full < needed || is_contents(&taken) || is_running_text(&taken, columns.len()) {
        return None;
    }
    let header_rows = u32::from(is_header(first, &taken));
    let written = write(&taken, &columns);
    let bold = taken.iter().all(|row| row.bold);
    let piece = Piece { kind: BlockKind::Table { header_rows }, written, size: first.size, bold, lines: taken.len() };
    Some((piece, taken.len()))
}

/// Rows may have more space between them than lines.
const MAX_PITCH: f32 = 3.0;

fn is_near(above: &Row, row: &Row) -> bool {
    let pitch = row.base - above.base;
    above.turns == row.turns && pitch > 0.0 && pitch <= MAX_PITCH * above.size.max(row.size)
}

/// The columns with the cells of `row`; `None` when a cell lies in two of them, or the row has fewer than half of them.
fn with_cells(columns: &[(f32, f32)], row: &Row) -> Option<Vec<(f32, f32)>> {
    let mut wider = columns.to_vec();
    for cell in &row.cells {
        let mut touched = wider.iter_mut().filter(|(u0, u1)| cell.u0 < *u1 && *u0 < cell.u1);
        match (touched.next(), touched.next()) {
            (Some(column), None) => *column = (column.0.min(cell.u0), column.1.max(cell.u1)),
            (None, _) => wider.push((cell.u0, cell.u1)),
            (Some(_), Some(_)) => return None,
        }
    }
    wider.sort_by(|a, b| a.0.total_cmp(&b.0));
    let disjoint = wider.windows(2).all(|pair| matches!(pair, [a, b] if a.1 <= b.0));
    let alike = columns.is_empty() || row.cells.len() * 2 >= columns.len() || row.cells.len() == 1;
    (disjoint && alike).then_some(wider)
}

/// A single cell that goes on in a column other than the first.
fn is_continuation(columns: &[(f32, f32)], row: &Row) -> bool {
    let [cell] = row.cells.as_slice() else { return false };
    columns.iter().skip(1).any(|(u0, u1)| cell.u0 < *u1 && *u0 < cell.u1)
}

/// Whether a row has a line of dots, as entries of a table of contents have before the page.
pub(super) fn has_leaders(row: &Row) -> bool {
    row.written.text.contains("....") || row.written.text.contains(". . .")
}

/// Columns of running text that stand beside each other: hardly a cell is short.
fn is_running_text(rows: &[&Row], columns: usize) -> bool {
    let cells = rows.iter().flat_map(|row| &row.cells);
    let short = cells.clone().filter(|cell| cell.to - cell.from < LONG_CELL).count();
    rows.len() > columns && short * 10 < cells.count()
}

/// In characters.
const LONG_CELL: u32 = 28;

fn is_contents(rows: &[&Row]) -> bool {
    rows.iter().filter(|row| has_leaders(row)).count() * 2 > rows.len()
}

/// Whether `first` names the columns: it alone is bold, or it alone has no digits.
fn is_header(first: &Row, rows: &[&Row]) -> bool {
    let others = rows.iter().skip(1);
    let has_digits = |row: &Row| row.written.text.contains(|c: char| c.is_ascii_digit());
    let bold = first.bold && others.clone().all(|row| !row.bold);
    let digits = others.clone().filter(|row| has_digits(row)).count();
    bold || (!has_digits(first) && digits * 3 >= others.count() * 2 && digits > 0)
}

fn write(rows: &[&Row], columns: &[(f32, f32)]) -> Written {
    let mut written = Written::default();
    for (at, row) in merged(rows).iter().enumerate() {
        if at > 0 {
            written.gap("\n");
        }
        let mut empty = 0;
        for (column, place) in columns.iter().enumerate() {
            empty += usize::from(column > 0);
            let cells = row.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
            for (part, (source, cell)) in cells.filter(|(_, cell)| is_in(cell, place)).enumerate() {
                written.gap(if part > 0 { " " } else { "" });
                (0..std::mem::take(&mut empty)).for_each(|_| written.gap(SEPARATOR));
                written.extend(&source.written, cell.from, cell.to);
            }
        }
    }
    written
}

fn is_in(cell: &Cell, (u0, u1): &(f32, f32)) -> bool {
    let middle = f32::midpoint(cell.u0, cell.u1);
    (*u0..=*u1).contains(&middle)
}

/// Rows with the lines that go on in them.
fn merged<'a>(rows: &[&'a Row]) -> Vec<Vec<&'a Row>> {
    let mut merged: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        match merged.last_mut() {
            Some(above) if row.cells.len() < 2 => above.push(row),
            _ => merged.push(vec![row]),
        }
    }
    merged
}
