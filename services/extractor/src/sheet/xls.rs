//! Binary workbooks of Excel 5 to 2003 ([MS-XLS]) in compound files.

mod records;
mod strings;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use encoding_rs::Encoding;

use super::grid::{Area, Grid, Kind};
use super::number_format::{Epoch, general};
use super::strings::Strings;
use super::styles::Styles;
use super::xlsb::records::{error_text, rk};
use super::{Book, Title};
use crate::Failure;
use records::{Record, records};

/// Record types ([MS-XLS] 2.3.2).
mod kind {
    pub(super) const FORMULA: u16 = 0x0006;
    pub(super) const END: u16 = 0x000A;
    pub(super) const NOTE: u16 = 0x001C;
    pub(super) const DATE_MODE: u16 = 0x0022;
    pub(super) const ENCRYPTED: u16 = 0x002F;
    pub(super) const FONT: u16 = 0x0031;
    pub(super) const CODE_PAGE: u16 = 0x0042;
    pub(super) const OBJECT: u16 = 0x005D;
    pub(super) const SHEET: u16 = 0x0085;
    pub(super) const MULTIPLE_RK: u16 = 0x00BD;
    pub(super) const RICH_LABEL: u16 = 0x00D6;
    pub(super) const XF: u16 = 0x00E0;
    pub(super) const MERGED: u16 = 0x00E5;
    pub(super) const SHARED_STRINGS: u16 = 0x00FC;
    pub(super) const SHARED_LABEL: u16 = 0x00FD;
    pub(super) const TEXT_OBJECT: u16 = 0x01B6;
    pub(super) const NUMBER: u16 = 0x0203;
    pub(super) const LABEL: u16 = 0x0204;
    pub(super) const BOOL_ERROR: u16 = 0x0205;
    pub(super) const FORMULA_STRING: u16 = 0x0207;
    pub(super) const RK: u16 = 0x027E;
    pub(super) const FORMAT: u16 = 0x041E;
    pub(super) const BEGIN: u16 = 0x0809;
}

/// `vers` of a BIFF8 stream ([MS-XLS] 2.4.21).
const BIFF8: u16 = 0x0600;

/// What all sheets need.
struct Shared {
    strings: Strings,
    styles: Styles,
    epoch: Epoch,
    encoding: Option<&'static Encoding>,
}

/// Reads all sheets of a workbook.
pub(super) fn read(bytes: &[u8], book: &mut Book<'_>) -> Result<(), Failure> {
    let stream = workbook(bytes)?;
    let (shared, sheets) = globals(&stream)?;
    for (title, at) in sheets {
        let part = stream.get(at..).unwrap_or_default();
        let grid = read_sheet(part, &shared, book.grid())?;
        book.sheet(&title, Ok(grid))?;
    }
    Ok(())
}

/// The stream with the records.
fn workbook(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let broken = |error: std::io::Error| Failure::corrupt(format!("compound file: {error}"));
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(broken)?;
    let path = ["/Workbook", "/Book"].into_iter().find(|path| file.is_stream(path));
    let mut stream = file.open_stream(path.unwrap_or("/Workbook")).map_err(broken)?;
    let mut content = Vec::new();
    // No stream of a whole file is longer than the file.
    stream.by_ref().take(bytes.len() as u64).read_to_end(&mut content).map_err(broken)?;
    Ok(content)
}

