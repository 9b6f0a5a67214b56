//! Settings of the chunker, each with its default.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cutter::Limits;
use crate::fixed::Fixed;
use crate::semantic::Semantic;
use crate::strategy::Strategy;

/// How to cut and how to batch. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to cut: `HEIMDEX_CHUNK_STRATEGY`, `semantic`.
    pub strategy: StrategyName,
    /// Tokens of a chunk; clamped to what the model's window leaves. `HEIMDEX_CHUNK_TOKENS`, 512.
    pub max_tokens: usize,
    /// Tokens that a chunk repeats of the one before, at most; less than `max_tokens`. `HEIMDEX_CHUNK_OVERLAP`; `fixed`
    /// repeats 50 when nothing is set, `semantic` none.
    pub overlap: Option<usize>,
    /// Whether headings are embedded before each chunk's text. `HEIMDEX_CHUNK_HEADINGS`, no.
    pub headings: bool,
    /// Chunks around a hit that belong to its context, itself included. `HEIMDEX_CHUNK_PARENT`, 7.
    pub parent_chunks: usize,
    /// Bytes of a chunk's text. Only texts whose tokens are very long reach it: WordPiece makes one `[UNK]` of a word of
    /// any length, so a megabyte of base64 would be one chunk. `HEIMDEX_CHUNK_BYTES`, 16,384.
    pub max_chunk_bytes: usize,
    /// Chunks of one event. `HEIMDEX_CHUNK_PART`, 64: with vectors about 350 KB.
    pub part_chunks: usize,
    /// Bytes of text of one event, unless a single chunk has more. `HEIMDEX_CHUNK_PART_BYTES`, 262,144.
    pub part_bytes: usize,
}

/// The strategies there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyName {
    Fixed,
    #[default]
    Semantic,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: StrategyName::default(),
            max_tokens: 512,
            overlap: None,
            headings: false,
            parent_chunks: 7,
            max_chunk_bytes: 16 << 10,
            part_chunks: 64,
            part_bytes: 256 << 10,
        }
    }
}

/// Settings that cannot be read or cannot work together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    #[error("overlap ({overlap}) must be less than max_tokens ({max_tokens})")]
    Overlap { overlap: usize, max_tokens: usize },
    #[error("{strategy:?} is no strategy: there are \"{}\" and \"{}\"", Fixed::NAME, Semantic::NAME)]
    Strategy { strategy: String },
    #[error("{key}={value:?}: {reason}")]
    Variable { key: &'static str, value: String, reason: String },
}

impl FromStr for StrategyName {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        match name {
            Fixed::NAME => Ok(Self::Fixed),
            Semantic::NAME => Ok(Self::Semantic),
            _ => Err(ConfigError::Strategy { strategy: name.to_owned() }),
        }
    }
}

impl Settings {
    /// The defaults with what `HEIMDEX_CHUNK_*` variables say.
    ///
    /// # Errors
    /// The first variable that cannot be read, or settings that make no sense.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|key| std::env::var(key).ok())
    }

    /// [`Settings::from_env`] with variables from elsewhere.
    ///
    /// # Errors
    /// The same.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let settings = Self {
            strategy: read(&variable, "HEIMDEX_CHUNK_STRATEGY")?.unwrap_or(default.strategy),
            max_tokens: read(&variable, "HEIMDEX_CHUNK_TOKENS")?.unwrap_or(default.max_tokens),
            overlap: read(&variable, "HEIMDEX_CHUNK_OVERLAP")?,
            headings: read(&variable, "HEIMDEX_CHUNK_HEADINGS")?.unwrap_or(default.headings),
            parent_chunks: read(&variable, "HEIMDEX_CHUNK_PARENT")?.unwrap_or(default.parent_chunks),
            max_chunk_bytes: read(&variable, "HEIMDEX_CHUNK_BYTES")?.unwrap_or(default.max_chunk_bytes),
            part_chunks: read(&variable, "HEIMDEX_CHUNK_PART")?.unwrap_or(default.part_chunks),
            part_bytes: read(&variable, "HEIMDEX_CHUNK_PART_BYTES")?.unwrap_or(default.part_bytes),
        };
        settings.check().map(|()| settings)
    }

    /// # Errors
    /// The first setting that makes no sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let positive = [
            ("max_tokens", self.max_tokens),
            ("parent_chunks", self.parent_chunks),
            ("max_chunk_bytes", self.max_chunk_bytes),
            ("part_chunks", self.part_chunks),
            ("part_bytes", self.part_bytes),
        ];
        let overlap = self.overlap.unwrap_or(0);
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(ConfigError::Zero(name)),
            None if overlap >= self.max_tokens => Err(ConfigError::Overlap { overlap, max_tokens: self.max_tokens }),
            None => Ok(()),
        }
    }

    /// The strategy of these settings for a model that sees `window` tokens of a text.
    ///
    /// # Errors
    /// Settings that make no sense; a window of 0.
    pub fn strategy(&self, window: usize) -> Result<Box<dyn Strategy>, ConfigError> {
        Ok(match self.strategy {
            StrategyName::Fixed => Box::new(Fixed::new(self, window)?),
            StrategyName::Semantic => Box::new(Semantic::new(self, window)?),
        })
    }

    /// Size and overlap within `window`. An overlap is at most half of a size that the window or the default forces, so that
    /// no text is repeated more than once.
    pub(crate) fn clamped(&self, window: usize, overlap: usize) -> Result<(Limits, usize), ConfigError> {
        self.check()?;
        if window == 0 {
            return Err(ConfigError::Zero("the model's window"));
        }
        let tokens = self.max_tokens.min(window);
        let asked = self.overlap.filter(|_| tokens == self.max_tokens);
        let overlap = asked.unwrap_or_else(|| self.overlap.unwrap_or(overlap).min(tokens / 2));
        Ok((Limits { tokens, bytes: self.max_chunk_bytes }, overlap))
    }
}

