//! How many rows of a region name its columns.

use std::collections::HashSet;

use super::grid::{Cell, Grid, Kind};

/// Rows that a header has at most.
const MAX_ROWS: usize = 3;
/// A header names so many of a hundred columns at least.
const NAMED_PERCENT: usize = 70;
/// Characters of a column's name at most; longer is prose.
const NAME_CHARS: usize = 80;

/// Header rows of a region (its cells row by row): as a declared table says, as frozen panes say, or as its looks say.
pub(super) fn rows(grid: &Grid, region: &[Cell]) -> u32 {
    let Some(first) = region.first() else { return 0 };
    if let Some(table) = grid.tables_at(std::slice::from_ref(first)).next() {
        return if table.area.top == first.row { table.header_rows } else { 0 };
    }
    let lines: Vec<&[Cell]> = region.chunk_by(|one, next| one.row == next.row).collect();
    let frozen = lines.iter().take_while(|line| row(line) < grid.frozen_rows).count();
    let rows = if (1..=MAX_ROWS).contains(&frozen) && frozen < lines.len() && columns(region) > 1 {
        frozen
    } else {
        by_looks(grid, region, &lines)
    };
    u32::try_from(rows).unwrap_or_default()
}

fn row(line: &[Cell]) -> u32 {
    line.first().map_or(u32::MAX, |cell| cell.row)
}

fn columns(region: &[Cell]) -> usize {
    let columns: HashSet<u32> = region.iter().map(|cell| cell.column).collect();
    columns.len()
}

/// Text above typed columns, or bold above plain; rows of merged cells above such a row belong to it.
fn by_looks(grid: &Grid, region: &[Cell], lines: &[&[Cell]]) -> usize {
    let width = columns(region);
    if width < 2 || lines.len() < 2 {
        return 0;
    }
    let groups = lines.iter().take(MAX_ROWS - 1).take_while(|line| is_group(grid, line, width)).count();
    let (Some(head), Some(body)) = (lines.get(groups), lines.get(groups + 1..)) else { return 0 };
    if names_columns(grid, head, width) && (typed_below(head, body) || bolder(head, body)) { groups + 1 } else { 0 }
}

/// A row above the names that groups columns: text, some of it across several columns.
fn is_group(grid: &Grid, line: &[Cell], width: usize) -> bool {
    let wide = |cell: &Cell| {
        let area = grid.area_of(cell);
        area.right > area.left
    };
    line.len() < width && line.len() > 1 && line.iter().all(|cell| cell.kind == Kind::Text) && line.iter().any(wide)
}

fn names_columns(grid: &Grid, line: &[Cell], width: usize) -> bool {
    let texts: HashSet<&str> = line.iter().map(|cell| grid.text_of(cell)).collect();
    let short = texts.iter().all(|text| text.chars().nth(NAME_CHARS).is_none());
    let text = line.iter().all(|cell| cell.kind == Kind::Text);
    short && text && texts.len() == line.len() && line.len() * 100 >= width * NAMED_PERCENT
}

/// Whether a column with a name mostly holds typed values. Only the first rows are looked at.
fn typed_below(head: &[Cell], body: &[&[Cell]]) -> bool {
    const ROWS: usize = 100;
    let cells = || body.iter().take(ROWS).copied().flatten();
    let named: HashSet<u32> = head.iter().map(|cell| cell.column).collect();
    let mut counts = std::collections::HashMap::<u32, (usize, usize)>::new();
    for cell in cells().filter(|cell| named.contains(&cell.column)) {
        let (typed, all) = counts.entry(cell.column).or_default();
        *typed += usize::from(cell.kind == Kind::Typed);
        *all += 1;
    }
    counts.values().any(|(typed, all)| typed * 2 > *all)
}

fn bolder(head: &[Cell], body: &[&[Cell]]) -> bool {
    let plain = body.first().is_some_and(|line| line.iter().any(|cell| !cell.bold));
    plain && head.iter().all(|cell| cell.bold)
}
