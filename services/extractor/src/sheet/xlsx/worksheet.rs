//! One sheet, in one pass over its part.

use super::super::grid::{Area, Declared, Grid, Kind};
use super::super::number_format::{general, serial};
use super::super::strings::{rich_text, unescape};
use super::{Shared, annotations};
use crate::package::Package;
use crate::xml::{Element, Node, Reader};
use crate::{Failure, Limits};

/// Reads the sheet in `part`, and the tables, comments and text boxes that it refers to, into `grid`.
pub(super) fn read(
    package: &mut Package<'_>,
    part: &str,
    shared: &Shared,
    grid: Grid,
    limits: &Limits,
) -> Result<Grid, Failure> {
    let Some(text) = package.xml(part)? else { return Err(Failure::corrupt(format!("{part} is missing"))) };
    let mut sheet = Sheet { reader: Reader::new(&text, limits), shared, grid, row: 0, column: 0, text: String::new() };
    sheet.read()?;
    let mut grid = sheet.grid;
    drop(text);
    for relationship in package.relationships(part)? {
        if !relationship.external {
            annotations::read(package, &relationship, &shared.persons, &mut grid, limits)?;
        }
    }
    Ok(grid)
}

struct Sheet<'a> {
    reader: Reader<'a>,
    shared: &'a Shared,
    grid: Grid,
    /// Where the next row and cell are that do not say it.
    row: u32,
    column: u32,
    /// Of the cell, kept for its room.
    text: String,
}

/// `t` of a cell (ECMA-376 part 1, section 18.18.11).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Boolean,
    Date,
    Error,
    Inline,
    Number,
    Shared,
    Formula,
}

impl Type {
    fn of(value: Option<&str>) -> Self {
        match value {
            Some("b") => Self::Boolean,
            Some("d") => Self::Date,
            Some("e") => Self::Error,
            Some("inlineStr") => Self::Inline,
            Some("s") => Self::Shared,
            Some("str") => Self::Formula,
            _ => Self::Number,
        }
    }
}

impl Sheet<'_> {
    fn read(&mut self) -> Result<(), Failure> {
        while let Some(node) = self.reader.next()? {
            let Node::Open(element) = node else { continue };
            match element.name() {
                "row" => {
                    let row = element.attribute("r").and_then(|row| row.parse::<u32>().ok());
                    self.row = row.map_or(self.row.saturating_add(1), |row| row.max(1));
                    self.column = 0;
                }
                "c" => {
                    let place = element.attribute("r").and_then(|place| cell_place(&place));
                    let style = element.attribute("s").and_then(|style| style.parse().ok()).unwrap_or_default();
                    let kind = Type::of(element.attribute("t").as_deref());
                    let place = place.unwrap_or((self.row.saturating_sub(1), self.column));
                    self.column = place.1.saturating_add(1);
                    self.cell(place, style, kind)?;
                }
                "mergeCell" => area(&element).into_iter().for_each(|area| self.grid.merge(area)),
                "autoFilter" => {
                    let table = area(&element).filter(|area| area.bottom > area.top);
                    table.into_iter().for_each(|area| self.grid.declare(Declared { area, header_rows: 1 }));
                }
                "pane" => self.pane(&element),
                _ => {}
            }
        }
        Ok(())
    }

    /// Rows kept in view are a header when they are few; panes also hold large parts of a sheet.
    fn pane(&mut self, element: &Element<'_>) {
        let frozen = element.attribute("state").is_some_and(|state| state.starts_with("frozen"));
        let rows = element.attribute("ySplit").and_then(|rows| rows.parse::<u32>().ok());
        if let (true, Some(rows @ 1..=3)) = (frozen, rows) {
            self.grid.frozen_rows = self.grid.frozen_rows.max(rows);
        }
    }

    fn cell(&mut self, place: (u32, u32), style: usize, kind: Type) -> Result<(), Failure> {
        self.text.clear();
        let inside = self.reader.depth();
        while let Some(element) = self.reader.open_within(inside)? {
            match element.name() {
                "v" => self.reader.text_into(&mut self.text)?,
                "is" => {
                    self.text.clear();
                    rich_text(&mut self.reader, &mut self.text)?;
                }
                _ => self.reader.skip()?,
            }
        }
        self.put(place, style, kind)
    }

    /// Puts what was read as it is displayed.
    fn put(&mut self, place: (u32, u32), style: usize, kind: Type) -> Result<(), Failure> {
        let Self { shared, grid, text, .. } = self;
        let bold = shared.styles.is_bold(style);
        let format = shared.styles.number_format(style);
        let shown = |text: &str, grid: &mut Grid| match format {
            Some(format) => grid.put(place, &format.text(text), Kind::Text, bold),
            None => grid.put(place, text, Kind::Text, bold),
        };
        match kind {
            Type::Shared => {
                let number = text.trim().parse().ok();
                shown(number.and_then(|number| shared.strings.get(number)).unwrap_or_default(), grid)
            }
            Type::Inline => shown(text, grid),
            Type::Formula => {
                let mut plain = String::with_capacity(text.len());
                unescape(text, &mut plain);
                shown(&plain, grid)
            }
            Type::Boolean => {
                let value = match text.trim() {
                    "1" | "true" => "TRUE",
                    "0" | "false" => "FALSE",
                    other => other,
                };
                grid.put(place, value, Kind::Typed, bold)
            }
            Type::Error => grid.put(place, text, Kind::Typed, bold),
            Type::Date => {
                let dated = format.filter(|format| format.is_date());
                let shown =
                    serial(text, shared.epoch).zip(dated).map(|(value, format)| format.number(value, shared.epoch));
                grid.put(place, shown.as_deref().unwrap_or(text), Kind::Typed, bold)
            }
            Type::Number => match (text.trim().parse::<f64>(), format) {
                (Ok(value), Some(format)) => grid.put(place, &format.number(value, shared.epoch), Kind::Typed, bold),
                (Ok(value), None) => grid.put(place, &general(value), Kind::Typed, bold),
                // Some writers put texts without saying so.
                (Err(_), _) => shown(text, grid),
            },
        }
    }
}

/// The `ref` of an element as an area.
pub(super) fn area(element: &Element<'_>) -> Option<Area> {
    let reference = element.attribute("ref")?;
    let (from, to) = reference.split_once(':').unwrap_or((&reference, &reference));
    let ((top, left), (bottom, right)) = (cell_place(from)?, cell_place(to)?);
    Some(Area { top: top.min(bottom), left: left.min(right), bottom: bottom.max(top), right: right.max(left) })
}

/// Row and column of a reference such as `B7` or `$B$7`, from 0.
fn cell_place(reference: &str) -> Option<(u32, u32)> {
    let (mut row, mut column) = (0u32, 0u32);
    for byte in reference.bytes().filter(|byte| *byte != b'$') {
        match byte {
            b'0'..=b'9' => row = row.checked_mul(10)?.checked_add(u32::from(byte - b'0'))?,
            b'A'..=b'Z' if row == 0 => column = column.checked_mul(26)?.checked_add(u32::from(byte - b'A') + 1)?,
            b'a'..=b'z' if row == 0 => column = column.checked_mul(26)?.checked_add(u32::from(byte - b'a') + 1)?,
            _ => return None,
        }
    }
    Some((row.checked_sub(1)?, column.checked_sub(1)?))
}
