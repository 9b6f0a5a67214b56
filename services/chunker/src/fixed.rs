//! The `fixed` strategy: pieces of as many tokens as fit, each repeating the end of the one before.

use crate::config::{ConfigError, Settings};
use crate::cuts::{Cuts, Grade};
use crate::cutter::{Cutter, Limits};
use crate::document::DocumentText;
use crate::error::Error;
use crate::prefix::Prefixes;
use crate::strategy::{Piece, Strategy};
use crate::tokens::TokenOffsets;

/// Tokens that neighbours share when nothing is set.
const OVERLAP: usize = 50;

/// Pieces of a fixed number of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    limits: Limits,
    overlap: usize,
    headings: bool,
}

impl Fixed {
    /// The strategy's name.
    pub const NAME: &'static str = "fixed";

    /// Takes `settings`, clamped to a model that sees `window` tokens of a text. Where the window forces a smaller size, the
    /// overlap is at most half of it, so that no text is repeated more than once.
    ///
    /// # Errors
    /// Settings that make no sense; a window of 0.
    pub fn new(settings: &Settings, window: usize) -> Result<Self, ConfigError> {
        let (limits, overlap) = settings.clamped(window, OVERLAP)?;
        Ok(Self { limits, overlap, headings: settings.headings })
    }
}

impl Strategy for Fixed {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn max_tokens(&self) -> usize {
        self.limits.tokens
    }

    fn overlap(&self) -> usize {
        self.overlap
    }

    fn cut(&self, document: &DocumentText, tokens: &dyn TokenOffsets) -> Result<Vec<Piece>, Error> {
        let text = document.text();
        let cuts = Cuts::new(text, tokens)?;
        let mut prefixes = Prefixes::new(document, tokens, (self.limits.tokens, self.headings));
        let cutter = Cutter { text, end: text.len(), cuts: &cuts, tokens, limits: self.limits };
        let mut pieces = Vec::new();
        let (mut start, mut covered) = (0, 0);
        while cuts.len() > 0 && covered < text.len() {
            let piece = cutter.piece(start, covered, &mut prefixes)?;
            covered = piece.bytes.end;
            start = self.next_start(&piece, &cuts);
            // A stretch without tokens, longer than a piece may be: there is nothing in it that a model could see.
            if piece.tokens > 0 {
                pieces.push(piece);
            }
        }
        Ok(pieces)
    }
}

impl Fixed {
    /// Where the piece after `piece` starts: `overlap` tokens before its end, or less so that no word is split that the end
    /// leaves whole.
    fn next_start(&self, piece: &Piece, cuts: &Cuts) -> usize {
        let (first, end) = (cuts.index_at(piece.bytes.start + 1), cuts.index_at(piece.bytes.end));
        let shared = end.saturating_sub(self.overlap).max(first)..end;
        let word = cuts.first(shared.start..end.saturating_add(1), Grade::Word);
        word.or_else(|| cuts.first(shared, Grade::Grapheme)).map_or(piece.bytes.end, |at| at.min(piece.bytes.end))
    }
}
