//! The model's own tokenizer: exact tokens with byte offsets for the chunker, model input for the batcher.
//!
//! Nothing here ever truncates or pads: a `tokenizer.json` that asks for either is told otherwise at load.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::SystemTime,
};

use crate::error::Error;

/// A file as it was when it was loaded.
type Stamp = (PathBuf, u64, Option<SystemTime>);

/// The tokenizers in use in this process. A vocabulary of 250,000 pieces takes 280 MB once it is loaded, and the chunker,
/// the embedder and the query service of one process all need it.
static LOADED: Mutex<Option<HashMap<Stamp, Weak<tokenizers::Tokenizer>>>> = Mutex::new(None);

/// A tokenizer and the window of the model it belongs to. Cheap to clone.
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    max_tokens: usize,
    special_tokens: usize,
}

/// The tokens of one text, without special tokens and without truncation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Vocabulary ids.
    pub ids: Vec<u32>,
    /// For each token its byte range in the text, ascending; a range may be empty where the normalizer made a token
    /// out of no text, and neighbours may share bytes where several tokens came from one character.
    pub offsets: Vec<(usize, usize)>,
}

impl Tokens {
    /// How many tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True for a text that holds nothing the model sees.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl Tokenizer {
    /// Loads a `tokenizer.json`; `max_tokens` is the model's window, special tokens included (256 for MiniLM).
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the file cannot be read or understood.
    pub fn from_file(path: impl AsRef<Path>, max_tokens: usize) -> Result<Self, Error> {
        let inner = shared(path.as_ref())?;
        let probe = inner.encode("", true).map_err(tokenizer_error)?;
        Ok(Self { special_tokens: probe.len(), inner, max_tokens })
    }

    /// Tokens of `text` with their byte ranges, without special tokens.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the tokenizer itself fails.
    pub fn tokenize(&self, text: &str) -> Result<Tokens, Error> {
        let encoding = self.inner.encode(text, false).map_err(tokenizer_error)?;
        Ok(Tokens { ids: encoding.get_ids().to_vec(), offsets: encoding.get_offsets().to_vec() })
    }

    /// The byte range in `text` of each of its tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::tokenize`].
    pub fn offsets(&self, text: &str) -> Result<Vec<(usize, usize)>, Error> {
        Ok(self.tokenize(text)?.offsets)
    }

    /// How many tokens `text` has, special tokens not counted.
    ///
    /// # Errors
    /// As [`Tokenizer::tokenize`].
    pub fn count(&self, text: &str) -> Result<usize, Error> {
        let encoding = self.inner.encode_fast(text, false).map_err(tokenizer_error)?;
        Ok(encoding.len())
    }

    /// Model input for `text`: its ids with special tokens around them.
    ///
    /// # Errors
    /// [`Error::TooLong`] when that is more than the model's window; [`Error::Tokenizer`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let encoding = self.inner.encode_fast(text, true).map_err(tokenizer_error)?;
        if encoding.len() > self.max_tokens {
            return Err(Error::TooLong { tokens: encoding.len(), limit: self.max_tokens });
        }
        Ok(encoding.get_ids().to_vec())
    }

    /// [`Tokenizer::encode`] for each of `texts`: one that fails does not fail the others.
    pub fn encode_batch<T: AsRef<str>>(&self, texts: &[T]) -> Vec<Result<Vec<u32>, Error>> {
        texts.iter().map(|text| self.encode(text.as_ref())).collect()
    }

    /// Tokens the model adds around each text (2 for BERT: `[CLS]`, `[SEP]`).
    #[must_use]
    pub fn special_tokens(&self) -> usize {
        self.special_tokens
    }

    /// The model's window in tokens, special tokens included.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }
}

/// The tokenizer of the file at `path`: the one that is loaded already while somebody uses it and the file is the same.
fn shared(path: &Path) -> Result<Arc<tokenizers::Tokenizer>, Error> {
    let meta = fs::metadata(path).map_err(|error| Error::Tokenizer(format!("{}: {error}", path.display())))?;
    let stamp = (path.to_path_buf(), meta.len(), meta.modified().ok());
    // Held while it is loaded, so that two who ask at once load it once.
    let mut guard = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = guard.get_or_insert_default();
    if let Some(found) = loaded.get(&stamp).and_then(Weak::upgrade) {
        return Ok(found);
    }
    let inner = Arc::new(load(path)?);
    loaded.retain(|_, known| known.strong_count() > 0);
    loaded.insert(stamp, Arc::downgrade(&inner));
    Ok(inner)
}

fn load(path: &Path) -> Result<tokenizers::Tokenizer, Error> {
    let mut inner = tokenizers::Tokenizer::from_file(path)
        .map_err(|error| Error::Tokenizer(format!("{}: {error}", path.display())))?;
    inner.with_truncation(None).map_err(tokenizer_error)?;
    inner.with_padding(None);
    Ok(inner)
}

fn tokenizer_error(error: tokenizers::Error) -> Error {
    Error::Tokenizer(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const WORDS: &str = r#"{"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "a": 1}, "unk_token": "<unk>"}}"#;

    #[test]
    fn a_vocabulary_is_loaded_once_while_it_is_used_and_again_when_its_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        fs::write(&path, WORDS).unwrap();
        let (one, other) = (Tokenizer::from_file(&path, 8).unwrap(), Tokenizer::from_file(&path, 9).unwrap());
        assert!(Arc::ptr_eq(&one.inner, &other.inner));
        assert_eq!((one.max_tokens(), other.max_tokens()), (8, 9));
        fs::write(&path, WORDS.replace("\"a\": 1", "\"a\": 1, \"b\": 2")).unwrap();
        let changed = Tokenizer::from_file(&path, 8).unwrap();
        assert_eq!(changed.tokenize("a b").unwrap().ids, [1, 2]);
        assert_eq!(one.tokenize("a b").unwrap().ids, [1, 0]);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Tokenizer::from_file("/no/such/tokenizer.json", 8).err().unwrap();
        assert!(matches!(&error, Error::Tokenizer(reason) if reason.contains("/no/such")), "{error}");
    }
}