/// What stands before the sheets, and where each of them begins.
fn globals(stream: &[u8]) -> Result<(Shared, Vec<(Title, usize)>), Failure> {
    let mut shared =
        Shared { strings: Strings::default(), styles: Styles::default(), epoch: Epoch::Y1900, encoding: None };
    let mut sheets = Vec::new();
    for record in records(stream) {
        match record.kind {
            kind::BEGIN => shared.encoding = (record.data.u16(0) != Some(BIFF8)).then_some(encoding_rs::WINDOWS_1252),
            kind::END => break,
            kind::ENCRYPTED => return Err(Failure::Encrypted),
            kind::CODE_PAGE if shared.encoding.is_some() => {
                shared.encoding = record.data.u16(0).and_then(strings::code_page).or(shared.encoding);
            }
            kind::DATE_MODE if record.data.u16(0) == Some(1) => shared.epoch = Epoch::Y1904,
            // The weight of bold type is 700 ([MS-XLS] 2.4.122).
            kind::FONT => shared.styles.font(record.data.u16(6).is_some_and(|weight| weight >= 600)),
            kind::FORMAT => {
                let code = strings::format_code(&record, shared.encoding).unwrap_or_default();
                shared.styles.format(record.data.u16(0).unwrap_or_default().into(), &code);
            }
            kind::XF => {
                let font = record.data.u16(0).unwrap_or_default();
                // Fonts are numbered without the number 4 ([MS-XLS] 2.5.129).
                let font = if font > 4 { font - 1 } else { font };
                shared.styles.cell(record.data.u16(2).unwrap_or_default().into(), font.into());
            }
            kind::SHARED_STRINGS => strings::shared(&record, &mut shared.strings),
            kind::SHEET => sheets.extend(sheet(&record, shared.encoding)),
            _ => {}
        }
    }
    shared.styles.load_built_in();
    Ok((shared, sheets))
}

/// A worksheet's title and place ([MS-XLS] 2.4.28); macros and charts have none.
fn sheet(record: &Record<'_>, encoding: Option<&'static Encoding>) -> Option<(Title, usize)> {
    let at = usize::try_from(record.data.u32(0)?).ok()?;
    let (hidden, worksheet) = (record.data.u8(4)? & 3 != 0, record.data.u8(5)? == 0);
    let name = strings::short(record, 6, encoding)?.replace('\0', "");
    worksheet.then_some((Title { name, hidden }, at))
}

fn read_sheet(part: &[u8], shared: &Shared, grid: Grid) -> Result<Grid, Failure> {
    let mut sheet =
        Sheet { shared, grid, formula: (0, 0, 0), object: 0, texts: BTreeMap::new(), authors: BTreeMap::new() };
    let mut depth = 0u32;
    for record in records(part) {
        match record.kind {
            // Charts in the sheet are streams within it.
            kind::BEGIN => depth = depth.saturating_add(1),
            kind::END if depth <= 1 => break,
            kind::END => depth -= 1,
            _ if depth > 1 => {}
            _ => sheet.record(&record)?,
        }
    }
    for (object, text) in std::mem::take(&mut sheet.texts) {
        let author = sheet.authors.get(&object).map_or("", String::as_str);
        sheet.grid.comment(author, &text)?;
    }
    Ok(sheet.grid)
}

struct Sheet<'a> {
    shared: &'a Shared,
    grid: Grid,
    /// Row, column and style of the formula whose text comes next.
    formula: (u16, u16, u16),
    /// The object whose text comes next.
    object: u16,
    texts: BTreeMap<u16, String>,
    authors: BTreeMap<u16, String>,
}

