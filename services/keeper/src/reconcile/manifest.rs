//! The source's list: JSON Lines, or CSV with a header line. One asset each: `asset_id`, and where it is known `sequence`
//! (or `version`, a whole number) and `sha256` of the asset's bytes.

use std::collections::BTreeMap;

use heimdex_schemas::AssetId;
use serde::Deserialize;

/// One asset as its source knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub asset_id: AssetId,
    /// What the newest upload gave as `sequence`.
    pub sequence: Option<u64>,
    /// Lower-case hexadecimal, of the bytes uploaded.
    pub sha256: Option<String>,
}

/// A source's assets, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    pub entries: BTreeMap<AssetId, Entry>,
}

/// Which line cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the manifest: {reason}")]
pub struct ManifestError {
    /// From 1.
    pub line: u64,
    pub reason: String,
}

#[derive(Deserialize)]
struct Row {
    asset_id: String,
    #[serde(default)]
    sequence: Option<Number>,
    #[serde(default)]
    version: Option<Number>,
    #[serde(default)]
    sha256: Option<String>,
}

/// JSON may write it either way; CSV knows text alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

impl Manifest {
    /// Reads the whole text. JSON Lines when its first character is `{`, CSV otherwise; nothing at all is no manifest.
    ///
    /// # Errors
    /// [`ManifestError`] for the first line that cannot be used.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match text.trim_start().chars().next() {
            None => {
                Err(ManifestError { line: 1, reason: "it is empty, which would make every asset extra".to_owned() })
            }
            Some('{') => Self::json_lines(text),
            Some(_) => Self::csv(text),
        }
    }

    fn json_lines(text: &str) -> Result<Self, ManifestError> {
        let mut manifest = Self::default();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let row = serde_json::from_str(text).map_err(|e| ManifestError { line, reason: e.to_string() })?;
            manifest.add(line, row)?;
        }
        Ok(manifest)
    }

    fn csv(text: &str) -> Result<Self, ManifestError> {
        let mut manifest = Self::default();
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        for (number, row) in (2..).zip(reader.deserialize::<Row>()) {
            let line = |e: &csv::Error| e.position().map_or(number, csv::Position::line);
            let row = row.map_err(|e| ManifestError { line: line(&e), reason: e.to_string() })?;
            manifest.add(number, row)?;
        }
        Ok(manifest)
    }

    fn add(&mut self, line: u64, row: Row) -> Result<(), ManifestError> {
        let entry = entry(row).map_err(|reason| ManifestError { line, reason })?;
        let asset_id = entry.asset_id.clone();
        match self.entries.insert(asset_id.clone(), entry) {
            None => Ok(()),
            Some(_) => Err(ManifestError { line, reason: format!("asset {:?} is listed twice", asset_id.as_str()) }),
        }
    }
}

fn entry(row: Row) -> Result<Entry, String> {
    let asset_id = row.asset_id.parse().map_err(|e| format!("asset_id: {e}"))?;
    let sequence = [row.sequence, row.version].into_iter().flatten().find_map(Number::filled);
    let sequence = sequence.transpose()?;
    let sha256 = row.sha256.filter(|text| !text.is_empty()).map(|text| text.to_ascii_lowercase());
    match sha256.as_deref().filter(|text| text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit())) {
        Some(bad) => Err(format!("sha256 {bad:?} is not 64 hexadecimal digits")),
        None => Ok(Entry { asset_id, sequence, sha256 }),
    }
}

impl Number {
    /// `None` for an empty field.
    fn filled(self) -> Option<Result<u64, String>> {
        match self {
            Self::Number(number) => Some(Ok(number)),
            Self::Text(text) if text.is_empty() => None,
            Self::Text(text) => {
                Some(text.parse().map_err(|_| format!("sequence {text:?} is not a whole number from 0 to 2^64-1")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn json_lines_and_csv_say_the_same() {
        let sha = "AB".repeat(32);
        let lines = format!("{{\"asset_id\":\"a\",\"version\":7}}\n\n{{\"asset_id\":\"b, c\",\"sha256\":\"{sha}\"}}\n");
        let csv = format!("asset_id,sequence,sha256\na,7,\n\"b, c\",,{sha}\n");
        let found = Manifest::parse(&lines).unwrap();
        assert_eq!(found, Manifest::parse(&csv).unwrap());
        let entries: Vec<_> = found.entries.values().collect();
        assert_eq!((entries[0].sequence, entries[0].sha256.clone()), (Some(7), None));
        assert_eq!((entries[1].sequence, entries[1].sha256.clone()), (None, Some("ab".repeat(32))));
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, line, reason) in [
            ("", 1, "empty"),
            ("{\"asset_id\":\"a\"}\n{\"asset\":\"b\"}", 2, "asset_id"),
            ("{\"asset_id\":\"a\"}\n{\"asset_id\":\"a\"}", 2, "twice"),
            ("asset_id,version\na,1\nb,first\n", 3, "whole number"),
            ("asset_id,sha256\na,00ff\n", 2, "64"),
            ("name\na\n", 2, "asset_id"),
        ] {
            let error = Manifest::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
