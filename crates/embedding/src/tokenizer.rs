//! The model's own tokenizer: exact tokens with byte offsets for the chunker, model input for the batcher.
//!
//! Nothing here ever truncates or pads: a `tokenizer.json` that asks for either is told otherwise at load.

use std::{path::Path, sync::Arc};

use crate::error::Error;

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
        let path = path.as_ref();
        let mut inner = tokenizers::Tokenizer::from_file(path)
            .map_err(|error| Error::Tokenizer(format!("{}: {error}", path.display())))?;
        inner.with_truncation(None).map_err(tokenizer_error)?;
        inner.with_padding(None);
        let probe = inner.encode("", true).map_err(tokenizer_error)?;
        Ok(Self { special_tokens: probe.len(), inner: Arc::new(inner), max_tokens })
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

fn tokenizer_error(error: tokenizers::Error) -> Error {
    Error::Tokenizer(error.to_string())
}
