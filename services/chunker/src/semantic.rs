//! The `semantic` strategy: chunks end where sections, paragraphs and sentences do.
//!
//! The document is divided into units that should stay whole ([`crate::units`]), the cheapest division into chunks is planned
//! ([`crate::plan`]), and each chunk is counted. Where the plan's tokens were wrong, that chunk alone is planned again for
//! less; a unit that alone is too much is cut like any text.

use std::ops::Range;

use crate::config::{ConfigError, Settings};
use crate::cuts::Cuts;
use crate::cutter::{Cutter, Limits};
use crate::document::DocumentText;
use crate::error::Error;
use crate::plan::{Sizes, leads, plan};
use crate::prefix::{Prefixes, input};
use crate::strategy::{Piece, Strategy};
use crate::tokens::TokenOffsets;
use crate::units::{Unit, Units};

/// Tokens that neighbours share when nothing is set.
const OVERLAP: usize = 0;

/// Pieces along the document's structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Semantic {
    sizes: Sizes,
    headings: bool,
}

impl Semantic {
    /// The strategy's name.
    pub const NAME: &'static str = "semantic";

    /// Takes `settings`, clamped to a model that sees `window` tokens of a text.
    ///
    /// # Errors
    /// Settings that make no sense; a window of 0.
    pub fn new(settings: &Settings, window: usize) -> Result<Self, ConfigError> {
        let (limits, overlap) = settings.clamped(window, OVERLAP)?;
        Ok(Self { sizes: Sizes { limits, overlap }, headings: settings.headings })
    }
}

impl Strategy for Semantic {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn max_tokens(&self) -> usize {
        self.sizes.limits.tokens
    }

    fn overlap(&self) -> usize {
        self.sizes.overlap
    }

    fn cut(&self, document: &DocumentText, tokens: &dyn TokenOffsets) -> Result<Vec<Piece>, Error> {
        let (text, limits) = (document.text(), self.sizes.limits);
        let cuts = Cuts::new(text, tokens)?;
        let cutter = Cutter { text, end: text.len(), cuts: &cuts, tokens, limits };
        let mut prefixes = Prefixes::new(document, tokens, (limits.tokens, self.headings));
        let units = Units::of(document, &cuts, Cutter { ..cutter }, &mut prefixes)?;
        let leads = leads(&units, self.sizes.overlap);
        let mut writer = Writer { units: &units, leads: &leads, cutter, prefixes, pieces: Vec::new(), begun: None };
        let whole = fits_whole(&units, limits);
        let planned = if whole { std::iter::once(0..units.len()).collect() } else { plan(&units, self.sizes) };
        for chunk in planned {
            writer.chunk(chunk, limits.tokens)?;
        }
        Ok(writer.pieces)
    }
}

/// A document that is no longer than a chunk is one.
fn fits_whole(units: &[Unit], limits: Limits) -> bool {
    let (Some(first), Some(last)) = (units.first(), units.last()) else { return false };
    let tokens = last.tokens.end - first.tokens.start + first.prefix;
    tokens <= limits.tokens && last.bytes.end - first.bytes.start <= limits.bytes
}

/// Turns planned chunks into counted pieces.
struct Writer<'a> {
    units: &'a [Unit],
    leads: &'a [usize],
    cutter: Cutter<'a>,
    prefixes: Prefixes<'a>,
    pieces: Vec<Piece>,
    /// The first unit of the last piece, what it repeats included.
    begun: Option<usize>,
}

impl Writer<'_> {
    /// One piece for `chunk`, or several when it has more tokens than planned.
    fn chunk(&mut self, chunk: Range<usize>, budget: usize) -> Result<(), Error> {
        let mut waiting = vec![(chunk, budget)];
        while let Some((chunk, budget)) = waiting.pop() {
            let over = match self.whole(&chunk)? {
                Ok(()) => continue,
                Err(tokens) => tokens,
            };
            if chunk.len() == 1 {
                self.unit(chunk.start)?;
                continue;
            }
            let parts = self.smaller(&chunk, budget, over);
            waiting.extend(parts.0.into_iter().rev().map(|part| (part, parts.1)));
        }
        Ok(())
    }

    /// Adds `chunk` as one piece, with what it repeats if there is room; else says how many tokens it has.
    fn whole(&mut self, chunk: &Range<usize>) -> Result<Result<(), usize>, Error> {
        let lead = self.leads.get(chunk.start).copied().unwrap_or(chunk.start);
        let lead = lead.max(self.begun.map_or(0, |begun| begun + 1)).min(chunk.start);
        let mut tokens = 0;
        for first in if lead < chunk.start { vec![lead, chunk.start] } else { vec![chunk.start] } {
            let piece = self.piece(first..chunk.end)?;
            tokens = piece.tokens;
            if tokens <= self.cutter.limits.tokens {
                self.begun = Some(first);
                // Tokens at the edge of what the tokenizer saw at once may be none alone.
                self.pieces.extend(Some(piece).filter(|piece| piece.tokens > 0));
                return Ok(Ok(()));
            }
        }
        Ok(Err(tokens))
    }

    fn piece(&mut self, units: Range<usize>) -> Result<Piece, Error> {
        let start = self.units.get(units.start).map_or(0, |unit| unit.bytes.start);
        let end = self.units.get(units.end.saturating_sub(1)).map_or(start, |unit| unit.bytes.end);
        let prefix = self.prefixes.at(start)?;
        let text = self.cutter.text.get(start..end).unwrap_or_default();
        let tokens = self.cutter.tokens.count(&input(&prefix.text, text))?;
        self.cutter.counted(start..end, tokens, &prefix)
    }

    /// A plan of several chunks for units that have `tokens` together, and its budget.
    fn smaller(&self, chunk: &Range<usize>, budget: usize, tokens: usize) -> (Vec<Range<usize>>, usize) {
        let units = self.units.get(chunk.clone()).unwrap_or_default();
        let ends = units.first().zip(units.last());
        let planned = ends.map_or(1, |(first, last)| last.tokens.end - first.tokens.start);
        let proportional = budget * self.cutter.limits.tokens / tokens.max(1);
        let budget = proportional.min(planned.saturating_sub(1)).max(1);
        let limits = Limits { tokens: budget, ..self.cutter.limits };
        let parts = plan(units, Sizes { limits, overlap: 0 });
        (parts.into_iter().map(|part| part.start + chunk.start..part.end + chunk.start).collect(), budget)
    }

    /// A unit that alone is too much.
    fn unit(&mut self, at: usize) -> Result<(), Error> {
        let Some(unit) = self.units.get(at) else { return Ok(()) };
        self.begun = Some(at);
        self.cutter.end = unit.bytes.end;
        let mut start = unit.bytes.start;
        while start < unit.bytes.end {
            let piece = self.cutter.piece(start, start, &mut self.prefixes)?;
            start = piece.bytes.end;
            self.pieces.extend(Some(piece).filter(|piece| piece.tokens > 0));
        }
        Ok(())
    }
}
