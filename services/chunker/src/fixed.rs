//! The `fixed` strategy: pieces of as many tokens as fit, each repeating the end of the one before.
//!
//! A piece ends before a word where it can, else between grapheme clusters, and only inside one that alone is more than
//! a piece may hold. White space belongs to the piece before it. Each piece is tokenized alone and shortened until it fits:
//! WordPiece has other tokens for half a word, and one `[UNK]` for a word of any length.

use unicode_segmentation::UnicodeSegmentation;

use crate::config::{ConfigError, Settings};
use crate::cuts::{Cuts, Grade};
use crate::error::Error;
use crate::strategy::{Piece, Strategy};
use crate::tokens::TokenOffsets;

/// After so many proportional attempts to shorten a piece, each further one halves it.
const PROPORTIONAL_ATTEMPTS: usize = 3;

/// Pieces of a fixed number of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    max_tokens: usize,
    overlap: usize,
    max_bytes: usize,
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
        settings.check()?;
        if window == 0 {
            return Err(ConfigError::Zero("the model's window"));
        }
        let max_tokens = settings.max_tokens.min(window);
        let clamped = max_tokens < settings.max_tokens;
        let overlap = if clamped { settings.overlap.min(max_tokens / 2) } else { settings.overlap };
        Ok(Self { max_tokens, overlap, max_bytes: settings.max_chunk_bytes })
    }

    /// Tokens that neighbours share at most.
    #[must_use]
    pub fn overlap(&self) -> usize {
        self.overlap
    }
}

impl Strategy for Fixed {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn cut(&self, text: &str, tokens: &dyn TokenOffsets) -> Result<Vec<Piece>, Error> {
        let cuts = Cuts::new(text, tokens)?;
        let cutter = Cutter { fixed: self, text, cuts: &cuts, tokens };
        let mut pieces = Vec::new();
        let (mut start, mut covered) = (0, 0);
        while cuts.len() > 0 && covered < text.len() {
            let piece = cutter.piece(start, covered)?;
            covered = piece.bytes.end;
            start = cutter.next_start(&piece);
            // A stretch without tokens, longer than a piece may be: there is nothing in it that a model could see.
            if piece.tokens > 0 {
                pieces.push(piece);
            }
        }
        Ok(pieces)
    }
}

struct Cutter<'a> {
    fixed: &'a Fixed,
    text: &'a str,
    cuts: &'a Cuts,
    tokens: &'a dyn TokenOffsets,
}

/// How much a piece may hold. The tokens are those of the plan, so the bytes have the last word when they are wrong.
#[derive(Clone, Copy)]
struct Budget {
    tokens: usize,
    bytes: usize,
}

impl Cutter<'_> {
    /// The piece that starts at `start`, or at `covered` when the overlap would cost a word its wholeness, and ends
    /// behind `covered`.
    fn piece(&self, start: usize, covered: usize) -> Result<Piece, Error> {
        let mut budget = Budget { tokens: self.fixed.max_tokens, bytes: self.fixed.max_bytes };
        let mut attempt = 0;
        loop {
            let (from, to) = self.bounds(start, covered, budget);
            let text = self.text.get(from..to).unwrap_or_default();
            let tokens = self.tokens.count(text)?;
            if tokens <= self.fixed.max_tokens {
                return Ok(Piece { bytes: from..to, tokens });
            }
            if text.chars().nth(1).is_none() {
                return Err(Error::Indivisible { at: from, tokens, max_tokens: self.fixed.max_tokens });
            }
            budget.bytes = self.shorter(text.len(), tokens, attempt);
            attempt += 1;
        }
    }

    fn shorter(&self, bytes: usize, tokens: usize, attempt: usize) -> usize {
        let part = if attempt < PROPORTIONAL_ATTEMPTS { bytes * self.fixed.max_tokens / tokens } else { bytes / 2 };
        part.clamp(1, bytes - 1)
    }

    /// Start and end of the longest piece within `budget`, the best kind of cut first.
    fn bounds(&self, start: usize, covered: usize, budget: Budget) -> (usize, usize) {
        let kinds = [
            (start, Grade::Word),
            (covered, Grade::Word),
            (start, Grade::Grapheme),
            (covered, Grade::Grapheme),
            (covered, Grade::Character),
        ];
        let found = kinds.into_iter().find_map(|(from, grade)| Some((from, self.end(from, covered, budget, grade)?)));
        found.unwrap_or_else(|| (covered, self.end_inside_a_token(covered, budget.bytes)))
    }

    fn end(&self, from: usize, covered: usize, budget: Budget, grade: Grade) -> Option<usize> {
        let stop = self.cuts.index_at(from).saturating_add(budget.tokens);
        let reach = from.saturating_add(budget.bytes);
        if stop >= self.cuts.len() && reach >= self.text.len() {
            return Some(self.text.len());
        }
        let stop = stop.saturating_add(1).min(self.cuts.index_at(reach.saturating_add(1)));
        let behind_a_token = self.cuts.index_at(from).saturating_add(1);
        self.cuts.last(self.cuts.index_at(covered.saturating_add(1)).max(behind_a_token)..stop, grade)
    }

    /// For a token longer than a piece may be: as much of it as fits, between grapheme clusters if one ends there.
    fn end_inside_a_token(&self, from: usize, bytes: usize) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        let one = rest.chars().next().map_or(0, char::len_utf8);
        let fits = rest.floor_char_boundary(bytes).max(one);
        let whole = rest.get(..fits).unwrap_or_default().grapheme_indices(true).next_back();
        match whole {
            Some((end, _)) if end > 0 && fits < rest.len() => from + end,
            _ => from + fits,
        }
    }

    /// Where the piece after `piece` starts: `overlap` tokens before its end, or less so that no word is split that the end
    /// leaves whole.
    fn next_start(&self, piece: &Piece) -> usize {
        let (first, end) = (self.cuts.index_at(piece.bytes.start + 1), self.cuts.index_at(piece.bytes.end));
        let shared = end.saturating_sub(self.fixed.overlap).max(first)..end;
        let word = self.cuts.first(shared.start..end.saturating_add(1), Grade::Word);
        word.or_else(|| self.cuts.first(shared, Grade::Grapheme)).map_or(piece.bytes.end, |at| at.min(piece.bytes.end))
    }
}
