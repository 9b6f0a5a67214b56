//! The context of a chunk: its neighbours in the same section.

use std::ops::Range;

use crate::outline::Outline;
use crate::strategy::Piece;

/// Which chunks belong to which section.
pub(crate) struct Parents<'a> {
    outline: &'a Outline,
    pieces: &'a [Piece],
    most: usize,
}

impl<'a> Parents<'a> {
    /// For contexts of at most `most` chunks.
    pub(crate) fn new(outline: &'a Outline, pieces: &'a [Piece], most: usize) -> Self {
        Self { outline, pieces, most: most.max(1) }
    }

    /// The chunks around number `at`: those of the smallest section that has more than this one, and of these the nearest
    /// when they are too many. `None` for the only chunk of a document, and when a context is a single chunk.
    pub(crate) fn of(&self, at: usize) -> Option<Range<usize>> {
        let piece = self.pieces.get(at)?;
        let inner = self.outline.main_section(&piece.bytes);
        let sections =
            std::iter::successors(self.outline.section(inner), |section| self.outline.section(section.parent?));
        let siblings = sections.map(|section| self.within(&section.bytes)).find(|chunks| chunks.len() > 1)?;
        Some(around(at, siblings, self.most)).filter(|chunks| chunks.len() > 1)
    }

    /// The chunks that have most of their bytes within `bytes`, or begin there.
    fn within(&self, bytes: &Range<usize>) -> Range<usize> {
        let middle = |piece: &Piece| piece.bytes.start.midpoint(piece.bytes.end);
        let first = self.pieces.partition_point(|piece| middle(piece) < bytes.start);
        let end = self.pieces.partition_point(|piece| middle(piece) < bytes.end);
        first..end.max(first)
    }
}

/// `most` of `all` with `at` in the middle, as far as `all` allows.
fn around(at: usize, all: Range<usize>, most: usize) -> Range<usize> {
    let all = all.start.min(at)..all.end.max(at + 1);
    let length = all.len().min(most);
    let start = at.saturating_sub(length / 2).clamp(all.start, all.end - length);
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::around;

    #[test]
    fn a_context_is_bounded_and_holds_its_chunk() {
        assert_eq!(around(5, 3..8, 9), 3..8);
        assert_eq!(around(5, 0..100, 7), 2..9);
        assert_eq!(around(0, 0..100, 7), 0..7);
        assert_eq!(around(99, 0..100, 7), 93..100);
        assert_eq!(around(2, 3..8, 3), 2..5);
        assert_eq!(around(4, 4..5, 7), 4..5);
        for (at, most) in (10..20).flat_map(|at| (1..15).map(move |most| (at, most))) {
            let found = around(at, 10..20, most);
            assert!(found.contains(&at) && found.len() == most.min(10) && found.start >= 10 && found.end <= 20);
        }
    }
}
