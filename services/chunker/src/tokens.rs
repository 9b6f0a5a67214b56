//! What the chunker needs of a tokenizer, and the embedding model's own as one.

use heimdex_embedding::{Model, Tokenizer};

/// The tokenizer itself failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tokenizer failed: {0}")]
pub struct TokenizerError(pub String);

/// Tokens of a text and where they are. Implementations never truncate.
pub trait TokenOffsets: Send + Sync {
    /// What reports call the tokenizer.
    fn name(&self) -> &str;

    /// The byte range of each token of `text`, starts ascending, without special tokens.
    ///
    /// # Errors
    /// The tokenizer failed.
    fn offsets(&self, text: &str) -> Result<Vec<(usize, usize)>, TokenizerError>;

    /// How many tokens of the model's window `text` takes, special tokens not counted.
    ///
    /// # Errors
    /// The tokenizer failed.
    fn count(&self, text: &str) -> Result<usize, TokenizerError> {
        Ok(self.offsets(text)?.len())
    }

    /// The tokens of a text that the model can see: its window less special tokens and prefix.
    fn window(&self) -> usize;
}

/// An embedding model's tokenizer, with the room that the model's document prefix takes.
#[derive(Clone)]
pub struct ModelTokens {
    name: String,
    tokenizer: Tokenizer,
    prefix: String,
    prefix_tokens: usize,
}

impl ModelTokens {
    /// `prefix` is what the embedder puts before each document; empty for most models.
    ///
    /// # Errors
    /// The prefix cannot be tokenized.
    pub fn new(name: &str, tokenizer: Tokenizer, prefix: &str) -> Result<Self, TokenizerError> {
        let prefix_tokens = if prefix.is_empty() { 0 } else { tokenizer.count(prefix).map_err(failed)? };
        Ok(Self { name: name.to_owned(), tokenizer, prefix: prefix.to_owned(), prefix_tokens })
    }

    /// The tokenizer of a model folder.
    ///
    /// # Errors
    /// Its `tokenizer.json` cannot be read or used.
    pub fn of(model: &Model) -> Result<Self, TokenizerError> {
        let tokenizer = model.tokenizer().map_err(failed)?;
        Self::new(model.name(), tokenizer, &model.manifest().document_prefix)
    }
}

impl TokenOffsets for ModelTokens {
    fn name(&self) -> &str {
        &self.name
    }

    fn offsets(&self, text: &str) -> Result<Vec<(usize, usize)>, TokenizerError> {
        self.tokenizer.offsets(text).map_err(failed)
    }

    /// Counts behind the prefix, because the first token of a text may depend on what is before it.
    fn count(&self, text: &str) -> Result<usize, TokenizerError> {
        if self.prefix.is_empty() {
            return self.tokenizer.count(text).map_err(failed);
        }
        let together = self.tokenizer.count(&[&self.prefix, text].concat()).map_err(failed)?;
        Ok(together.saturating_sub(self.prefix_tokens))
    }

    fn window(&self) -> usize {
        self.tokenizer.max_tokens().saturating_sub(self.tokenizer.special_tokens() + self.prefix_tokens)
    }
}

fn failed(error: heimdex_embedding::Error) -> TokenizerError {
    TokenizerError(error.to_string())
}
