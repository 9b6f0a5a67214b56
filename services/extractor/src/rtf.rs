//! RTF: paragraphs, headings by their style, lists with the numbers that the file shows, tables, notes.
//!
//! [`words`] reads the stream, [`state`] keeps what groups inherit, this module makes blocks of it.

mod state;
mod words;

use std::collections::HashMap;

use crate::{BlockKind, Document, Failure, Format, Limits, PageBuilder, charset, text};
use state::{Destination, State, codepage_of_charset, label};
use words::{Item, Items};

/// Reads `bytes` as one page.
///
/// # Errors
/// `too_large` over the limits on nesting (that of XML) and text, `empty` when there is no text.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
    let mut reader = Reader::default();
    for item in Items::new(bytes) {
        reader.take(item);
        if reader.groups.len() as u64 > limits.max_xml_depth {
            return Err(Failure::too_large("nesting of RTF groups", limits.max_xml_depth));
        }
        if reader.page.bytes() + reader.paragraph.len() as u64 > limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", limits.max_text_bytes));
        }
    }
    let mut document = reader.finish();
    text::check_text(&document, limits)?;
    document.title = document.metadata.remove("title");
    Ok(document)
}

/// What is read so far.
#[derive(Default)]
struct Reader {
    state: State,
    groups: Vec<State>,
    /// The next control word says what its group is for, and may be unknown.
    ignorable: bool,
    /// Characters yet to skip after `\u`, which stand for readers without Unicode.
    skip: u32,
    surrogate: Option<u16>,
    codepage: Option<u32>,
    fonts: HashMap<i32, Option<u32>>,
    headings: HashMap<i32, u8>,
    /// Bytes that wait to be decoded together, with the code page they are in.
    raw: Vec<u8>,
    paragraph: String,
    /// The text of the innermost group that is collected apart from the body: a font's or style's name, a property, a note.
    aside: String,
    is_item: bool,
    cells: Vec<String>,
    rows: Vec<Vec<String>>,
    header_rows: u32,
    is_header_row: bool,
    notes: Vec<String>,
    page: PageBuilder,
    properties: Vec<(&'static str, String)>,
    date: [i32; 5],
}

impl Reader {
    fn take(&mut self, item: Item<'_>) {
        if !matches!(item, Item::Byte(_)) {
            self.decode();
        }
        match item {
            Item::Open => {
                self.skip = 0;
                self.groups.push(self.state.clone());
            }
            Item::Close => self.close(),
            Item::Symbol(b'*') => self.ignorable = true,
            Item::Symbol(symbol) => self.symbol(symbol),
            Item::Byte(_) if self.skip > 0 => self.skip -= 1,
            Item::Byte(byte) => self.raw.push(byte),
            Item::Word { name, number } => self.word(name, number),
        }
    }

    fn symbol(&mut self, symbol: u8) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        match symbol {
            b'~' => self.push(' '),
            b'_' => self.push('-'),
            b'\n' | b'\r' => self.end_paragraph(),
            b'{' | b'}' | b'\\' => self.push(char::from(symbol)),
            _ => {}
        }
    }

    fn word(&mut self, name: &[u8], number: Option<i32>) {
        let ignorable = std::mem::take(&mut self.ignorable);
        if let Some(destination) = Destination::of(name) {
            self.enter(destination);
            return;
        }
        if ignorable {
            self.state.destination = Destination::Skipped;
            return;
        }
        let value = number.unwrap_or(1);
        match name {
            b"u" => self.unicode(value),
            b"uc" => self.state.skipped = u32::try_from(value).unwrap_or(1),
            b"ansicpg" => self.codepage = u32::try_from(value).ok(),
            b"mac" => self.codepage = Some(10_000),
            b"pc" => self.codepage = Some(437),
            b"pca" => self.codepage = Some(850),
            b"f" => self.state.font = value,
            b"fcharset" => drop(self.fonts.insert(self.state.font, codepage_of_charset(value))),
            b"s" => self.state.style = value,
            b"outlinelevel" => self.outline(value),
            b"pard" => (self.state.outline, self.state.style, self.state.in_table) = (None, 0, false),
            b"plain" => self.state.hidden = false,
            b"v" | b"deleted" => self.state.hidden = value != 0,
            b"intbl" => self.state.in_table = true,
            b"trowd" => self.is_header_row = false,
            b"trhdr" => self.is_header_row = true,
            b"yr" | b"mo" | b"dy" | b"hr" | b"min" => self.date_part(name, value),
            _ => self.text_word(name),
        }
    }

