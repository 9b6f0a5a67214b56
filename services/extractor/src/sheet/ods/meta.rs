//! What an OpenDocument says of itself (OASIS OpenDocument 1.3, part 3, section 4.3).

use std::collections::BTreeMap;

use crate::package::{Package, rfc3339};
use crate::xml::{Node, Reader};
use crate::{Failure, Limits};

/// Elements, and what they are called in a document's metadata. The creator is who saved it last.
const PROPERTIES: [(&str, &str); 8] = [
    ("title", "title"),
    ("subject", "subject"),
    ("description", "description"),
    ("initial-creator", "author"),
    ("creator", "last_modified_by"),
    ("creation-date", "created"),
    ("date", "modified"),
    ("generator", "producer"),
];

/// Title, author, dates, …; what is broken is left out.
///
/// # Errors
/// What [`Package::xml`] refuses, except `corrupt`.
pub(super) fn read(package: &mut Package<'_>, limits: &Limits) -> Result<BTreeMap<String, String>, Failure> {
    let text = match package.xml("meta.xml") {
        Err(Failure::Corrupt { .. }) => None,
        other => other?,
    };
    let mut found = BTreeMap::new();
    let mut reader = Reader::new(text.as_deref().unwrap_or_default(), limits);
    // What was read before the damage is still true.
    let _ = collect(&mut reader, &mut found);
    Ok(found)
}

fn collect(reader: &mut Reader<'_>, found: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let mut keywords = Vec::new();
    while let Some(node) = reader.next()? {
        let Node::Open(element) = node else { continue };
        if element.name() == "keyword" {
            keywords.push(reader.text()?.trim().to_owned());
            found.insert("keywords".to_owned(), keywords.join(", "));
            continue;
        }
        let Some((_, name)) = PROPERTIES.iter().find(|(own, _)| *own == element.name()) else { continue };
        let text = reader.text()?;
        let value =
            if matches!(*name, "created" | "modified") { date(text.trim()) } else { Some(text.trim().to_owned()) };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            found.insert((*name).to_owned(), value);
        }
    }
    Ok(())
}

/// Dates here often have a fraction and no zone.
fn date(text: &str) -> Option<String> {
    rfc3339(text).or_else(|| rfc3339(text.split_once('.')?.0))
}
