//! OpenDocument spreadsheets (OASIS OpenDocument 1.3, part 3, chapter 9): cells hold their displayed text.

mod meta;

use std::collections::HashSet;

use super::grid::{Area, Grid, Kind};
use super::{Book, Title};
use crate::Failure;
use crate::package::Package;
use crate::xml::{Element, Node, Reader};

/// Rows and columns of the largest sheets that programs make; beyond lie repetitions that fill a sheet.
const MAX_ROWS: u32 = 1 << 20;
const MAX_COLUMNS: u32 = 1 << 14;

/// Reads all sheets of a workbook.
pub(super) fn read(bytes: &[u8], book: &mut Book<'_>) -> Result<(), Failure> {
    let limits = book.limits;
    let mut package = Package::open(bytes, limits)?;
    if package.xml("META-INF/manifest.xml")?.is_some_and(|manifest| manifest.contains("encryption-data")) {
        return Err(Failure::Encrypted);
    }
    let Some(content) = package.xml("content.xml")? else { return Err(Failure::corrupt("content.xml is missing")) };
    book.document.metadata = meta::read(&mut package, limits)?;
    let mut body = Body { reader: Reader::new(&content, limits), styles: Styles::default() };
    while let Some(node) = body.reader.next()? {
        let Node::Open(element) = node else { continue };
        match element.name() {
            "style" => body.styles.open(&element),
            "table-properties" | "text-properties" => body.styles.property(&element),
            "table" => {
                let title = body.styles.title(&element);
                let grid = body.sheet(book.grid())?;
                book.sheet(&title, Ok(grid))?;
            }
            // What refers to the cells, and tables of what was deleted.
            "tracked-changes" | "content-validations" | "database-ranges" => body.reader.skip()?,
            _ => {}
        }
    }
    Ok(())
}

/// The styles that hide a sheet or make a cell bold.
#[derive(Default)]
struct Styles {
    open: String,
    hidden: HashSet<String>,
    bold: HashSet<String>,
}

impl Styles {
    fn open(&mut self, element: &Element<'_>) {
        self.open = element.attribute("style:name").unwrap_or_default().into_owned();
    }

    fn property(&mut self, element: &Element<'_>) {
        if element.attribute("display").is_some_and(|display| display == "false") {
            self.hidden.insert(self.open.clone());
        }
        if element.attribute("fo:font-weight").is_some_and(|weight| weight == "bold") {
            self.bold.insert(self.open.clone());
        }
    }

    fn title(&self, table: &Element<'_>) -> Title {
        let style = table.attribute("style-name").unwrap_or_default();
        let name = table.attribute("table:name").unwrap_or_default().into_owned();
        Title { name, hidden: self.hidden.contains(&*style) }
    }
}

struct Body<'a> {
    reader: Reader<'a>,
    styles: Styles,
}

/// A cell, and how often it stands beside itself.
struct Repeated {
    column: u32,
    times: u32,
    /// Columns and rows that it covers.
    span: (u32, u32),
    text: String,
    kind: Kind,
    bold: bool,
}

