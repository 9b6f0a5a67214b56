//! Binary workbooks ([MS-XLSB]): the parts of Office Open XML as records.

pub(super) mod records;

use std::collections::HashMap;

use super::grid::{Area, Declared, Grid, Kind};
use super::number_format::{Epoch, general};
use super::strings::Strings;
use super::styles::Styles;
use super::xlsx::annotations::{self, Persons};
use super::{Book, Title};
use crate::package::{Package, Relationship};
use crate::{Failure, Limits};
use records::{Record, records};

/// Record types ([MS-XLSB] 2.3).
mod kind {
    pub(super) const ROW: u32 = 0;
    pub(super) const CELL_RK: u32 = 2;
    pub(super) const CELL_ERROR: u32 = 3;
    pub(super) const CELL_BOOL: u32 = 4;
    pub(super) const CELL_REAL: u32 = 5;
    pub(super) const CELL_STRING: u32 = 6;
    pub(super) const CELL_SHARED: u32 = 7;
    pub(super) const FORMULA_STRING: u32 = 8;
    pub(super) const FORMULA_NUMBER: u32 = 9;
    pub(super) const FORMULA_BOOL: u32 = 10;
    pub(super) const FORMULA_ERROR: u32 = 11;
    pub(super) const SHARED_STRING: u32 = 19;
    pub(super) const FONT: u32 = 43;
    pub(super) const FORMAT: u32 = 44;
    pub(super) const XF: u32 = 47;
    pub(super) const CELL_RICH: u32 = 62;
    pub(super) const PANE: u32 = 151;
    pub(super) const WORKBOOK_PROPERTIES: u32 = 153;
    pub(super) const SHEET: u32 = 156;
    pub(super) const BEGIN_AUTO_FILTER: u32 = 161;
    pub(super) const MERGE: u32 = 176;
    pub(super) const BEGIN_TABLE: u32 = 343;
    pub(super) const BEGIN_CELL_XFS: u32 = 617;
    pub(super) const END_CELL_XFS: u32 = 618;
    pub(super) const COMMENT_AUTHOR: u32 = 632;
    pub(super) const BEGIN_COMMENT: u32 = 635;
    pub(super) const COMMENT_TEXT: u32 = 637;
}

/// What all sheets need.
struct Shared {
    strings: Strings,
    styles: Styles,
    epoch: Epoch,
}

/// Reads all sheets of a workbook.
pub(super) fn read(bytes: &[u8], book: &mut Book<'_>) -> Result<(), Failure> {
    let limits = book.limits;
    let mut package = Package::open(bytes, limits)?;
    let main = package.main_part("xl/workbook.bin")?;
    let Some(part) = package.bytes(&main)? else { return Err(Failure::corrupt("the workbook part is missing")) };
    let relationships = package.relationships(&main)?;
    let shared = shared(&mut package, &relationships, epoch(&part))?;
    book.document.metadata = package.properties()?;
    let targets: HashMap<&str, &Relationship> = relationships.iter().map(|part| (part.id.as_str(), part)).collect();
    for (title, id) in sheets(&part) {
        let Some(sheet) = targets.get(id.as_str()).filter(|part| part.kind == "worksheet") else { continue };
        let grid = book.grid();
        let read = read_sheet(&mut package, &sheet.target, &shared, grid, limits);
        book.sheet(&title, read)?;
    }
    Ok(())
}

fn shared(package: &mut Package<'_>, relationships: &[Relationship], epoch: Epoch) -> Result<Shared, Failure> {
    let part = |kind: &str| relationships.iter().find(|part| part.kind == kind).map(|part| part.target.clone());
    let mut bytes = |kind: &str| part(kind).map_or(Ok(None), |part| package.bytes(&part));
    let mut strings = Strings::default();
    for record in
        records(&bytes("sharedStrings")?.unwrap_or_default()).filter(|record| record.kind == kind::SHARED_STRING)
    {
        strings.push(&record.rich_string(0).unwrap_or_default());
    }
    let styles = styles(&bytes("styles")?.unwrap_or_default());
    Ok(Shared { strings, styles, epoch })
}

/// The date system ([MS-XLSB] 2.4.822, `f1904`).
fn epoch(workbook: &[u8]) -> Epoch {
    let properties = records(workbook).find(|record| record.kind == kind::WORKBOOK_PROPERTIES);
    if properties.and_then(|record| record.data.u32(0)).is_some_and(|flags| flags & 1 == 1) {
        Epoch::Y1904
    } else {
        Epoch::Y1900
    }
}

/// Titles and relationship ids of the sheets, in order ([MS-XLSB] 2.4.313).
fn sheets(workbook: &[u8]) -> Vec<(Title, String)> {
    let sheets = records(workbook).filter(|record| record.kind == kind::SHEET);
    // Excel 2007 wrote four more bytes before the texts until it was released.
    sheets.filter_map(|record| sheet(&record, 8).or_else(|| sheet(&record, 12))).collect()
}

/// The texts from `at` on must fill the record.
fn sheet(record: &Record<'_>, at: usize) -> Option<(Title, String)> {
    let (id, after) = record.wide_string(at)?;
    let (name, end) = record.wide_string(after)?;
    let hidden = record.data.u32(0)? != 0;
    (end == record.data.len()).then_some((Title { name, hidden }, id))
}