fn read<T: FromStr<Err: ToString>>(
    variable: impl Fn(&str) -> Option<String>,
    key: &'static str,
) -> Result<Option<T>, ConfigError> {
    let Some(value) = variable(key) else { return Ok(None) };
    match value.parse() {
        Ok(parsed) => Ok(Some(parsed)),
        Err(error) => Err(ConfigError::Variable { key, reason: T::Err::to_string(&error), value }),
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
        assert_eq!((settings.strategy, settings.max_tokens, settings.overlap), (StrategyName::Semantic, 512, None));
        assert_eq!((settings.headings, settings.parent_chunks), (false, 7));
        assert_eq!((settings.max_chunk_bytes, settings.part_chunks, settings.part_bytes), (16_384, 64, 262_144));
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(Settings::from_variables(|_| None), Ok(settings));
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let overlap = Settings { max_tokens: 50, overlap: Some(50), ..Settings::default() };
        assert_eq!(overlap.check(), Err(ConfigError::Overlap { overlap: 50, max_tokens: 50 }));
        let empty = Settings { part_chunks: 0, ..Settings::default() };
        assert_eq!(empty.check(), Err(ConfigError::Zero("part_chunks")));
        assert!(serde_json::from_str::<Settings>(r#"{"max_token": 3}"#).is_err());
    }

    #[test]
    fn variables_set_each_setting_and_errors_name_their_key() {
        let values = [
            ("HEIMDEX_CHUNK_STRATEGY", "fixed"),
            ("HEIMDEX_CHUNK_TOKENS", "100"),
            ("HEIMDEX_CHUNK_OVERLAP", "10"),
            ("HEIMDEX_CHUNK_HEADINGS", "true"),
            ("HEIMDEX_CHUNK_PARENT", "3"),
            ("HEIMDEX_CHUNK_BYTES", "2000"),
            ("HEIMDEX_CHUNK_PART", "8"),
            ("HEIMDEX_CHUNK_PART_BYTES", "9000"),
        ];
        let value = |key: &str| values.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let expected = Settings {
            strategy: StrategyName::Fixed,
            max_tokens: 100,
            overlap: Some(10),
            headings: true,
            parent_chunks: 3,
            max_chunk_bytes: 2_000,
            part_chunks: 8,
            part_bytes: 9_000,
        };
        assert_eq!(Settings::from_variables(value), Ok(expected));
        for (key, _) in values {
            let wrong = |asked: &str| (asked == key).then(|| "many".to_owned());
            assert!(Settings::from_variables(wrong).unwrap_err().to_string().starts_with(key), "{key}");
        }
    }

    #[test]
    fn the_window_clamps_size_and_overlap() {
        let of = |settings: &Settings, window, default| {
            settings.clamped(window, default).map(|(limits, overlap)| (limits.tokens, overlap))
        };
        let asked = Settings { overlap: Some(60), ..Settings::default() };
        assert_eq!(of(&Settings::default(), 254, 50), Ok((254, 50)));
        assert_eq!(of(&asked, 254, 50), Ok((254, 60)));
        assert_eq!(of(&asked, 100, 50), Ok((100, 50)));
        assert_eq!(of(&Settings::default(), 60, 50), Ok((60, 30)));
        assert_eq!(of(&Settings { max_tokens: 61, ..asked }, 8_190, 50), Ok((61, 60)));
        assert_eq!(of(&Settings::default(), 0, 50), Err(ConfigError::Zero("the model's window")));
    }
}