impl Body<'_> {
    /// After the opening of a table: its rows.
    fn sheet(&mut self, mut grid: Grid) -> Result<Grid, Failure> {
        let inside = self.reader.depth();
        let (mut row, mut in_header) = (0u32, false);
        while let Some(node) = self.reader.next_within(inside)? {
            match node {
                Node::Open(element) => match element.name() {
                    "table-row" => {
                        let times = count(&element, "number-rows-repeated").min(MAX_ROWS.saturating_sub(row));
                        let cells = self.row(&mut grid)?;
                        put(&cells, row, times, &mut grid)?;
                        row = row.saturating_add(times);
                        if in_header && row <= 3 {
                            grid.frozen_rows = row;
                        }
                    }
                    "table-header-rows" => in_header = true,
                    "shapes" => self.shapes(&mut grid)?,
                    _ => {}
                },
                Node::Close(closed) => in_header &= closed.name() != "table-header-rows",
                Node::Text(_) => {}
            }
        }
        Ok(grid)
    }

    /// After the opening of a row: its cells that show something.
    fn row(&mut self, grid: &mut Grid) -> Result<Vec<Repeated>, Failure> {
        let inside = self.reader.depth();
        let (mut cells, mut column) = (Vec::new(), 0u32);
        while let Some(element) = self.reader.open_within(inside)? {
            let times = count(&element, "number-columns-repeated").min(MAX_COLUMNS.saturating_sub(column));
            match element.name() {
                "table-cell" => {
                    let cell = self.cell(&element, column, times, grid)?;
                    cells.extend(Some(cell).filter(|cell| !cell.text.trim().is_empty()));
                }
                "covered-table-cell" => self.reader.skip()?,
                _ => continue,
            }
            column = column.saturating_add(times);
        }
        Ok(cells)
    }

    fn cell(&mut self, element: &Element<'_>, column: u32, times: u32, grid: &mut Grid) -> Result<Repeated, Failure> {
        let value_type = element.attribute("office:value-type").unwrap_or_default();
        let kind = if matches!(&*value_type, "" | "string") { Kind::Text } else { Kind::Typed };
        let bold = element.attribute("style-name").is_some_and(|style| self.styles.bold.contains(&*style));
        let span = (count(element, "number-columns-spanned"), count(element, "number-rows-spanned"));
        let stored =
            ["office:string-value", "office:date-value", "office:time-value", "office:boolean-value", "office:value"];
        let stored = stored.iter().find_map(|name| element.attribute(name)).unwrap_or_default().into_owned();
        let mut text = self.paragraphs(grid)?;
        if text.trim().is_empty() {
            text = stored;
        }
        Ok(Repeated { column, times, span, text, kind, bold })
    }

    /// After the opening of a cell: its text; comments go to the notes.
    fn paragraphs(&mut self, grid: &mut Grid) -> Result<String, Failure> {
        let inside = self.reader.depth();
        let (mut text, mut in_paragraph) = (String::new(), 0);
        while let Some(node) = self.reader.next_within(inside)? {
            match node {
                Node::Open(element) => match element.name() {
                    "annotation" => self.annotation(grid)?,
                    "ruby-text" => self.reader.skip()?,
                    "p" | "h" => in_paragraph += 1,
                    "s" | "tab" | "line-break" => text.push(' '),
                    _ => {}
                },
                Node::Close(closed) if matches!(closed.name(), "p" | "h") => {
                    in_paragraph -= 1;
                    text.push('\n');
                }
                Node::Text(piece) if in_paragraph > 0 => text.push_str(&piece),
                _ => {}
            }
        }
        Ok(text)
    }

    /// After the opening of an annotation: its author and text.
    fn annotation(&mut self, grid: &mut Grid) -> Result<(), Failure> {
        let inside = self.reader.depth();
        let (mut author, mut text) = (String::new(), String::new());
        while let Some(element) = self.reader.open_within(inside)? {
            match element.name() {
                "creator" => author = self.reader.text()?,
                "p" => {
                    self.reader.text_into(&mut text)?;
                    text.push('\n');
                }
                "date" | "date-string" | "creator-initials" => self.reader.skip()?,
                _ => {}
            }
        }
        grid.comment(&author, &text)
    }

    /// After the opening of a table's shapes: the text of each.
    fn shapes(&mut self, grid: &mut Grid) -> Result<(), Failure> {
        let inside = self.reader.depth();
        while self.reader.open_within(inside)?.is_some() {
            let text = self.paragraphs(grid)?;
            grid.comment("", &text)?;
        }
        Ok(())
    }
}

/// Puts the cells of a row into each of the `times` rows from `row` on.
fn put(cells: &[Repeated], row: u32, times: u32, grid: &mut Grid) -> Result<(), Failure> {
    if cells.is_empty() {
        return Ok(());
    }
    for row in (row..).take(times as usize) {
        for cell in cells {
            for column in (cell.column..).take(cell.times as usize) {
                grid.put((row, column), &cell.text, cell.kind, cell.bold)?;
                if cell.span != (1, 1) {
                    let (right, bottom) = (column.saturating_add(cell.span.0 - 1), row.saturating_add(cell.span.1 - 1));
                    grid.merge(Area { top: row, left: column, bottom, right });
                }
            }
        }
    }
    Ok(())
}

/// A count of repetitions or of rows and columns covered; at least 1.
fn count(element: &Element<'_>, name: &str) -> u32 {
    element.attribute(name).and_then(|count| count.trim().parse().ok()).unwrap_or(1).max(1)
}
