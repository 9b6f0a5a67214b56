//! Where one table of a sheet ends and the next begins: empty rows and columns, and tables that the sheet declares.

use super::grid::{Area, Cell, Grid};
use super::header;

/// Cells that belong together, row by row.
pub(super) type Region = Vec<Cell>;

/// In parts beside each other, so many rows of a hundred on the right have one on the left when they are the values of
/// the labels there.
const SHARED_ROWS_PERCENT: usize = 80;

/// The regions of a sheet in reading order.
pub(super) fn regions(grid: &Grid) -> Vec<Region> {
    let bands = cut(grid, grid.cells().to_vec(), rows_of);
    let mut regions = Vec::new();
    for band in bands {
        for part in beside(grid, cut(grid, band, columns_of)) {
            for region in cut(grid, part, rows_of) {
                regions.extend(around_tables(grid, region));
            }
        }
    }
    regions
}

fn rows_of(area: Area) -> (u32, u32) {
    (area.top, area.bottom)
}

fn columns_of(area: Area) -> (u32, u32) {
    (area.left, area.right)
}

/// Cuts `cells` at each empty stretch of one axis. Merged cells fill all that they cover.
fn cut(grid: &Grid, cells: Vec<Cell>, axis: fn(Area) -> (u32, u32)) -> Vec<Region> {
    let mut spans: Vec<(u32, u32)> = cells.iter().map(|cell| axis(grid.area_of(cell))).collect();
    spans.sort_unstable();
    // The first row or column of each part.
    let mut starts = Vec::new();
    let mut end = None;
    for (from, to) in spans {
        if end.is_none_or(|end: u32| from > end.saturating_add(1)) {
            starts.push(from);
        }
        end = end.max(Some(to));
    }
    let mut parts = vec![Region::new(); starts.len()];
    for cell in cells {
        let (from, _) = axis(grid.area_of(&cell));
        let at = starts.partition_point(|start| *start <= from).saturating_sub(1);
        parts.get_mut(at).into_iter().for_each(|part| part.push(cell));
    }
    parts
}

/// Joins parts that an empty column separates, but that are one table to a reader: labels, and values in their rows.
fn beside(grid: &Grid, parts: Vec<Region>) -> Vec<Region> {
    let mut joined: Vec<Region> = Vec::with_capacity(parts.len());
    for part in parts {
        match joined.last_mut() {
            Some(left) if continues(grid, left, &part) => {
                left.extend(part);
                left.sort_unstable_by_key(|cell| (cell.row, cell.column));
            }
            _ => joined.push(part),
        }
    }
    joined
}

fn continues(grid: &Grid, left: &[Cell], right: &[Cell]) -> bool {
    if grid.has_table(left) || grid.has_table(right) || header::rows(grid, right) > 0 {
        return false;
    }
    let rows = row_numbers(left);
    let wanted = row_numbers(right);
    let shared = wanted.iter().filter(|row| rows.binary_search(row).is_ok()).count();
    shared * 100 >= wanted.len() * SHARED_ROWS_PERCENT
}

fn row_numbers(cells: &[Cell]) -> Vec<u32> {
    let mut rows: Vec<u32> = cells.iter().map(|cell| cell.row).collect();
    rows.dedup();
    rows
}

/// Cuts above and below each declared table that lies in the region.
fn around_tables(grid: &Grid, region: Region) -> Vec<Region> {
    if !grid.has_table(&region) {
        return vec![region];
    }
    let areas = grid.tables_at(&region).map(|table| table.area);
    let mut cuts: Vec<u32> = areas.flat_map(|area| [area.top, area.bottom.saturating_add(1)]).collect();
    cuts.sort_unstable();
    let mut pieces: Vec<Region> = Vec::new();
    let mut last = None;
    for cell in region {
        let at = cuts.partition_point(|cut| *cut <= cell.row);
        if last != Some(at) {
            pieces.push(Region::new());
        }
        last = Some(at);
        pieces.last_mut().into_iter().for_each(|piece| piece.push(cell));
    }
    pieces
}
