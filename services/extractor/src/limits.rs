//! What one parse may use, and the environment variables that say otherwise.

use serde::{Deserialize, Serialize};

/// Limits on one document and on the child that parses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Input bytes. `HEIMDEX_EXTRACT_MAX_BYTES`
    pub max_bytes: u64,
    /// Pages of a PDF. `HEIMDEX_EXTRACT_MAX_PAGES`
    pub max_pages: u64,
    /// Bytes of UTF-8 text that may come out. `HEIMDEX_EXTRACT_MAX_TEXT_BYTES`
    pub max_text_bytes: u64,
    /// Pages that a long document is read, kept and resumed by. `HEIMDEX_EXTRACT_RANGE_PAGES`
    pub range_pages: u64,
    /// Elements open inside each other in HTML. `HEIMDEX_EXTRACT_MAX_HTML_DEPTH`
    pub max_html_depth: u64,
    /// Entries of a ZIP package. `HEIMDEX_EXTRACT_MAX_ARCHIVE_ENTRIES`
    pub max_archive_entries: u64,
    /// Bytes that are inflated out of one package, all together. `HEIMDEX_EXTRACT_MAX_INFLATED_BYTES`
    pub max_inflated_bytes: u64,
    /// Bytes that one packed byte of an entry may become; looked at from 1 MiB on. `HEIMDEX_EXTRACT_MAX_INFLATE_RATIO`
    pub max_inflate_ratio: u64,
    /// Elements open inside each other in the XML of a package. `HEIMDEX_EXTRACT_MAX_XML_DEPTH`
    pub max_xml_depth: u64,
    /// Wall-clock seconds of one parse. `HEIMDEX_EXTRACT_WALL_SECONDS`
    pub wall_seconds: u64,
    /// CPU seconds of one parse. `HEIMDEX_EXTRACT_CPU_SECONDS`
    pub cpu_seconds: u64,
    /// Address space a child may add to what it has when it is ready. `HEIMDEX_EXTRACT_MEMORY_BYTES`
    pub memory_bytes: u64,
    /// Pages of one document that are read by OCR; further ones stay as they are. `HEIMDEX_OCR_MAX_PAGES`
    pub ocr_pages: u64,
    /// Documents after which a child is replaced. `HEIMDEX_EXTRACT_DOCUMENTS_PER_CHILD`
    pub documents_per_child: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 10 << 20,
            max_pages: 1_000,
            max_text_bytes: 32 << 20,
            range_pages: 32,
            max_html_depth: 2_048,
            max_archive_entries: 10_000,
            max_inflated_bytes: 256 << 20,
            max_inflate_ratio: 200,
            max_xml_depth: 1_024,
            wall_seconds: 60,
            cpu_seconds: 45,
            memory_bytes: 1 << 30,
            ocr_pages: 100,
            documents_per_child: 500,
        }
    }
}

/// A limit that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value:?}: it must be a whole number from 1 up")]
pub struct LimitError {
    pub name: &'static str,
    pub value: String,
}

impl Limits {
    /// The defaults, overridden by `HEIMDEX_EXTRACT_*`.
    ///
    /// # Errors
    /// Names the first variable that is not a whole number above 0.
    pub fn from_env() -> Result<Self, LimitError> {
        Self::from_lookup(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// As [`Limits::from_env`], with the variables given by `lookup`.
    ///
    /// # Errors
    /// Names the first variable that is not a whole number above 0.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, LimitError> {
        let mut limits = Self::default();
        for (name, field) in limits.fields() {
            if let Some(value) = lookup(name) {
                *field = positive(name, value)?;
            }
        }
        Ok(limits)
    }

    fn fields(&mut self) -> [(&'static str, &mut u64); 14] {
        [
            ("HEIMDEX_EXTRACT_MAX_BYTES", &mut self.max_bytes),
            ("HEIMDEX_EXTRACT_MAX_PAGES", &mut self.max_pages),
            ("HEIMDEX_EXTRACT_MAX_TEXT_BYTES", &mut self.max_text_bytes),
            ("HEIMDEX_EXTRACT_MAX_HTML_DEPTH", &mut self.max_html_depth),
            ("HEIMDEX_EXTRACT_MAX_ARCHIVE_ENTRIES", &mut self.max_archive_entries),
            ("HEIMDEX_EXTRACT_MAX_INFLATED_BYTES", &mut self.max_inflated_bytes),
            ("HEIMDEX_EXTRACT_MAX_INFLATE_RATIO", &mut self.max_inflate_ratio),
            ("HEIMDEX_EXTRACT_MAX_XML_DEPTH", &mut self.max_xml_depth),
            ("HEIMDEX_EXTRACT_WALL_SECONDS", &mut self.wall_seconds),
            ("HEIMDEX_EXTRACT_CPU_SECONDS", &mut self.cpu_seconds),
            ("HEIMDEX_EXTRACT_MEMORY_BYTES", &mut self.memory_bytes),
            ("HEIMDEX_EXTRACT_RANGE_PAGES", &mut self.range_pages),
            ("HEIMDEX_OCR_MAX_PAGES", &mut self.ocr_pages),
            ("HEIMDEX_EXTRACT_DOCUMENTS_PER_CHILD", &mut self.documents_per_child),
        ]
    }
}

pub(crate) fn positive(name: &'static str, value: String) -> Result<u64, LimitError> {
    match value.trim().parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(LimitError { name, value }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn promised_defaults() {
        let limits = Limits::from_lookup(|_| None).unwrap();
        assert_eq!((limits.max_bytes, limits.max_pages), (10 * 1024 * 1024, 1_000));
    }

    #[test]
    fn every_limit_can_be_set_and_none_can_be_nonsense() {
        let mut limits = Limits::from_lookup(|_| Some(" 7 ".to_owned())).unwrap();
        assert!(limits.fields().iter().all(|(_, value)| **value == 7));
        for bad in ["0", "-1", "10MB", ""] {
            let only = |name: &str| (name == "HEIMDEX_EXTRACT_MAX_PAGES").then(|| bad.to_owned());
            assert_eq!(Limits::from_lookup(only).unwrap_err().name, "HEIMDEX_EXTRACT_MAX_PAGES");
        }
    }
}
