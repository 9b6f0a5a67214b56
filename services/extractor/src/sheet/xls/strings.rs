//! Texts in records: in UTF-16 or its low bytes alone (BIFF8), or in the workbook's code page (before).

use encoding_rs::Encoding;

use super::records::Record;
use crate::sheet::strings::Strings;

/// Bits of the flags before the characters of a text ([MS-XLS] 2.5.293).
const WIDE: u8 = 1;
const EXTENDED: u8 = 4;
const RICH: u8 = 8;

/// The encoding of a code page ([MS-XLS] 2.4.52), by its label in the Encoding Standard.
pub(super) fn code_page(number: u16) -> Option<&'static Encoding> {
    let label = match number {
        367 | 1252 | 0x8001 => "windows-1252".to_owned(),
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        0x8000 | 10_000 => "macintosh".to_owned(),
        866 => "ibm866".to_owned(),
        other => format!("windows-{other}"),
    };
    Encoding::for_label(label.as_bytes())
}

/// A text at `at` whose length is one byte.
pub(super) fn short(record: &Record<'_>, at: usize, encoding: Option<&'static Encoding>) -> Option<String> {
    text(record.data.from(at + 1)?, record.data.u8(at)?.into(), encoding)
}

/// A text at `at` whose length is two bytes.
pub(super) fn long(record: &Record<'_>, at: usize, encoding: Option<&'static Encoding>) -> Option<String> {
    text(record.data.from(at + 2)?, record.data.u16(at)?.into(), encoding)
}

/// The code in a format record, whose length grew from one byte to two with BIFF8.
pub(super) fn format_code(record: &Record<'_>, encoding: Option<&'static Encoding>) -> Option<String> {
    if encoding.is_some() { short(record, 2, encoding) } else { long(record, 2, encoding) }
}

/// The text of a comment or shape: its characters are in the record behind ([MS-XLS] 2.4.329).
pub(super) fn text_object(record: &Record<'_>) -> Option<String> {
    let mut left = usize::from(record.data.u16(10)?);
    let mut all = String::new();
    for part in &record.continued {
        if left == 0 {
            break;
        }
        let (flags, characters) = part.split_first()?;
        let width = if flags & WIDE == 0 { 1 } else { 2 };
        let count = left.min(characters.len() / width);
        all.push_str(&decode(characters.get(..count * width)?, *flags));
        left -= count;
    }
    Some(all)
}

fn text(bytes: &[u8], count: usize, encoding: Option<&'static Encoding>) -> Option<String> {
    if let Some(encoding) = encoding {
        return Some(encoding.decode_without_bom_handling(bytes.get(..count)?).0.into_owned());
    }
    let (flags, characters) = bytes.split_first()?;
    let skipped = if flags & RICH == 0 { 0 } else { 2 } + if flags & EXTENDED == 0 { 0 } else { 4 };
    let length = if flags & WIDE == 0 { count } else { count.checked_mul(2)? };
    Some(decode(characters.get(skipped..)?.get(..length)?, *flags))
}

fn decode(bytes: &[u8], flags: u8) -> String {
    if flags & WIDE == 0 {
        return bytes.iter().map(|byte| char::from(*byte)).collect();
    }
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The shared strings ([MS-XLS] 2.4.265), up to where they are broken.
pub(super) fn shared(record: &Record<'_>, strings: &mut Strings) {
    let mut parts = Parts { now: record.data.from(8).unwrap_or_default(), next: record.continued.iter() };
    while let Some(text) = parts.text() {
        strings.push(&text);
    }
}

/// Data that goes on from record to record.
struct Parts<'a> {
    now: &'a [u8],
    next: std::slice::Iter<'a, &'a [u8]>,
}

impl Parts<'_> {
    fn text(&mut self) -> Option<String> {
        let count = usize::from(u16::from_le_bytes(self.array()?));
        let [flags] = self.array()?;
        let runs = if flags & RICH == 0 { 0 } else { usize::from(u16::from_le_bytes(self.array()?)) };
        let extension = if flags & EXTENDED == 0 { 0 } else { u32::from_le_bytes(self.array()?) as usize };
        let text = self.characters(count, flags)?;
        self.skip(runs.saturating_mul(4).saturating_add(extension))?;
        Some(text)
    }

    /// Characters go on in the next record behind flags of its own.
    fn characters(&mut self, mut count: usize, mut flags: u8) -> Option<String> {
        let mut text = String::new();
        while count > 0 {
            let width = if flags & WIDE == 0 { 1 } else { 2 };
            let here = count.min(self.now.len() / width);
            let (bytes, rest) = self.now.split_at_checked(here * width)?;
            text.push_str(&decode(bytes, flags));
            self.now = rest;
            count -= here;
            if count > 0 {
                let (first, rest) = self.next.next()?.split_first()?;
                (flags, self.now) = (*first, rest);
            }
        }
        Some(text)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.now.is_empty() {
            self.now = self.next.next()?;
        }
        let (head, rest) = self.now.split_first_chunk::<N>()?;
        self.now = rest;
        Some(*head)
    }

    fn skip(&mut self, mut count: usize) -> Option<()> {
        while count > self.now.len() {
            count -= self.now.len();
            self.now = self.next.next()?;
        }
        self.now = self.now.get(count..)?;
        Some(())
    }
}
