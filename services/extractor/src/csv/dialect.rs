//! Whether a text is delimited, by what, and whether its first row is a header.

use std::collections::HashSet;

use super::records::{Field, Records};

/// Tried in this order; the first that fits in all rows is it.
const DELIMITERS: [char; 4] = ['\t', ';', ',', '|'];

/// Rows that must agree before a text counts as delimited, and rows that are looked at.
const MIN_ROWS: usize = 3;
const MAX_ROWS: usize = 200;
/// A column's name is no longer than this.
const NAME_CHARS: usize = 60;
/// Cells of rows without numbers are this long on average at most; prose is longer.
const CELL_CHARS: usize = 40;

/// How a text is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: char,
    pub(super) has_header: bool,
    /// Rows before the first: a `sep=;` that Excel reads.
    pub(super) skipped: usize,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: ',', has_header: true, skipped: 0 }
    }
}

impl Dialect {
    /// The dialect of a text or of its beginning, `None` when it is in doubt. `whole` says that nothing was cut off.
    pub(super) fn of(text: &str, whole: bool) -> Option<Self> {
        let text = text.trim_start_matches('\u{FEFF}');
        if let Some(delimiter) = declared(text) {
            return Some(Self { delimiter, has_header: true, skipped: 1 });
        }
        if text.starts_with(['{', '[', '<', '|', '#', '-']) {
            return None;
        }
        DELIMITERS.into_iter().find_map(|delimiter| judge(text, delimiter, whole))
    }
}

/// The delimiter in a first line such as `sep=;`.
fn declared(text: &str) -> Option<char> {
    let line = text.lines().next()?;
    let mut delimiter = line.strip_prefix("sep=")?.chars();
    delimiter.next().filter(|c| DELIMITERS.contains(c) && delimiter.next().is_none())
}

fn judge(text: &str, delimiter: char, whole: bool) -> Option<Dialect> {
    let mut records = Records::new(text, delimiter);
    let mut rows: Vec<_> = records.by_ref().take(MAX_ROWS).collect();
    if !whole && records.is_done() {
        rows.pop();
    }
    let width = rows.first()?.len();
    if width < 2 || rows.len() < MIN_ROWS || rows.iter().any(|row| row.len() != width) {
        return None;
    }
    let (head, body) = rows.split_first()?;
    let typed = typed_columns(body, width);
    let header = is_header(head, &typed);
    let sure = if typed.contains(&true) {
        header || 2 * typed.iter().filter(|typed| **typed).count() > width
    } else {
        header && is_list_of_names(&rows, delimiter)
    };
    let has_header = header;
    (sure && !is_code(&rows)).then_some(Dialect { delimiter, has_header, skipped: 0 })
}

/// The columns in which nine of ten cells that are not empty are numbers, dates or truth values.
fn typed_columns(body: &[Vec<Field<'_>>], width: usize) -> Vec<bool> {
    let column = |at: usize| {
        let cells = || body.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.text().trim().is_empty());
        let typed = cells().filter(|cell| is_typed(&cell.text())).count();
        typed > 0 && typed * 10 >= cells().count() * 9
    };
    (0..width).map(column).collect()
}

/// A number, a date, a time, an amount or a truth value.
fn is_typed(text: &str) -> bool {
    const MARKS: &str = ".,:-/+%$€£¥()' ";
    let text = text.trim();
    let word = matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "n/a" | "nan");
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let allowed = |c: char| c.is_ascii_digit() || MARKS.contains(c) || matches!(c, 'T' | 'Z' | 'E' | 'e');
    word || (text.contains(|c: char| c.is_ascii_digit()) && letters <= 2 && text.chars().all(allowed))
}

/// Short, distinct names, none of them typed, and one of them above a typed column if there is any.
fn is_header(head: &[Field<'_>], typed: &[bool]) -> bool {
    let names: Vec<_> = head.iter().map(Field::text).collect();
    let filled: Vec<&str> = names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    let distinct: HashSet<&&str> = filled.iter().collect();
    let names_typed = names.iter().zip(typed).any(|(name, typed)| *typed && !name.trim().is_empty());
    let short = filled.iter().all(|name| name.chars().nth(NAME_CHARS).is_none() && !is_typed(name));
    short && distinct.len() == filled.len() && filled.len() * 2 > head.len() && (names_typed || !typed.contains(&true))
}

/// Rows of texts alone are delimited text when they are quoted, or many short cells with nothing behind the delimiter.
fn is_list_of_names(rows: &[Vec<Field<'_>>], delimiter: char) -> bool {
    let cells = || rows.iter().flatten();
    let count = cells().count();
    if cells().all(|cell| cell.quoted) {
        return true;
    }
    let spaced = rows.iter().flat_map(|row| row.iter().skip(1)).filter(|cell| cell.text().starts_with(' ')).count();
    let chars: usize = cells().map(|cell| cell.text().chars().count()).sum();
    let sentences = cells().filter(|cell| cell.text().trim_end().ends_with(['.', '!', '?', '。', ':'])).count();
    let width = rows.first().map_or(0, Vec::len);
    let wide = width >= 3 || delimiter == '\t';
    wide && rows.len() > MIN_ROWS && spaced * 10 < count && chars < count * CELL_CHARS && sentences * 20 < count
}

/// Statements end alike, and begin alike, line by line.
fn is_code(rows: &[Vec<Field<'_>>]) -> bool {
    let all = |ends: fn(&str) -> bool| {
        let cells = rows.iter().filter_map(|row| row.last());
        cells.into_iter().all(|cell| !cell.quoted && ends(cell.text().trim_end()))
    };
    all(|text| text.ends_with([';', '{', '}', ')']))
}
