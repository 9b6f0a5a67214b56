//! The places where a text may be cut: the starts of its tokens, graded by what a cut there would split.
//!
//! One pass over the text. The tokenizer sees it in blocks of bounded size that end at white space, so its memory does not
//! grow with the document. At a block's edge (and for tokenizers that look around) the tokens may differ from those of
//! the whole text or of a piece of it, so these places are a plan; the strategy counts what it cut.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::tokens::{TokenOffsets, TokenizerError};

/// Bytes the tokenizer sees at once.
const BLOCK_BYTES: usize = 64 << 10;

/// What a cut leaves whole, from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    /// Not a character boundary, or inside of a token's bytes: no place to cut.
    Nothing,
    /// Characters (Unicode scalar values).
    Character,
    /// Extended grapheme clusters (UAX #29).
    Grapheme,
    /// Words (UAX #29).
    Word,
    /// Clauses: a comma, a semicolon or a colon is before the cut.
    Clause,
}

/// One entry for each token of a text, in order.
#[derive(Debug)]
pub(crate) struct Cuts {
    starts: Vec<usize>,
    grades: Vec<Grade>,
}

impl Cuts {
    pub(crate) fn new(text: &str, tokens: &dyn TokenOffsets) -> Result<Self, TokenizerError> {
        let mut places = Places::new(text);
        let (mut starts, mut grades) = (Vec::new(), Vec::new());
        let mut reached = 0;
        let mut at = 0;
        while let Some(block) = next_block(text, at) {
            for (start, end) in tokens.offsets(text.get(block.clone()).unwrap_or_default())? {
                let start = (block.start + start).max(starts.last().copied().unwrap_or(0));
                let fresh = start >= reached && starts.last().is_none_or(|last| *last < start);
                grades.push(if fresh { places.grade(start) } else { Grade::Nothing });
                starts.push(start);
                reached = reached.max(block.start + end);
            }
            at = block.end;
        }
        Ok(Self { starts, grades })
    }

    /// How many tokens the text has.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The first token that starts at `byte` or behind it.
    pub(crate) fn index_at(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start < byte)
    }

    /// The last place among `tokens` before which a cut is at least of `grade`.
    pub(crate) fn last(&self, tokens: Range<usize>, grade: Grade) -> Option<usize> {
        self.places(tokens, grade).next_back()
    }

    /// The first such place.
    pub(crate) fn first(&self, tokens: Range<usize>, grade: Grade) -> Option<usize> {
        self.places(tokens, grade).next()
    }

    fn places(&self, tokens: Range<usize>, grade: Grade) -> impl DoubleEndedIterator<Item = usize> {
        let end = tokens.end.min(self.len());
        let range = tokens.start.min(end)..end;
        let (starts, grades) = (self.starts.get(range.clone()), self.grades.get(range));
        let pairs = starts.unwrap_or_default().iter().zip(grades.unwrap_or_default());
        pairs.filter(move |(_, found)| **found >= grade).map(|(start, _)| *start)
    }
}

/// The next stretch for the tokenizer: up to the last white space in reach, or as much as fits.
fn next_block(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..).filter(|rest| !rest.is_empty())?;
    if rest.len() <= BLOCK_BYTES {
        return Some(from..text.len());
    }
    let reach = rest.get(..rest.floor_char_boundary(BLOCK_BYTES)).unwrap_or(rest);
    let end = reach.rfind(char::is_whitespace).filter(|end| *end > 0).unwrap_or(reach.len());
    Some(from..from + end)
}

/// Grades ascending positions of a text by walking along its word and cluster boundaries.
struct Places<'a> {
    text: &'a str,
    words: Box<dyn Iterator<Item = usize> + 'a>,
    clusters: Box<dyn Iterator<Item = usize> + 'a>,
    word: usize,
    cluster: usize,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        let words = Box::new(text.split_word_bound_indices().map(|(at, _)| at));
        let clusters = Box::new(text.grapheme_indices(true).map(|(at, _)| at));
        Self { text, words, clusters, word: 0, cluster: 0 }
    }

    fn grade(&mut self, at: usize) -> Grade {
        self.word = advance(&mut self.words, self.word, at);
        self.cluster = advance(&mut self.clusters, self.cluster, at);
        match (self.word == at, self.cluster == at, self.text.is_char_boundary(at)) {
            (true, _, _) if self.text.get(..at).is_some_and(ends_clause) => Grade::Clause,
            (true, _, _) => Grade::Word,
            (_, true, _) => Grade::Grapheme,
            (_, _, true) => Grade::Character,
            _ => Grade::Nothing,
        }
    }
}

fn ends_clause(before: &str) -> bool {
    before.trim_end().ends_with([',', ';', ':', '、', '，', '；', '：', '،', '؛'])
}

/// The first boundary at `at` or behind it; `usize::MAX` when there is none.
fn advance(boundaries: &mut impl Iterator<Item = usize>, current: usize, at: usize) -> usize {
    if current >= at { current } else { boundaries.find(|boundary| *boundary >= at).unwrap_or(usize::MAX) }
}
