//! Whether and how pages are recognized, and the environment variables that say so.

use std::path::{Path, PathBuf};

use crate::limits::{LimitError, positive};

/// Whether pages without readable text are recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Off,
    /// When the machine has the program.
    Auto,
    /// A machine without the program cannot start.
    On,
}

/// How pages are recognized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcrConfig {
    /// `HEIMDEX_OCR`: `off`, `auto`, `on`
    pub mode: Mode,
    /// A path, or a name that is looked for in `PATH`. `HEIMDEX_OCR_PROGRAM`
    pub program: PathBuf,
    /// A folder of trained data that is not the program's own. `TESSDATA_PREFIX`
    pub data: Option<PathBuf>,
    /// As the program calls them (`eng`), joined by `+`. Empty: those of the product's languages that are installed.
    /// `HEIMDEX_OCR_LANGUAGES`
    pub languages: Vec<String>,
    /// `HEIMDEX_OCR_DPI`
    pub dpi: u32,
    /// Width times height of a page's picture. `HEIMDEX_OCR_MAX_PIXELS`
    pub max_pixels: u64,
    /// Wall-clock and CPU seconds for one page. `HEIMDEX_OCR_PAGE_SECONDS`
    pub page_seconds: u64,
    /// Mean confidence, in percent, from which on a page counts as read. `HEIMDEX_OCR_MIN_CONFIDENCE`
    pub min_confidence: u8,
}

/// English, German, French, Spanish, Japanese and Chinese, as the program calls them.
const PRODUCT_LANGUAGES: [&str; 6] = ["eng", "deu", "fra", "spa", "jpn", "chi_sim"];

impl Default for OcrConfig {
    /// `auto`, with what the program's documentation recommends: 300 dpi. 20 million pixels are an A3 page at that.
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            program: "tesseract".into(),
            data: None,
            languages: Vec::new(),
            dpi: 300,
            max_pixels: 20_000_000,
            page_seconds: 30,
            min_confidence: 60,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Number(#[from] LimitError),
    #[error("HEIMDEX_OCR is {0:?}: it must be off, auto or on")]
    Mode(String),
    #[error("HEIMDEX_OCR_LANGUAGES is {0:?}: it must be languages of letters, digits and _, joined by +")]
    Languages(String),
}

impl OcrConfig {
    /// No OCR, whatever the machine has.
    #[must_use]
    pub fn off() -> Self {
        Self { mode: Mode::Off, ..Self::default() }
    }

    /// The defaults, overridden by `HEIMDEX_OCR*`.
    ///
    /// # Errors
    /// Names the first variable that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// As [`OcrConfig::from_env`], with the variables given by `lookup`.
    ///
    /// # Errors
    /// Names the first variable that cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let number = |name, default: u64| lookup(name).map_or(Ok(default), |value| positive(name, value));
        config.mode = lookup("HEIMDEX_OCR").map_or(Ok(config.mode), |word| mode(&word))?;
        config.program = lookup("HEIMDEX_OCR_PROGRAM").map_or(config.program, PathBuf::from);
        config.data = lookup("TESSDATA_PREFIX").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        config.languages = lookup("HEIMDEX_OCR_LANGUAGES").map_or(Ok(Vec::new()), |words| languages(&words))?;
        config.dpi = u32::try_from(number("HEIMDEX_OCR_DPI", config.dpi.into())?).unwrap_or(u32::MAX);
        config.max_pixels = number("HEIMDEX_OCR_MAX_PIXELS", config.max_pixels)?;
        config.page_seconds = number("HEIMDEX_OCR_PAGE_SECONDS", config.page_seconds)?;
        let confidence = number("HEIMDEX_OCR_MIN_CONFIDENCE", config.min_confidence.into())?;
        config.min_confidence = u8::try_from(confidence).unwrap_or(u8::MAX);
        Ok(config)
    }

