//! Pieces of as many tokens as fit, whatever the text is like.
//!
//! A piece ends before a word where it can, else between grapheme clusters, and only inside one that alone is more than
//! a piece may hold. White space belongs to the piece before it. Each piece is tokenized alone and shortened until it fits:
//! WordPiece has other tokens for half a word, and one `[UNK]` for a word of any length.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::cuts::{Cuts, Grade};
use crate::error::Error;
use crate::prefix::{Prefix, Prefixes, input};
use crate::strategy::Piece;
use crate::tokens::TokenOffsets;

/// After so many proportional attempts to shorten a piece, each further one halves it.
const PROPORTIONAL_ATTEMPTS: usize = 3;

/// How much a piece may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Tokens, prefix included.
    pub(crate) tokens: usize,
    /// Bytes of the text.
    pub(crate) bytes: usize,
}

/// Cuts a text up to its `end`.
pub(crate) struct Cutter<'a> {
    pub(crate) text: &'a str,
    pub(crate) end: usize,
    pub(crate) cuts: &'a Cuts,
    pub(crate) tokens: &'a dyn TokenOffsets,
    pub(crate) limits: Limits,
}

impl Cutter<'_> {
    /// The piece that starts at `start`, or at `covered` when the overlap would cost a word its wholeness, and ends
    /// behind `covered`. The planned tokens may be wrong, so the bytes have the last word.
    pub(crate) fn piece(&self, start: usize, covered: usize, prefixes: &mut Prefixes<'_>) -> Result<Piece, Error> {
        let mut room = Limits { tokens: self.limits.tokens.saturating_sub(prefixes.at(start)?.tokens), ..self.limits };
        let mut attempt = 0;
        loop {
            let (from, to) = self.bounds(start, covered, room);
            let text = self.text.get(from..to).unwrap_or_default();
            let prefix = prefixes.at(from)?;
            let tokens = self.tokens.count(&input(&prefix.text, text))?;
            if tokens <= self.limits.tokens {
                return self.counted(from..to, tokens, &prefix);
            }
            if text.chars().nth(1).is_none() {
                return self.single(from..to);
            }
            room.bytes = shorter(text.len(), attempt, tokens - prefix.tokens.min(tokens - 1), room.tokens);
            attempt += 1;
        }
    }

    /// A piece of `tokens`, counted with its prefix. One without tokens of its own has none to show, whatever its prefix
    /// says.
    pub(crate) fn counted(&self, bytes: Range<usize>, tokens: usize, prefix: &Prefix) -> Result<Piece, Error> {
        let begins_none = self.cuts.index_at(bytes.start) == self.cuts.index_at(bytes.end);
        let text = self.text.get(bytes.clone()).unwrap_or_default();
        if begins_none && !prefix.text.is_empty() && self.tokens.count(text)? == 0 {
            return Ok(Piece { bytes, ..Piece::default() });
        }
        Ok(Piece { bytes, tokens, prefix: prefix.text.clone() })
    }

    /// One character, without a prefix.
    fn single(&self, bytes: Range<usize>) -> Result<Piece, Error> {
        let tokens = self.tokens.count(self.text.get(bytes.clone()).unwrap_or_default())?;
        if tokens > self.limits.tokens {
            return Err(Error::Indivisible { at: bytes.start, tokens, max_tokens: self.limits.tokens });
        }
        Ok(Piece { bytes, tokens, prefix: String::new() })
    }

    /// Start and end of the longest piece within `room`, the best kind of cut first.
    fn bounds(&self, start: usize, covered: usize, room: Limits) -> (usize, usize) {
        let kinds = [
            (start, Grade::Word),
            (covered, Grade::Word),
            (start, Grade::Grapheme),
            (covered, Grade::Grapheme),
            (covered, Grade::Character),
        ];
        let found = kinds.into_iter().find_map(|(from, grade)| Some((from, self.end(from, covered, room, grade)?)));
        found.unwrap_or_else(|| (covered, self.end_inside_a_token(covered, room.bytes)))
    }

    /// Where a piece from `start` would end by the plan, for a target of `room`.
    pub(crate) fn planned_end(&self, start: usize, room: Limits) -> usize {
        self.bounds(start, start, room).1
    }

    fn end(&self, from: usize, covered: usize, room: Limits, grade: Grade) -> Option<usize> {
        let stop = self.cuts.index_at(from).saturating_add(room.tokens);
        let reach = from.saturating_add(room.bytes);
        if stop >= self.cuts.index_at(self.end) && reach >= self.end {
            return Some(self.end);
        }
        let stop = stop.saturating_add(1).min(self.cuts.index_at(reach.saturating_add(1)));
        let behind_a_token = self.cuts.index_at(from).saturating_add(1);
        self.cuts.last(self.cuts.index_at(covered.saturating_add(1)).max(behind_a_token)..stop, grade)
    }

    /// For a token longer than a piece may be: as much of it as fits, between grapheme clusters if one ends there.
    fn end_inside_a_token(&self, from: usize, bytes: usize) -> usize {
        let rest = self.text.get(from..self.end).unwrap_or_default();
        let one = rest.chars().next().map_or(0, char::len_utf8);
        let fits = rest.floor_char_boundary(bytes).max(one);
        let whole = rest.get(..fits).unwrap_or_default().grapheme_indices(true).next_back();
        match whole {
            Some((end, _)) if end > 0 && fits < rest.len() => from + end,
            _ => from + fits,
        }
    }
}

/// Fewer than `bytes`, which had `tokens` where `room` are left.
fn shorter(bytes: usize, attempt: usize, tokens: usize, room: usize) -> usize {
    let part = if attempt < PROPORTIONAL_ATTEMPTS { bytes * room / tokens.max(1) } else { bytes / 2 };
    part.clamp(1, bytes - 1)
}
