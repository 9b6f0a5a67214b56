//! Delimited text (RFC 4180 and its relatives): rows of cells between commas, semicolons, tabs or bars.
//!
//! [`dialect`] tells from the bytes whether a text is one, and [`records`] takes it apart.

mod dialect;
mod records;

use crate::compose::PageBuilder;
use crate::tidy::tidy;
use crate::{BlockKind, Document, Failure, Format, Limits, Warning, charset, text};
use dialect::Dialect;
use records::{Field, Records};

/// Bytes that are looked at to tell whether a text is delimited.
const SAMPLE: usize = 32 << 10;

/// Whether `bytes` are delimited text beyond doubt; prose with commas, logs and source code are not.
#[must_use]
pub fn is_csv(bytes: &[u8]) -> bool {
    // A sample ends on a whole unit of every wide encoding.
    let sample = bytes.get(..bytes.len().min(SAMPLE)).unwrap_or_default();
    let whole = sample.len() == bytes.len();
    Dialect::of(&charset::decode(sample, None).text, whole).is_some()
}

/// Reads `bytes` as one table.
///
/// # Errors
/// `too_large` over the text limit, `empty` when no cell has text.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
    let decoded = charset::decode(bytes, None);
    let dialect = Dialect::of(&decoded.text, true).unwrap_or_default();
    let mut page = PageBuilder::new();
    let (table, origins, header_rows) = table(&decoded.text, dialect, limits)?;
    page.push_from(BlockKind::Table { header_rows }, &table, &origins);
    let mut document = Document::of_pages(Format::Csv, vec![page.finish(1)]);
    if decoded.invalid {
        document.warnings.push(Warning::InvalidBytes { encoding: decoded.encoding });
    }
    text::check_text(&document, limits)?;
    Ok(document)
}

/// The rows as lines, where each cell comes from, and how many of the rows are header.
fn table(text: &str, dialect: Dialect, limits: &Limits) -> Result<(String, Vec<[u32; 2]>, u32), Failure> {
    let (mut table, mut origins, mut chars, mut header_rows) = (String::new(), Vec::new(), 0u32, 0);
    for (at, record) in Records::new(text, dialect.delimiter).skip(dialect.skipped).enumerate() {
        let (line, places) = line(&record);
        if line.is_empty() {
            continue;
        }
        if !table.is_empty() {
            table.push('\n');
            chars = chars.saturating_add(1);
        }
        header_rows += u32::from(at == 0 && dialect.has_header);
        origins.extend(places.into_iter().map(|[place, source]| [chars.saturating_add(place), source]));
        chars = chars.saturating_add(count(&line));
        table.push_str(&line);
        if table.len() as u64 > limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", limits.max_text_bytes));
        }
    }
    Ok((table, origins, header_rows))
}

/// A row as a line, and where in it each cell begins. Empty cells at the end are left out.
fn line(record: &[Field<'_>]) -> (String, Vec<[u32; 2]>) {
    let (mut line, mut places, mut gaps, mut chars) = (String::new(), Vec::new(), 0, 0u32);
    for field in record {
        let cell = tidy(&field.text());
        let words: Vec<&str> = cell.split_whitespace().collect();
        if !words.is_empty() {
            for _ in 0..gaps {
                // A line does not begin with a blank.
                let gap = if line.is_empty() { "| " } else { " | " };
                line.push_str(gap);
                chars = chars.saturating_add(count(gap));
            }
            let cell = words.join(" ");
            places.push([chars, field.start]);
            line.push_str(&cell);
            chars = chars.saturating_add(count(&cell));
            gaps = 0;
        }
        gaps += 1;
    }
    (line, places)
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
