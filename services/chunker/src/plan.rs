//! Which units make a chunk: the division of a document with the least cost.
//!
//! A dynamic program over the units, from the first to the last: for each unit the cheapest way to end a chunk behind it.
//! A chunk costs what it lacks to a good size and what it runs over; a cut costs what it tears apart. So chunks come out
//! balanced, and nothing is left over at the end. The work for each unit is bounded by the units a chunk can hold.

use std::ops::Range;

use crate::cutter::Limits;
use crate::units::{Seam, Unit};

/// The unit of costs: a chunk of nothing costs so much.
const UNIT: u64 = 1_000;
/// Where a piece of text must not stand alone.
const NEVER: u64 = 20 * UNIT;

/// Sizes that the plan keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) limits: Limits,
    /// Tokens that a chunk repeats of the one before, at most.
    pub(crate) overlap: usize,
}

/// The units of each chunk, without what they repeat.
pub(crate) fn plan(units: &[Unit], sizes: Sizes) -> Vec<Range<usize>> {
    let leads = leads(units, sizes.overlap);
    let mut best: Vec<(u64, usize)> = Vec::with_capacity(units.len() + 1);
    best.push((0, 0));
    for end in 1..=units.len() {
        let step = cheapest(units, end, &best, &leads, sizes);
        best.push(step);
    }
    let mut chunks = Vec::new();
    let mut end = units.len();
    while end > 0 {
        let start = best.get(end).map_or(0, |(_, start)| (*start).min(end - 1));
        chunks.push(start..end);
        end = start;
    }
    chunks.reverse();
    chunks
}

/// The cost up to the cut before unit `end`, and the first unit of the chunk before that cut.
fn cheapest(units: &[Unit], end: usize, best: &[(u64, usize)], leads: &[usize], sizes: Sizes) -> (u64, usize) {
    let cut = units.get(end).map_or(0, |unit| cut_cost(unit.seam));
    let (mut found, mut crossed) = ((u64::MAX, end - 1), 0);
    let Some(last) = units.get(end - 1) else { return found };
    for start in (0..end).rev() {
        let (Some(first), Some((before, _))) = (units.get(start), best.get(start)) else { break };
        let alone = start + 1 == end;
        let tokens = last.tokens.end - first.tokens.start;
        let fits = tokens <= sizes.limits.tokens && last.bytes.end - first.bytes.start <= sizes.limits.bytes;
        if !fits && !alone {
            break;
        }
        if alone || tokens + first.prefix + lead_tokens(units, leads, start) <= sizes.limits.tokens {
            let cost = before + cut + crossed + size_cost(tokens, sizes.limits.tokens);
            found = found.min((cost, start));
        }
        crossed = crossed.max(crossing_cost(first.seam));
    }
    found
}

/// For each unit the first one that a chunk which begins with it repeats: whole sentences of the same section.
pub(crate) fn leads(units: &[Unit], overlap: usize) -> Vec<usize> {
    let mut leads = Vec::with_capacity(units.len());
    let mut lead = 0;
    for (at, unit) in units.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| units.get(before));
        let goes_on = unit.prose && before.is_some_and(|before| before.prose) && !matches!(unit.seam, Seam::Section(_));
        if !goes_on {
            lead = at;
        }
        while lead < at && units.get(lead).is_some_and(|first| unit.tokens.start - first.tokens.start > overlap) {
            lead += 1;
        }
        leads.push(lead);
    }
    leads
}

fn lead_tokens(units: &[Unit], leads: &[usize], start: usize) -> usize {
    let lead = leads.get(start).and_then(|lead| units.get(*lead));
    let unit = units.get(start);
    lead.zip(unit).map_or(0, |(lead, unit)| unit.tokens.start - lead.tokens.start)
}

/// What a cut tears apart.
fn cut_cost(seam: Seam) -> u64 {
    match seam {
        Seam::Section(_) => 0,
        Seam::Block => 50,
        Seam::Item => 200,
        Seam::Sentence | Seam::LongRow => 250,
        Seam::Continued => 400,
        Seam::Inside => UNIT,
        Seam::Row => 3 * UNIT,
        Seam::Heading => NEVER,
    }
}

/// What it costs that a chunk runs over a section's border: more for a chapter than for a paragraph with a title.
fn crossing_cost(seam: Seam) -> u64 {
    match seam {
        Seam::Section(level) => 300 / u64::from(level.clamp(1, 6)),
        _ => 0,
    }
}

/// Short chunks make bad vectors: the cost of what is lacking to half of the limit grows with its square. Above half it is
/// small, so that structure decides, and neighbours come out alike.
fn size_cost(tokens: usize, limit: usize) -> u64 {
    let permille = |part: usize, whole: usize| u64::try_from(part * 1_000 / whole.max(1)).unwrap_or(UNIT).min(UNIT);
    let half = limit.div_ceil(2);
    let lacking = permille(half.saturating_sub(tokens), half);
    let unused = permille(limit.saturating_sub(tokens), limit);
    lacking * lacking / UNIT + unused * unused / UNIT / 2
}