fn styles(part: &[u8]) -> Styles {
    let (mut styles, mut of_cells) = (Styles::default(), false);
    for record in records(part) {
        match record.kind {
            kind::FORMAT => {
                let code = record.wide_string(2).map(|(code, _)| code).unwrap_or_default();
                styles.format(record.data.u16(0).unwrap_or_default().into(), &code);
            }
            // The weight of bold type is 700 ([MS-XLSB] 2.4.149).
            kind::FONT => styles.font(record.data.u16(4).is_some_and(|weight| weight >= 600)),
            kind::BEGIN_CELL_XFS => of_cells = true,
            kind::END_CELL_XFS => of_cells = false,
            kind::XF if of_cells => {
                styles
                    .cell(record.data.u16(2).unwrap_or_default().into(), record.data.u16(4).unwrap_or_default().into());
            }
            _ => {}
        }
    }
    styles.load_built_in();
    styles
}

fn read_sheet(
    package: &mut Package<'_>,
    part: &str,
    shared: &Shared,
    mut grid: Grid,
    limits: &Limits,
) -> Result<Grid, Failure> {
    let Some(bytes) = package.bytes(part)? else { return Err(Failure::corrupt(format!("{part} is missing"))) };
    let mut row = 0;
    for record in records(&bytes) {
        match record.kind {
            kind::ROW => row = record.data.u32(0).unwrap_or(row),
            kind::MERGE => area(&record).into_iter().for_each(|area| grid.merge(area)),
            kind::BEGIN_AUTO_FILTER => {
                let table = area(&record).filter(|area| area.bottom > area.top);
                table.into_iter().for_each(|area| grid.declare(Declared { area, header_rows: 1 }));
            }
            kind::PANE => pane(&record, &mut grid),
            _ => cell(&record, row, shared, &mut grid)?,
        }
    }
    drop(bytes);
    for relationship in package.relationships(part)?.iter().filter(|relationship| !relationship.external) {
        match relationship.kind.as_str() {
            "table" => table(&package.bytes(&relationship.target)?.unwrap_or_default(), &mut grid),
            "comments" => comments(&package.bytes(&relationship.target)?.unwrap_or_default(), &mut grid)?,
            // Threads and drawings are XML here, too.
            _ => annotations::read(package, relationship, &Persons::new(), &mut grid, limits)?,
        }
    }
    Ok(grid)
}

/// Puts a cell's record, if it is one ([MS-XLSB] 2.5.9: column, style, then the value).
fn cell(record: &Record<'_>, row: u32, shared: &Shared, grid: &mut Grid) -> Result<(), Failure> {
    let (Some(column), Some(style)) = (record.data.u32(0), record.data.u32(4).map(|style| style & 0x00FF_FFFF)) else {
        return Ok(());
    };
    let place = (row, column);
    let style = style as usize;
    let bold = shared.styles.is_bold(style);
    let format = shared.styles.number_format(style);
    let text = match record.kind {
        kind::CELL_STRING | kind::FORMULA_STRING => record.wide_string(8).map(|(text, _)| text),
        kind::CELL_RICH => record.rich_string(8),
        kind::CELL_SHARED => {
            record.data.u32(8).and_then(|number| shared.strings.get(number as usize)).map(str::to_owned)
        }
        _ => None,
    };
    if let Some(text) = text {
        let shown = format.map_or_else(|| text.as_str().into(), |format| format.text(&text));
        return grid.put(place, &shown, Kind::Text, bold);
    }
    let number = match record.kind {
        kind::CELL_RK => record.data.u32(8).map(records::rk),
        kind::CELL_REAL | kind::FORMULA_NUMBER => record.data.f64(8),
        _ => None,
    };
    if let Some(number) = number {
        let shown = format.map_or_else(|| general(number), |format| format.number(number, shared.epoch));
        return grid.put(place, &shown, Kind::Typed, bold);
    }
    let shown = match record.kind {
        kind::CELL_BOOL | kind::FORMULA_BOOL => {
            record.data.u8(8).map(|value| if value == 0 { "FALSE" } else { "TRUE" })
        }
        kind::CELL_ERROR | kind::FORMULA_ERROR => record.data.u8(8).map(records::error_text),
        _ => None,
    };
    grid.put(place, shown.unwrap_or_default(), Kind::Typed, bold)
}

/// First and last row, first and last column ([MS-XLSB] 2.5.153).
fn area(record: &Record<'_>) -> Option<Area> {
    let (top, bottom, left, right) =
        (record.data.u32(0)?, record.data.u32(4)?, record.data.u32(8)?, record.data.u32(12)?);
    Some(Area { top, left, bottom: bottom.max(top), right: right.max(left) })
}

/// Rows kept in view, when they are few.
fn pane(record: &Record<'_>, grid: &mut Grid) {
    let frozen = record.data.u8(28).is_some_and(|flags| flags & 3 != 0);
    let rows = [1u32, 2, 3]
        .into_iter()
        .find(|rows| record.data.f64(8).is_some_and(|split| (split - f64::from(*rows)).abs() < 0.5));
    if let (true, Some(rows)) = (frozen, rows) {
        grid.frozen_rows = rows;
    }
}

fn table(part: &[u8], grid: &mut Grid) {
    let tables = records(part).filter(|record| record.kind == kind::BEGIN_TABLE);
    for table in tables.filter_map(|record| Some(Declared { area: area(&record)?, header_rows: record.data.u32(24)? }))
    {
        grid.declare(table);
    }
}

fn comments(part: &[u8], grid: &mut Grid) -> Result<(), Failure> {
    let (mut authors, mut author) = (Vec::new(), String::new());
    for record in records(part) {
        match record.kind {
            kind::COMMENT_AUTHOR => authors.extend(record.wide_string(0).map(|(author, _)| author)),
            kind::BEGIN_COMMENT => {
                let number = record.data.u32(0).map(|number| number as usize);
                author = number.and_then(|number| authors.get(number)).cloned().unwrap_or_default();
            }
            kind::COMMENT_TEXT => grid.comment(&author, &record.rich_string(0).unwrap_or_default())?,
            _ => {}
        }
    }
    Ok(())
}
