//! Where to cut: the interface between strategies and everything around them.

use std::ops::Range;

use crate::document::DocumentText;
use crate::error::Error;
use crate::tokens::TokenOffsets;

/// A stretch of a document's text that becomes a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the document's text, on character boundaries.
    pub bytes: Range<usize>,
    /// Stands before the text when it is embedded, on lines of its own; mostly empty.
    pub prefix: String,
    /// Tokens of both when tokenized together: at least 1, at most the strategy's limit.
    pub tokens: usize,
}

/// A way to cut a text.
pub trait Strategy: Send + Sync {
    /// What settings and reports call it.
    fn name(&self) -> &'static str;

    /// The most tokens a piece may have.
    fn max_tokens(&self) -> usize;

    /// The most tokens a piece repeats of the one before.
    fn overlap(&self) -> usize;

    /// The pieces of `document`, in order of both their starts and their ends; none for a text without tokens.
    ///
    /// # Errors
    /// The tokenizer failed, or one character has more tokens than a piece may.
    fn cut(&self, document: &DocumentText, tokens: &dyn TokenOffsets) -> Result<Vec<Piece>, Error>;
}
