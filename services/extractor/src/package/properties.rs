//! The properties of a package (ECMA-376 part 2, section 8.3; part 1, section 22.2) under the names that metadata has.

use std::collections::BTreeMap;

use super::Package;
use crate::Failure;
use crate::xml::{Node, Reader};

/// Elements of the property parts, and what they are called in a document's metadata. `title` becomes the document's.
const PROPERTIES: [(&str, &str); 15] = [
    ("title", "title"),
    ("subject", "subject"),
    ("creator", "author"),
    ("keywords", "keywords"),
    ("description", "description"),
    ("lastModifiedBy", "last_modified_by"),
    ("category", "category"),
    ("contentStatus", "status"),
    ("language", "language"),
    ("revision", "revision"),
    ("created", "created"),
    ("modified", "modified"),
    ("Application", "producer"),
    ("Company", "company"),
    ("Manager", "manager"),
];

/// Characters kept of one value.
const VALUE_CHARS: usize = 2_000;

impl Package<'_> {
    /// Title, author, dates, … Unreadable property parts are treated as missing: the text does not depend on them.
    ///
    /// # Errors
    /// `archive_bomb` and what else [`Package::xml`] refuses, except `corrupt`.
    pub fn properties(&mut self) -> Result<BTreeMap<String, String>, Failure> {
        let mut found = BTreeMap::new();
        for relationship in self.relationships("")? {
            if !matches!(relationship.kind.as_str(), "core-properties" | "extended-properties") {
                continue;
            }
            let part = match self.xml(&relationship.target) {
                Err(Failure::Corrupt { .. }) => None,
                other => other?,
            };
            let mut reader = Reader::new(part.as_deref().unwrap_or_default(), self.limits);
            // What was read before the damage is still true.
            let _ = collect(&mut reader, &mut found);
        }
        Ok(found)
    }
}

fn collect(reader: &mut Reader<'_>, found: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    while let Some(node) = reader.next()? {
        let Node::Open(element) = node else { continue };
        let Some((_, name)) = PROPERTIES.iter().find(|(own, _)| *own == element.name()) else { continue };
        let text = reader.text()?;
        let value: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(VALUE_CHARS).collect();
        let value = if matches!(*name, "created" | "modified") { rfc3339(&value) } else { Some(value) };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            found.entry((*name).to_owned()).or_insert(value);
        }
    }
    Ok(())
}

/// A date in the W3C profile of ISO 8601, which may leave out the time, in RFC 3339, which may not.
pub(crate) fn rfc3339(date: &str) -> Option<String> {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let full = match date.len() {
        10 => format!("{date}T00:00:00Z"),
        19 => format!("{date}Z"),
        _ => date.to_owned(),
    };
    let matches = |(c, shape): (u8, &u8)| if *shape == b'0' { c.is_ascii_digit() } else { c == *shape };
    let zone = full.get(SHAPE.len()..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let zoned = zone == "Z" || (zone.len() == 6 && zone.starts_with(['+', '-']) && zone.is_char_boundary(3));
    (full.bytes().zip(SHAPE).all(matches) && zoned).then_some(full)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn dates() {
        for (written, expected) in [
            ("2010-06-09T09:56:00Z", Some("2010-06-09T09:56:00Z")),
            ("2010-06-09T09:56:00.25+02:00", Some("2010-06-09T09:56:00.25+02:00")),
            ("2010-06-09", Some("2010-06-09T00:00:00Z")),
            ("2010-06-09T09:56:00", Some("2010-06-09T09:56:00Z")),
            ("9 June 2010", None),
            ("2010-06-09T09:56", None),
            ("2010-06-09T09:56:00 GMT", None),
            ("", None),
        ] {
            assert_eq!(rfc3339(written).as_deref(), expected, "{written}");
        }
    }
}
