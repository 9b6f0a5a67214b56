//! Office Open XML workbooks (ECMA-376 part 1, chapter 18).

pub(super) mod annotations;
mod worksheet;

use std::collections::HashMap;

use super::number_format::Epoch;
use super::strings::Strings;
use super::styles::Styles;
use super::{Book, Title};
use crate::package::{Package, Relationship};
use crate::xml::{Node, Reader};
use crate::{Failure, Limits};
use annotations::Persons;

/// What all sheets of a workbook need.
struct Shared {
    strings: Strings,
    styles: Styles,
    epoch: Epoch,
    persons: Persons,
}

/// What the workbook part says.
#[derive(Default)]
struct Workbook {
    sheets: Vec<(Title, String)>,
    epoch: Epoch,
    /// Rows that are printed on top of every page, by sheet.
    title_rows: HashMap<usize, u32>,
}

/// Reads all sheets of a workbook.
pub(super) fn read(bytes: &[u8], book: &mut Book<'_>) -> Result<(), Failure> {
    let limits = book.limits;
    let mut package = Package::open(bytes, limits)?;
    let main = package.main_part("xl/workbook.xml")?;
    let Some(text) = package.xml(&main)? else { return Err(Failure::corrupt("the workbook part is missing")) };
    let workbook = workbook(&text, limits)?;
    let relationships = package.relationships(&main)?;
    let shared = shared(&mut package, &relationships, workbook.epoch, limits)?;
    book.document.metadata = package.properties()?;
    for (at, (title, id)) in workbook.sheets.iter().enumerate() {
        let part = relationships.iter().find(|relationship| relationship.id == *id);
        // Sheets of charts have no cells, and dialogs of old versions none that matter.
        let Some(part) = part.filter(|part| part.kind == "worksheet") else { continue };
        let mut grid = book.grid();
        grid.frozen_rows = workbook.title_rows.get(&at).copied().unwrap_or_default();
        let read = worksheet::read(&mut package, &part.target, &shared, grid, limits);
        book.sheet(title, read)?;
    }
    Ok(())
}

fn shared(
    package: &mut Package<'_>,
    relationships: &[Relationship],
    epoch: Epoch,
    limits: &Limits,
) -> Result<Shared, Failure> {
    let part = |kind: &str| relationships.iter().find(|part| part.kind == kind).map(|part| part.target.clone());
    let mut text = |kind: &str| part(kind).map_or(Ok(None), |part| package.xml(&part));
    let strings = text("sharedStrings")?.map_or_else(|| Ok(Strings::default()), |xml| Strings::read(&xml, limits))?;
    let styles = match text("styles")?.map(|xml| Styles::read(&xml, limits)) {
        None | Some(Err(Failure::Corrupt { .. })) => Styles::default(),
        Some(read) => read?,
    };
    let persons = text("person")?.map_or_else(|| Ok(Persons::new()), |xml| annotations::persons(&xml, limits))?;
    Ok(Shared { strings, styles, epoch, persons })
}

fn workbook(xml: &str, limits: &Limits) -> Result<Workbook, Failure> {
    let mut workbook = Workbook::default();
    let mut reader = Reader::new(xml, limits);
    while let Some(node) = reader.next()? {
        let Node::Open(element) = node else { continue };
        match element.name() {
            "workbookPr" => {
                let date1904 = element.attribute("date1904");
                if date1904.is_some_and(|value| matches!(&*value, "1" | "true" | "on")) {
                    workbook.epoch = Epoch::Y1904;
                }
            }
            "sheet" => {
                let name = element.attribute("name").unwrap_or_default().into_owned();
                let hidden = element.attribute("state").is_some_and(|state| state.ends_with("idden"));
                let id = element.prefixed("id").unwrap_or_default().into_owned();
                workbook.sheets.push((Title { name, hidden }, id));
            }
            "definedName" if element.attribute("name").as_deref() == Some("_xlnm.Print_Titles") => {
                let sheet = element.attribute("localSheetId").and_then(|id| id.parse::<usize>().ok());
                if let (Some(sheet), Some(rows)) = (sheet, title_rows(&reader.text()?)) {
                    workbook.title_rows.insert(sheet, rows);
                }
            }
            _ => {}
        }
    }
    Ok(workbook)
}

/// The number of rows in print titles such as `Sheet1!$A:$B,Sheet1!$1:$2`, when they begin at the top.
fn title_rows(reference: &str) -> Option<u32> {
    let rows = reference.split(',').filter_map(|range| range.rsplit_once("!$1:$")).map(|(_, last)| last);
    rows.filter_map(|last| last.parse().ok()).next()
}