    /// What decides which text comes out of a picture: two configurations that say the same here read the same.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let Self { languages, dpi, max_pixels, min_confidence, .. } = self;
        format!("{}-{dpi}-{max_pixels}-{min_confidence}", languages.join("+"))
    }

    /// The program's path, when it is there.
    #[must_use]
    pub fn find_program(&self) -> Option<PathBuf> {
        let is_path = self.program.components().count() > 1;
        let searched = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&searched).map(|folder| folder.join(&self.program));
        let candidates = is_path.then(|| self.program.clone()).into_iter().chain(folders.filter(|_| !is_path));
        candidates.into_iter().find(|path| is_program(path))
    }

    /// Picks the languages out of the program's answer to `--list-langs`: a title line, then one language a line.
    ///
    /// # Errors
    /// Says which language is missing.
    pub fn choose(&self, answer: &str) -> Result<Vec<String>, String> {
        let installed: Vec<&str> = answer.lines().skip(1).map(str::trim).collect();
        let has = |language: &str| installed.contains(&language);
        if let Some(missing) = self.languages.iter().find(|language| !has(language)) {
            return Err(format!("the OCR language {missing:?} is not installed; there are {installed:?}"));
        }
        let own = PRODUCT_LANGUAGES.into_iter().filter(|language| has(language)).map(str::to_owned).collect();
        let chosen: Vec<String> = if self.languages.is_empty() { own } else { self.languages.clone() };
        if chosen.is_empty() { Err(format!("no OCR language is installed but {installed:?}")) } else { Ok(chosen) }
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn mode(word: &str) -> Result<Mode, ConfigError> {
    match word.trim() {
        "off" => Ok(Mode::Off),
        "auto" | "" => Ok(Mode::Auto),
        "on" => Ok(Mode::On),
        _ => Err(ConfigError::Mode(word.to_owned())),
    }
}

fn languages(words: &str) -> Result<Vec<String>, ConfigError> {
    let named = words.split('+').map(str::trim).filter(|word| !word.is_empty());
    let named: Vec<String> = named.map(str::to_owned).collect();
    let is_name = |word: &String| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if named.iter().all(is_name) { Ok(named) } else { Err(ConfigError::Languages(words.to_owned())) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn with(name: &'static str, value: &'static str) -> Result<OcrConfig, ConfigError> {
        OcrConfig::from_lookup(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn every_setting_can_be_set_and_none_can_be_nonsense() {
        assert_eq!(OcrConfig::from_lookup(|_| None).unwrap(), OcrConfig::default());
        assert_eq!(with("HEIMDEX_OCR", "on").unwrap().mode, Mode::On);
        assert_eq!(with("HEIMDEX_OCR_LANGUAGES", "eng + chi_sim").unwrap().languages, ["eng", "chi_sim"]);
        assert_eq!(with("HEIMDEX_OCR_DPI", "150").unwrap().dpi, 150);
        assert_eq!(with("HEIMDEX_OCR_MAX_PIXELS", "9").unwrap().max_pixels, 9);
        assert_eq!(with("HEIMDEX_OCR_PAGE_SECONDS", "9").unwrap().page_seconds, 9);
        assert_eq!(with("HEIMDEX_OCR_MIN_CONFIDENCE", "70").unwrap().min_confidence, 70);
        for (name, nonsense) in [
            ("HEIMDEX_OCR", "maybe"),
            ("HEIMDEX_OCR_LANGUAGES", "eng;rm"),
            ("HEIMDEX_OCR_LANGUAGES", "--help"),
            ("HEIMDEX_OCR_DPI", "0"),
            ("HEIMDEX_OCR_PAGE_SECONDS", "fast"),
        ] {
            assert!(with(name, nonsense).is_err(), "{name}={nonsense}");
        }
    }

    #[test]
    fn languages_are_those_wanted_or_those_of_the_product() {
        let answer = "List of available languages (4):\nchi_sim\neng\nosd\nita\n";
        assert_eq!(OcrConfig::default().choose(answer).unwrap(), ["eng", "chi_sim"]);
        assert_eq!(with("HEIMDEX_OCR_LANGUAGES", "ita").unwrap().choose(answer).unwrap(), ["ita"]);
        assert!(with("HEIMDEX_OCR_LANGUAGES", "ita+deu").unwrap().choose(answer).unwrap_err().contains("deu"));
        assert!(OcrConfig::default().choose("nothing").is_err());
    }

    #[test]
    fn a_program_is_a_file_that_can_be_run() {
        let shell = OcrConfig { program: "sh".into(), ..OcrConfig::default() };
        assert!(shell.find_program().unwrap().is_absolute());
        let file = tempfile::NamedTempFile::new().unwrap();
        let none = OcrConfig { program: file.path().into(), ..OcrConfig::default() };
        assert_eq!(none.find_program(), None);
    }
}
