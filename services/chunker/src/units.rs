//! The smallest stretches that the `semantic` strategy keeps whole where it can: headings, sentences, rows of tables, lines
//! of code; and what a cut before each of them would tear apart.

use std::ops::Range;

use heimdex_schemas::BlockKind;

use crate::cuts::{Cuts, Grade};
use crate::cutter::{Cutter, Limits};
use crate::document::{DocumentText, TextBlock};
use crate::prefix::Prefixes;
use crate::sentence::sentence_starts;
use crate::tokens::TokenizerError;

/// With larger chunks than so many tokens, rows, lines and sentences of few tokens are taken together, so that the
/// planner never looks at more units for one chunk.
const MOST_UNITS: usize = 1_024;

/// What lies before a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seam {
    /// The unit is a heading of this level.
    Section(u8),
    /// Another block.
    Block,
    /// Another block that belongs to the one before: a paragraph that goes on, a list behind its introduction.
    Continued,
    /// Another item of the same list.
    Item,
    /// Another sentence of the same block.
    Sentence,
    /// Another row or line of a block that fits a chunk.
    Row,
    /// Another row or line of a block that does not.
    LongRow,
    /// The same sentence, row or line: it was too long.
    Inside,
    /// A heading or the header rows of a table, which must not stand alone.
    Heading,
}

/// A stretch of the text that is more than white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) bytes: Range<usize>,
    /// By their positions among the tokens of the text.
    pub(crate) tokens: Range<usize>,
    pub(crate) seam: Seam,
    /// Tokens of the prefix that a chunk has which begins here.
    pub(crate) prefix: usize,
    /// Prose may be repeated in the next chunk; rows, code and headings are not.
    pub(crate) prose: bool,
}

/// Divides a document into units.
pub(crate) struct Units<'a, 'p> {
    document: &'a DocumentText,
    cuts: &'a Cuts,
    cutter: Cutter<'a>,
    prefixes: &'p mut Prefixes<'a>,
    units: Vec<Unit>,
}

impl<'a, 'p> Units<'a, 'p> {
    /// The units of `document` for chunks within `cutter`'s limits, in order. White space belongs to the unit before it;
    /// only when it is longer than a chunk may be it belongs to none.
    pub(crate) fn of(
        document: &'a DocumentText,
        cuts: &'a Cuts,
        cutter: Cutter<'a>,
        prefixes: &'p mut Prefixes<'a>,
    ) -> Result<Vec<Unit>, TokenizerError> {
        let mut units = Self { document, cuts, cutter, prefixes, units: Vec::new() };
        let mut last: Option<&TextBlock> = None;
        for block in document.blocks() {
            units.block(block, last)?;
            last = Some(block);
        }
        Ok(units.units)
    }

    fn block(&mut self, block: &TextBlock, last: Option<&TextBlock>) -> Result<(), TokenizerError> {
        let text = self.document.slice(block.bytes.clone());
        let tokens = self.count(&block.bytes);
        let fits = tokens <= self.cutter.limits.tokens && block.bytes.len() <= self.cutter.limits.bytes;
        let inner = match block.kind {
            BlockKind::Heading { .. } => Vec::new(),
            BlockKind::Table { .. } | BlockKind::Code => line_starts(text),
            _ => sentence_starts(text, self.document.language(block.page)),
        };
        let starts = [0].into_iter().chain(inner.iter().copied());
        let ends = inner.iter().copied().chain([text.len()]);
        for (at, (start, end)) in starts.zip(ends).enumerate() {
            let seam = if at == 0 { self.seam_between(last, block) } else { seam_inside(block.kind, at, fits) };
            self.push(block, block.bytes.start + start..block.bytes.start + end, seam)?;
        }
        Ok(())
    }

    fn seam_between(&self, last: Option<&TextBlock>, block: &TextBlock) -> Seam {
        let Some(last) = last else { return Seam::Block };
        match (last.kind, block.kind) {
            // An empty section.
            (BlockKind::Heading { level: above }, BlockKind::Heading { level }) if level <= above => Seam::Continued,
            (BlockKind::Heading { .. }, _) => Seam::Heading,
            (_, BlockKind::Heading { level }) => Seam::Section(level),
            _ if self.introduces(last) || self.continues(last, block) => Seam::Continued,
            (BlockKind::ListItem, BlockKind::ListItem) => Seam::Item,
            _ => Seam::Block,
        }
    }

    /// A colon at the end: a list, a table or the explanation of a term follows.
    fn introduces(&self, block: &TextBlock) -> bool {
        self.document.slice(block.bytes.clone()).trim_end().ends_with([':', '：'])
    }