    /// Control words that stand for text.
    fn text_word(&mut self, name: &[u8]) {
        match name {
            b"par" | b"page" | b"sect" | b"column" => self.end_paragraph(),
            b"line" | b"softline" => self.push('\n'),
            b"tab" => self.push('\t'),
            b"cell" => self.end_cell(),
            b"nestcell" => self.push_str(" "),
            b"row" => self.end_row(),
            b"emdash" => self.push('—'),
            b"endash" => self.push('–'),
            b"lquote" => self.push('‘'),
            b"rquote" => self.push('’'),
            b"ldblquote" => self.push('“'),
            b"rdblquote" => self.push('”'),
            b"bullet" => self.push('•'),
            b"emspace" | b"enspace" | b"qmspace" => self.push(' '),
            b"zwj" => self.push('\u{200D}'),
            b"zwnj" => self.push('\u{200C}'),
            _ => {}
        }
    }

    fn enter(&mut self, destination: Destination) {
        // Within what is skipped everything is, but for the text of boxes and the picture of an object.
        if self.state.destination != Destination::Skipped || destination == Destination::Body {
            self.state.destination = destination;
        }
        match destination {
            Destination::Shown => self.is_item |= self.state.destination == Destination::Shown,
            Destination::Created | Destination::Modified => self.date = [0; 5],
            _ => {}
        }
        if self.state.destination.is_aside() {
            self.aside.clear();
        }
    }

    fn outline(&mut self, level: i32) {
        let level = u8::try_from(level).ok().filter(|level| *level < 9).map(|level| (level + 1).min(6));
        if self.state.destination == Destination::Style {
            self.headings.extend(level.map(|level| (self.state.style, level)));
        } else {
            self.state.outline = level;
        }
    }

    fn date_part(&mut self, name: &[u8], value: i32) {
        let place = match name {
            b"yr" => 0,
            b"mo" => 1,
            b"dy" => 2,
            b"hr" => 3,
            _ => 4,
        };
        if let Some(part) = self.date.get_mut(place) {
            *part = value;
        }
    }

