//! Properties of tables, rows and cells (ECMA-376 part 1, sections 17.4.59, 17.4.81 and 17.4.69).

use super::format::{is_former, is_on, value};
use super::table::{CellFormat, RowFormat};
use crate::Failure;
use crate::xml::{Element, Reader};

/// Reads `w:tblPr`: whether the first row is formatted as a header, when it says so.
pub(super) fn first_row_is_header(reader: &mut Reader<'_>) -> Result<Option<bool>, Failure> {
    let mut first = None;
    let inside = reader.depth();
    while let Some(element) = reader.open_within(inside)? {
        match element.name() {
            "tblLook" => first = first_row(&element),
            name if is_former(name) => reader.skip()?,
            _ => {}
        }
    }
    Ok(first)
}

/// Reads `w:trPr`.
pub(super) fn row_format(reader: &mut Reader<'_>) -> Result<RowFormat, Failure> {
    let mut format = RowFormat::default();
    let inside = reader.depth();
    while let Some(element) = reader.open_within(inside)? {
        match element.name() {
            "tblHeader" => format.header = is_on(&element),
            "del" => format.deleted = true,
            "gridBefore" => format.skipped = value(&element).and_then(|count| count.parse().ok()).unwrap_or_default(),
            name if is_former(name) => reader.skip()?,
            _ => {}
        }
    }
    Ok(format)
}

/// Reads `w:tcPr`.
pub(super) fn cell_format(reader: &mut Reader<'_>) -> Result<CellFormat, Failure> {
    let mut format = CellFormat::default();
    let inside = reader.depth();
    while let Some(element) = reader.open_within(inside)? {
        match element.name() {
            "gridSpan" => format.columns = value(&element).and_then(|count| count.parse().ok()).unwrap_or(1),
            "vMerge" => format.continues = element.attribute("val").is_none_or(|value| value == "continue"),
            "cellDel" => format.deleted = true,
            name if is_former(name) => reader.skip()?,
            _ => {}
        }
    }
    Ok(format)
}

/// Whether the first row is formatted as a header: an attribute of its own, or a bit of the older bit mask (ECMA-376
/// part 4, section 14.3.7).
fn first_row(look: &Element<'_>) -> Option<bool> {
    if let Some(own) = look.attribute("firstRow") {
        return Some(!matches!(&*own, "0" | "false" | "off"));
    }
    let mask = look.attribute("val").and_then(|mask| u32::from_str_radix(&mask, 16).ok())?;
    Some(mask & 0x20 != 0)
}
