//! From a sheet to a page: its name as the heading, its regions as tables and paragraphs, its comments as notes.

use super::grid::{Cell, Grid};
use super::{header, regions};
use crate::compose::PageBuilder;
use crate::{BlockKind, Failure, Limits, Page};

/// A region with more empty cells than this beside each filled one is no table: its empty cells are left out.
const GAPS_PER_CELL: usize = 4;
const FREE_GAPS: usize = 4_096;

/// In a column of one, rows longer than this on average are paragraphs.
const PROSE_CHARS: usize = 80;

/// Writes a sheet.
///
/// # Errors
/// `too_large` when the text is over the limit together with the `written` bytes of the sheets before.
pub(super) fn page(name: &str, mut grid: Grid, number: u32, limits: &Limits) -> Result<Page, Failure> {
    let mut page = PageBuilder::new();
    grid.sorted();
    let regions = regions::regions(&grid);
    if !regions.is_empty() || !grid.notes.is_empty() {
        page.push(BlockKind::Heading { level: 1 }, name);
    }
    for region in &regions {
        block(&grid, region, &mut page);
        if page.bytes() > limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", limits.max_text_bytes));
        }
    }
    for note in &grid.notes {
        page.push(BlockKind::Note, note);
    }
    Ok(page.finish(number))
}

fn block(grid: &Grid, region: &[Cell], page: &mut PageBuilder) {
    let lines: Vec<&[Cell]> = region.chunk_by(|one, next| one.row == next.row).collect();
    let titles = titles(grid, &lines);
    let (above, lines) = lines.split_at_checked(titles).unwrap_or_default();
    for cell in above.iter().copied().flatten() {
        page.push(BlockKind::Paragraph, grid.text_of(cell));
    }
    let region = region.get(titles..).unwrap_or_default();
    let columns = columns(region);
    match (lines, columns.as_slice()) {
        ([], _) => {}
        ([[cell]], _) => page.push(BlockKind::Paragraph, grid.text_of(cell)),
        (_, [_]) if is_prose(grid, region) => {
            region.iter().for_each(|cell| page.push(BlockKind::Paragraph, grid.text_of(cell)));
        }
        _ => table(grid, region, lines, &columns, page),
    }
}

/// Rows at the top with one cell only, where a table follows: what it is about.
fn titles(grid: &Grid, lines: &[&[Cell]]) -> usize {
    let single = lines.iter().take_while(|line| line.len() == 1).count();
    let rest = lines.get(single..).unwrap_or_default();
    if rest.len() < 2 || lines.iter().take(single).any(|line| grid.has_table(line)) { 0 } else { single }
}

/// The columns that have a cell, in order.
fn columns(region: &[Cell]) -> Vec<u32> {
    let mut columns: Vec<u32> = region.iter().map(|cell| cell.column).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn is_prose(grid: &Grid, region: &[Cell]) -> bool {
    let chars: usize = region.iter().map(|cell| grid.text_of(cell).len()).sum();
    chars > region.len() * PROSE_CHARS
}

fn table(grid: &Grid, region: &[Cell], lines: &[&[Cell]], columns: &[u32], page: &mut PageBuilder) {
    let place = |cell: &Cell| columns.binary_search(&cell.column).unwrap_or_default();
    let ends = lines.iter().filter_map(|line| line.last()).map(|cell| place(cell) + 1);
    let gaps = ends.sum::<usize>().saturating_sub(region.len());
    let sparse = gaps > region.len() * GAPS_PER_CELL + FREE_GAPS;
    let rows = lines.iter().map(|line| Row { grid, cells: line, columns, sparse });
    page.table(rows.map(Row::texts), header::rows(grid, region));
}

/// A row on its way into the page.
struct Row<'a> {
    grid: &'a Grid,
    cells: &'a [Cell],
    columns: &'a [u32],
    /// Empty cells are left out.
    sparse: bool,
}

impl<'a> Row<'a> {
    fn texts(self) -> Vec<&'a str> {
        let mut texts = Vec::with_capacity(self.cells.len());
        for cell in self.cells {
            let place = self.columns.binary_search(&cell.column).unwrap_or_default();
            if !self.sparse {
                texts.resize(place.max(texts.len()), "");
            }
            texts.push(self.grid.text_of(cell));
        }
        texts
    }
}