impl Sheet<'_> {
    fn record(&mut self, record: &Record<'_>) -> Result<(), Failure> {
        match record.kind {
            kind::MERGED => self.merge(record),
            kind::OBJECT => self.object = record.data.u16(6).unwrap_or_default(),
            kind::TEXT_OBJECT => {
                let text = strings::text_object(record).unwrap_or_default();
                self.texts.insert(self.object, text);
            }
            kind::NOTE => {
                let author = strings::long(record, 8, self.shared.encoding).unwrap_or_default();
                self.authors.insert(record.data.u16(6).unwrap_or_default(), author);
            }
            _ => return self.cell(record),
        }
        Ok(())
    }

    /// Areas as first and last row, first and last column ([MS-XLS] 2.4.168).
    fn merge(&mut self, record: &Record<'_>) {
        for at in (2..).step_by(8).take(record.data.u16(0).unwrap_or_default().into()) {
            let edge = |place: usize| record.data.u16(at + place).map(u32::from);
            if let (Some(top), Some(bottom), Some(left), Some(right)) = (edge(0), edge(2), edge(4), edge(6)) {
                self.grid.merge(Area { top, left, bottom: bottom.max(top), right: right.max(left) });
            }
        }
    }

    /// Cells: row, column, style, value.
    fn cell(&mut self, record: &Record<'_>) -> Result<(), Failure> {
        let (Some(row), Some(column), Some(style)) = (record.data.u16(0), record.data.u16(2), record.data.u16(4))
        else {
            return Ok(());
        };
        let place = (row, column, style);
        let encoding = self.shared.encoding;
        match record.kind {
            kind::NUMBER => self.number(place, record.data.f64(6)),
            kind::RK => self.number(place, record.data.u32(6).map(rk)),
            kind::MULTIPLE_RK => self.numbers(row, column, record),
            kind::LABEL | kind::RICH_LABEL => self.text(place, &strings::long(record, 6, encoding).unwrap_or_default()),
            kind::FORMULA_STRING => self.text(self.formula, &strings::long(record, 0, encoding).unwrap_or_default()),
            kind::SHARED_LABEL => {
                let shared = self.shared;
                let text = record.data.u32(6).and_then(|number| shared.strings.get(number as usize));
                self.text(place, text.unwrap_or_default())
            }
            kind::BOOL_ERROR => self.special(place, record.data.u8(7), record.data.u8(6)),
            kind::FORMULA => self.formula(place, record),
            _ => Ok(()),
        }
    }

    /// A formula's last value ([MS-XLS] 2.5.133): a number, or one of four others.
    fn formula(&mut self, place: (u16, u16, u16), record: &Record<'_>) -> Result<(), Failure> {
        self.formula = place;
        match (record.data.u16(12), record.data.u8(6)) {
            (Some(0xFFFF), Some(1)) => self.special(place, Some(0), record.data.u8(8)),
            (Some(0xFFFF), Some(2)) => self.special(place, Some(1), record.data.u8(8)),
            (Some(0xFFFF), _) => Ok(()),
            _ => self.number(place, record.data.f64(6)),
        }
    }

    /// Several numbers in a row: a style and a value each ([MS-XLS] 2.4.175).
    fn numbers(&mut self, row: u16, first: u16, record: &Record<'_>) -> Result<(), Failure> {
        for (column, at) in (first..=u16::MAX).zip((4..).step_by(6)) {
            // The last column's number follows the values.
            let (Some(style), Some(value)) = (record.data.u16(at), record.data.u32(at + 2)) else { break };
            self.number((row, column, style), Some(rk(value)))?;
        }
        Ok(())
    }

    fn number(&mut self, (row, column, style): (u16, u16, u16), value: Option<f64>) -> Result<(), Failure> {
        let Some(value) = value else { return Ok(()) };
        let styles = &self.shared.styles;
        let format = styles.number_format(style.into());
        let shown = format.map_or_else(|| general(value), |format| format.number(value, self.shared.epoch));
        self.grid.put((row.into(), column.into()), &shown, Kind::Typed, styles.is_bold(style.into()))
    }

    fn text(&mut self, (row, column, style): (u16, u16, u16), text: &str) -> Result<(), Failure> {
        let styles = &self.shared.styles;
        let format = styles.number_format(style.into());
        let shown = format.map_or_else(|| text.into(), |format| format.text(text));
        self.grid.put((row.into(), column.into()), &shown, Kind::Text, styles.is_bold(style.into()))
    }

    fn special(
        &mut self,
        (row, column, style): (u16, u16, u16),
        is_error: Option<u8>,
        value: Option<u8>,
    ) -> Result<(), Failure> {
        let (Some(is_error), Some(value)) = (is_error, value) else { return Ok(()) };
        let shown = match (is_error, value) {
            (0, 0) => "FALSE",
            (0, _) => "TRUE",
            (_, code) => error_text(code),
        };
        let bold = self.shared.styles.is_bold(style.into());
        self.grid.put((row.into(), column.into()), shown, Kind::Typed, bold)
    }
}