    /// A UTF-16 unit as a signed number; characters that stand for it follow.
    fn unicode(&mut self, value: i32) {
        self.skip = self.state.skipped;
        let Ok(unit) = u16::try_from(value & 0xFFFF) else { return };
        let units = [self.surrogate.take().unwrap_or(unit), unit];
        match unit {
            0xD800..=0xDBFF => self.surrogate = Some(unit),
            0xDC00..=0xDFFF => {
                char::decode_utf16(units).take(1).for_each(|c| self.push(c.unwrap_or(char::REPLACEMENT_CHARACTER)))
            }
            // Fonts of symbols have their characters in the private area.
            0xF020..=0xF0FF => self.push('•'),
            _ => self.push(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }

    /// Turns the bytes that wait into characters.
    fn decode(&mut self) {
        if self.raw.is_empty() {
            return;
        }
        let raw = std::mem::take(&mut self.raw);
        if raw.is_ascii() {
            return self.push_str(&String::from_utf8_lossy(&raw));
        }
        let font = self.fonts.get(&self.state.font).copied().flatten();
        let codepage = font.or(self.codepage).unwrap_or(1252);
        let decoded = charset::decode_as(&raw, &label(codepage)).or_else(|| charset::decode_as(&raw, "windows-1252"));
        if let Some(decoded) = decoded {
            self.push_str(&decoded.text);
        }
    }

    fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    fn push_str(&mut self, text: &str) {
        match self.state.destination {
            _ if self.state.hidden => {}
            Destination::Body | Destination::Shown => self.paragraph.push_str(text),
            destination if destination.is_aside() => self.aside.push_str(text),
            _ => {}
        }
    }

    fn close(&mut self) {
        self.skip = 0;
        let Some(outer) = self.groups.pop() else { return };
        let inner = std::mem::replace(&mut self.state, outer);
        if inner.destination == self.state.destination && inner.destination != Destination::Style {
            return;
        }
        let text = || self.aside.trim().trim_end_matches(';').trim().to_owned();
        match inner.destination {
            Destination::Style => self.style(inner.style, &text()),
            Destination::Note => {
                let note = text();
                self.notes.extend((!note.is_empty()).then_some(note));
            }
            Destination::Property(name) => {
                let value = text();
                self.properties.extend((!value.is_empty()).then_some((name, value)));
            }
            Destination::Created => self.properties.extend(self.written_date().map(|date| ("created", date))),
            Destination::Modified => self.properties.extend(self.written_date().map(|date| ("modified", date))),
            _ => {}
        }
        if inner.destination.is_aside() {
            self.aside.clear();
        }
    }

    /// RTF keeps local time without a zone; it is given as if it were universal.
    fn written_date(&self) -> Option<String> {
        let [year, month, day, hour, minute] = self.date;
        let valid = (1..10_000).contains(&year) && (1..13).contains(&month) && (1..32).contains(&day);
        valid.then(|| format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:00Z", hour.clamp(0, 23), minute.clamp(0, 59)))
    }

    /// Styles are named; `heading 1` is one that every writer has.
    fn style(&mut self, number: i32, name: &str) {
        let level =
            name.to_ascii_lowercase().strip_prefix("heading ").and_then(|level| level.trim().parse::<u8>().ok());
        self.headings.extend(level.filter(|level| (1..=9).contains(level)).map(|level| (number, level.min(6))));
        if name.eq_ignore_ascii_case("title") {
            self.headings.insert(number, 1);
        }
    }

    fn end_paragraph(&mut self) {
        match self.state.destination {
            Destination::Body | Destination::Shown => {}
            _ => return self.push_str("\n"),
        }
        if self.state.in_table {
            return self.paragraph.push(' ');
        }
        self.end_table();
        self.end_block();
    }

    fn end_block(&mut self) {
        let level = self.state.outline.or_else(|| self.headings.get(&self.state.style).copied());
        let kind = match level {
            Some(level) => BlockKind::Heading { level },
            None if self.is_item => BlockKind::ListItem,
            None => BlockKind::Paragraph,
        };
        self.page.push(kind, &std::mem::take(&mut self.paragraph));
        self.is_item = false;
        for note in std::mem::take(&mut self.notes) {
            self.page.push(BlockKind::Note, &note);
        }
    }

    fn end_cell(&mut self) {
        self.is_item = false;
        self.cells.push(std::mem::take(&mut self.paragraph));
    }

    fn end_row(&mut self) {
        let only_headers = self.rows.len() == self.header_rows as usize;
        self.header_rows += u32::from(self.is_header_row && only_headers);
        self.rows.push(std::mem::take(&mut self.cells));
    }

    fn end_table(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        self.rows.extend((!cells.is_empty()).then_some(cells));
        let rows = std::mem::take(&mut self.rows);
        if !rows.is_empty() {
            self.page.table(rows, std::mem::take(&mut self.header_rows));
        }
    }

    fn finish(mut self) -> Document {
        self.decode();
        self.end_table();
        self.end_block();
        let mut document = Document::of_pages(Format::Rtf, vec![self.page.finish(1)]);
        document.metadata.extend(self.properties.into_iter().map(|(name, value)| (name.to_owned(), value)));
        document
    }
}

#[cfg(test)]
mod tests;