    /// A paragraph without an end goes on in small letters, behind a column or a page.
    fn continues(&self, last: &TextBlock, block: &TextBlock) -> bool {
        let before = self.document.slice(last.bytes.clone()).trim_end();
        let after = self.document.slice(block.bytes.clone()).trim_start();
        let prose = last.kind == BlockKind::Paragraph && block.kind == BlockKind::Paragraph;
        let open = before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, ',' | '-' | '、' | '，'));
        prose && open && after.starts_with(char::is_lowercase)
    }

    fn push(&mut self, block: &TextBlock, bytes: Range<usize>, seam: Seam) -> Result<(), TokenizerError> {
        let tokens = self.count(&bytes);
        if tokens == 0 && self.absorbs(&bytes) {
            return Ok(());
        }
        let bytes = if self.units.is_empty() { 0..bytes.end } else { bytes };
        let prefix = self.prefixes.at(bytes.start)?.tokens;
        let room = self.cutter.limits.tokens.saturating_sub(prefix).max(1);
        if tokens > room || bytes.len() > self.cutter.limits.bytes {
            self.divide(block, bytes, seam, room)
        } else {
            self.add(block, bytes, seam, prefix);
            Ok(())
        }
    }

    /// Text in which no token begins goes with the unit before, if that stays small enough; white space goes anyway. What
    /// is left lies inside of a long token.
    fn absorbs(&mut self, bytes: &Range<usize>) -> bool {
        let most = self.cutter.limits.bytes;
        let last = self.units.last_mut().filter(|last| bytes.end - last.bytes.start <= most);
        match last {
            Some(last) => last.bytes.end = bytes.end,
            None => return self.document.slice(bytes.clone()).trim().is_empty(),
        }
        true
    }

    /// Parts of about the same size, of a unit that is longer than a chunk.
    fn divide(
        &mut self,
        block: &TextBlock,
        bytes: Range<usize>,
        seam: Seam,
        room: usize,
    ) -> Result<(), TokenizerError> {
        let (mut start, mut seam) = (bytes.start, seam);
        while start < bytes.end {
            let end = self.part_end(start..bytes.end, room);
            if self.count(&(start..end)) > 0 || !self.absorbs(&(start..end)) {
                let prefix = self.prefixes.at(start)?.tokens;
                self.add(block, start..end, seam, prefix);
                seam = Seam::Inside;
            }
            start = end;
        }
        Ok(())
    }

    /// Behind a clause that ends near the size all parts would have, else behind the last word within it.
    fn part_end(&self, rest: Range<usize>, room: usize) -> usize {
        let tokens = self.count(&rest);
        let parts = tokens.div_ceil(room).max(rest.len().div_ceil(self.cutter.limits.bytes)).max(1);
        let (target, bytes) = (tokens.div_ceil(parts), rest.len().div_ceil(parts));
        let first = self.cuts.index_at(rest.start);
        let near = first + target * 3 / 4 + 1..(first + target + target / 4).min(first + room) + 1;
        let clause = if parts == 1 { None } else { self.cuts.last(near, Grade::Clause) };
        let clause = clause.filter(|end| *end < rest.end && end - rest.start <= self.cutter.limits.bytes);
        let cutter = Cutter { end: rest.end, ..self.cutter };
        let room = Limits { tokens: target.max(1), bytes: (bytes + bytes / 4).min(self.cutter.limits.bytes) };
        clause.unwrap_or_else(|| cutter.planned_end(rest.start, room)).clamp(rest.start + 1, rest.end)
    }

    fn add(&mut self, block: &TextBlock, bytes: Range<usize>, seam: Seam, prefix: usize) {
        let tokens = self.cuts.index_at(bytes.start)..self.cuts.index_at(bytes.end);
        let prose = !matches!(block.kind, BlockKind::Heading { .. } | BlockKind::Table { .. } | BlockKind::Code);
        let grain = self.cutter.limits.tokens / MOST_UNITS;
        let small =
            |unit: &&mut Unit| unit.tokens.len().max(tokens.len()) < grain && unit.bytes.start >= block.bytes.start;
        match self.units.last_mut().filter(small) {
            Some(last) if seam != Seam::Heading => {
                last.bytes.end = bytes.end;
                last.tokens.end = tokens.end;
            }
            _ => self.units.push(Unit { bytes, tokens, seam, prefix, prose }),
        }
    }

    fn count(&self, bytes: &Range<usize>) -> usize {
        self.cuts.index_at(bytes.end).saturating_sub(self.cuts.index_at(bytes.start))
    }
}

/// What a cut before the unit number `at` of a block tears apart.
fn seam_inside(kind: BlockKind, at: usize, fits: bool) -> Seam {
    let is_header = |rows: u32| usize::try_from(rows).is_ok_and(|rows| at <= rows);
    match kind {
        BlockKind::Table { header_rows } if is_header(header_rows) => Seam::Heading,
        BlockKind::Table { .. } | BlockKind::Code if fits => Seam::Row,
        BlockKind::Table { .. } | BlockKind::Code => Seam::LongRow,
        _ => Seam::Sentence,
    }
}

/// The starts of lines that are not blank, without the first.
fn line_starts(text: &str) -> Vec<usize> {
    let (mut starts, mut at) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        if at > 0 && !line.trim().is_empty() {
            starts.push(at);
        }
        at += line.len();
    }
    starts
}
