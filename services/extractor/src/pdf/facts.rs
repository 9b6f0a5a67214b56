//! What is known of a document beside its pages.

use std::collections::BTreeMap;

use crate::Attachment;
use crate::tidy::tidy;

use super::native::{Document, MetaTag};
use super::quality;

/// Attachments that are listed.
const MAX_ATTACHMENTS: u32 = 1_000;
/// Characters of one entry.
const MAX_ENTRY: usize = 4_096;

/// The title, where it says something.
pub(super) fn title(document: &Document<'_>) -> Option<String> {
    entry(document, MetaTag::Title)
}

/// `author`, `subject`, `keywords`, `creator`, `producer`, and `created` and `modified` in RFC 3339.
pub(super) fn metadata(document: &Document<'_>) -> BTreeMap<String, String> {
    let texts = [
        ("author", MetaTag::Author),
        ("subject", MetaTag::Subject),
        ("keywords", MetaTag::Keywords),
        ("creator", MetaTag::Creator),
        ("producer", MetaTag::Producer),
    ];
    let dates = [("created", MetaTag::CreationDate), ("modified", MetaTag::ModDate)];
    let texts = texts.into_iter().filter_map(|(key, tag)| Some((key.to_owned(), entry(document, tag)?)));
    let dates = dates.into_iter().filter_map(|(key, tag)| Some((key.to_owned(), rfc3339(&document.meta(tag)?)?)));
    texts.chain(dates).collect()
}

fn entry(document: &Document<'_>, tag: MetaTag) -> Option<String> {
    let text = tidy(&document.meta(tag)?);
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_ENTRY).collect();
    let readable = !text.is_empty() && !quality::is_garbage(&text);
    readable.then_some(text)
}

/// The embedded files, by name; how large they are is not said before they are unpacked.
pub(super) fn attachments(document: &Document<'_>) -> Vec<Attachment> {
    let names = document.attachments(MAX_ATTACHMENTS).into_iter();
    names.map(|name| Attachment { name: tidy(&name), bytes: None }).collect()
}

/// A date of PDF 1.7 reference, section 3.8.3, `D:YYYYMMDDHHmmSSOHH'mm'`, of which all behind the year may be missing.
fn rfc3339(date: &str) -> Option<String> {
    let date = date.trim();
    let date = date.strip_prefix("D:").unwrap_or(date);
    let length = date.bytes().take(14).take_while(u8::is_ascii_digit).count();
    let (digits, zone) = date.split_at_checked(length)?;
    let field = |from: usize, to: usize, or: u32, range: std::ops::RangeInclusive<u32>| match digits.get(from..to) {
        Some(digits) => digits.parse().ok().filter(|value| range.contains(value)),
        None => Some(or),
    };
    let year: u32 = digits.get(..4)?.parse().ok()?;
    let (month, day) = (field(4, 6, 1, 1..=12)?, field(6, 8, 1, 1..=31)?);
    let (hour, minute, second) = (field(8, 10, 0, 0..=23)?, field(10, 12, 0, 0..=59)?, field(12, 14, 0, 0..=59)?);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}", offset(zone)))
}

/// An unknown offset counts as UTC.
fn offset(zone: &str) -> String {
    let sign = zone.chars().next().filter(|sign| matches!(sign, '+' | '-'));
    let digits: Vec<u32> = zone.chars().filter_map(|c| c.to_digit(10)).collect();
    let (hour, minute) = match digits.as_slice() {
        [a, b, c, d, ..] => (a * 10 + b, c * 10 + d),
        [a, b, ..] => (a * 10 + b, 0),
        _ => (0, 0),
    };
    match sign {
        Some(sign) if (hour, minute) != (0, 0) && hour < 24 && minute < 60 => format!("{sign}{hour:02}:{minute:02}"),
        _ => "Z".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (pdf, expected) in [
            ("D:20240229123456+01'30'", Some("2024-02-29T12:34:56+01:30")),
            ("D:20240229123456Z00'00'", Some("2024-02-29T12:34:56Z")),
            ("D:1999", Some("1999-01-01T00:00:00Z")),
            ("20010203", Some("2001-02-03T00:00:00Z")),
            ("D:20241399", None),
            ("yesterday", None),
        ] {
            assert_eq!(rfc3339(pdf).as_deref(), expected, "{pdf}");
        }
    }
}
