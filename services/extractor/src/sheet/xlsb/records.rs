//! The record stream of a binary part ([MS-XLSB] 2.1.4), and the values in records.

use crate::sheet::fields::Fields;

/// One record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) kind: u32,
    pub(super) data: Fields<'a>,
}

/// The records of a part up to its end, or to where it is broken.
pub(super) fn records(part: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = part;
    std::iter::from_fn(move || {
        let kind = number(&mut rest, 2)?;
        let length = number(&mut rest, 4)? as usize;
        let (data, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(Record { kind, data: Fields::new(data) })
    })
}

/// A number in up to `bytes` bytes of seven bits, the low ones first. Types are numbered with their bits as they stand
/// ([MS-XLSB] 2.1.4 gives both ways; the tables of section 2.3 use this one).
fn number(rest: &mut &[u8], bytes: u32) -> Option<u32> {
    let mut value = 0;
    for place in 0..bytes {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u32::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}

impl Record<'_> {
    /// A counted text in UTF-16 and where it ends ([MS-XLSB] 2.5.168; the count of a missing one is all ones).
    pub(super) fn wide_string(&self, at: usize) -> Option<(String, usize)> {
        let units = self.data.u32(at)?;
        let start = at.checked_add(4)?;
        if units == u32::MAX {
            return Some((String::new(), start));
        }
        let end = start.checked_add(usize::try_from(units).ok()?.checked_mul(2)?)?;
        let (pairs, _) = self.data.range(start..end)?.as_chunks::<2>();
        let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
        let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Some((text, end))
    }

    /// A text with formatted runs and phonetic hints, which follow it ([MS-XLSB] 2.5.122).
    pub(super) fn rich_string(&self, at: usize) -> Option<String> {
        self.wide_string(at.checked_add(1)?).map(|(text, _)| text)
    }
}

/// A number in 30 bits ([MS-XLSB] 2.5.123): an integer, or the high bits of a float; perhaps of a hundredth.
pub(in crate::sheet) fn rk(value: u32) -> f64 {
    let number =
        if value & 2 == 2 { f64::from(value.cast_signed() >> 2) } else { f64::from_bits(u64::from(value & !3) << 32) };
    if value & 1 == 1 { number / 100.0 } else { number }
}

/// What an error shows ([MS-XLSB] 2.5.97.2).
pub(in crate::sheet) fn error_text(code: u8) -> &'static str {
    match code {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0F => "#VALUE!",
        0x17 => "#REF!",
        0x1D => "#NAME?",
        0x24 => "#NUM!",
        0x2A => "#N/A",
        _ => "#GETTING_DATA",
    }
}
