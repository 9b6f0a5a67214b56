//! Spreadsheets: one page for each sheet, with its name, its tables and its comments; cells as they are displayed.
//!
//! Cells are read one by one into a [`grid`] of those that show something; no reader here makes a rectangle of all that
//! lie between the first and the last. [`regions`] finds the tables in it, [`header`] their header rows, and [`layout`]
//! writes the page. [`xlsx`], [`xlsb`], [`xls`] and [`ods`] read the file formats; [`number_format`] knows how numbers are
//! displayed.

mod fields;
mod grid;
mod header;
mod layout;
pub mod number_format;
mod ods;
mod regions;
mod strings;
mod styles;
mod xls;
mod xlsb;
mod xlsx;

use crate::{Document, Failure, Format, Limits, Page, Warning};
use grid::Grid;

/// Reads a workbook of `format`.
///
/// # Errors
/// `corrupt` for what cannot be read as that, `too_large` over the limits on text and sheets, `empty` when no sheet has
/// text, and what [`crate::archive`] refuses.
pub fn parse(format: Format, bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
    let mut book = Book::new(format, limits);
    match format {
        Format::Xlsx => xlsx::read(bytes, &mut book)?,
        Format::Xlsb => xlsb::read(bytes, &mut book)?,
        Format::Ods => ods::read(bytes, &mut book)?,
        Format::Xls => xls::read(bytes, &mut book)?,
        other => return Err(Failure::unsupported(other.name())),
    }
    book.finish()
}

/// A sheet's name and whether it is shown.
#[derive(Debug, Clone)]
struct Title {
    name: String,
    hidden: bool,
}

/// The document while its sheets are read, one after the other.
struct Book<'a> {
    document: Document,
    written: u64,
    limits: &'a Limits,
}

impl<'a> Book<'a> {
    fn new(format: Format, limits: &'a Limits) -> Self {
        Self { document: Document::of_pages(format, Vec::new()), written: 0, limits }
    }

    /// An empty sheet with the room that is left.
    fn grid(&self) -> Grid {
        Grid::new(self.written, self.limits)
    }

    /// Adds the next sheet; what could not be read of it is said in the warnings.
    fn sheet(&mut self, title: &Title, read: Result<Grid, Failure>) -> Result<(), Failure> {
        if self.document.pages.len() as u64 >= self.limits.max_pages {
            return Err(Failure::too_large("sheets", self.limits.max_pages));
        }
        let number = u32::try_from(self.document.pages.len()).unwrap_or(u32::MAX).saturating_add(1);
        let label = if title.hidden { format!("{} (hidden)", title.name) } else { title.name.clone() };
        let mut page = match read {
            Ok(grid) => layout::page(&label, grid, number, self.limits)?,
            Err(Failure::Corrupt { .. }) => {
                self.document.warnings.push(Warning::PageUnreadable { number });
                Page::plain(number, "")
            }
            Err(other) => return Err(other),
        };
        page.label = Some(label);
        self.written = self.written.saturating_add(page.text.len() as u64);
        self.document.pages.push(page);
        Ok(())
    }

    fn finish(mut self) -> Result<Document, Failure> {
        if self.written == 0 {
            return match self.document.warnings.first() {
                Some(_) => Err(Failure::corrupt("no sheet of the workbook can be read")),
                None => Err(Failure::Empty),
            };
        }
        self.document.title = self.document.metadata.remove("title");
        Ok(self.document)
    }
}

#[cfg(test)]
mod tests;
