//! Settings of the chunker, each with its default.

use serde::{Deserialize, Serialize};

/// How to cut and how to batch. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Tokens of a chunk; clamped to what the model's window leaves. 512.
    pub max_tokens: usize,
    /// Tokens that a chunk repeats of the one before; less than `max_tokens`. 50.
    pub overlap: usize,
    /// Bytes of a chunk's text. Only texts whose tokens are very long reach it: WordPiece makes one `[UNK]` of a word of
    /// any length, so a megabyte of base64 would be one chunk. 16,384.
    pub max_chunk_bytes: usize,
    /// Chunks of one event. 64: with vectors about 350 KB.
    pub part_chunks: usize,
    /// Bytes of text of one event, unless a single chunk has more. 262,144.
    pub part_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_tokens: 512, overlap: 50, max_chunk_bytes: 16 << 10, part_chunks: 64, part_bytes: 256 << 10 }
    }
}

/// Settings that cannot work together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    #[error("overlap ({overlap}) must be less than max_tokens ({max_tokens})")]
    Overlap { overlap: usize, max_tokens: usize },
}

impl Settings {
    /// # Errors
    /// The first setting that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let positive = [
            ("max_tokens", self.max_tokens),
            ("max_chunk_bytes", self.max_chunk_bytes),
            ("part_chunks", self.part_chunks),
            ("part_bytes", self.part_bytes),
        ];
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(ConfigError::Zero(name)),
            None if self.overlap >= self.max_tokens => {
                Err(ConfigError::Overlap { overlap: self.overlap, max_tokens: self.max_tokens })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn defaults_are_the_documented_ones() {
        let settings: Settings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!((settings.max_tokens, settings.overlap), (512, 50));
        assert_eq!((settings.max_chunk_bytes, settings.part_chunks, settings.part_bytes), (16_384, 64, 262_144));
        assert_eq!(settings.check(), Ok(()));
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let overlap = Settings { max_tokens: 50, ..Settings::default() };
        assert_eq!(overlap.check(), Err(ConfigError::Overlap { overlap: 50, max_tokens: 50 }));
        let empty = Settings { part_chunks: 0, ..Settings::default() };
        assert_eq!(empty.check(), Err(ConfigError::Zero("part_chunks")));
        assert!(serde_json::from_str::<Settings>(r#"{"max_token": 3}"#).is_err());
    }
}
