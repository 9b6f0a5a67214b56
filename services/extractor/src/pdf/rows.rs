//! Lines as text, with what paragraphs, tables and headings are recognized by.

use super::lines::Line;
use super::native::{Glyph, Style};
use super::runs::{Area, Run, extent};
use super::script::{is_cjk, is_right_to_left};
use super::written::Written;

/// A line of a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub written: Written,
    pub area: Area,
    pub base: f32,
    /// Mean font size of its letters.
    pub size: f32,
    /// Letters and digits.
    pub letters: u32,
    pub bold: bool,
    pub fixed_pitch: bool,
    /// Width of its first word, of one character in Chinese and Japanese.
    pub first_word: f32,
    /// Stretches with wide gaps between them; at least one.
    pub cells: Vec<Cell>,
    pub turns: u8,
    /// Its level, when the outline names it.
    pub outlined: Option<u8>,
}

/// A part of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    pub u0: f32,
    pub u1: f32,
    /// Characters of the row's text, half open.
    pub from: u32,
    pub to: u32,
}

/// The characters of a page and the runs made of them.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub glyphs: &'a [Glyph],
    pub styles: &'a [Style],
    pub runs: &'a [Run],
}

/// Between words, in font sizes; runs that touch go on in one word. Chinese and Japanese have their own blanks, and much
/// white in some characters.
const WORD_GAP: f32 = 0.18;
const WIDE_WORD_GAP: f32 = 0.7;
/// Between cells.
const CELL_GAP: f32 = 1.0;

impl Row {
    pub(super) fn of(source: Source<'_>, line: &Line) -> Self {
        let mut runs: Vec<&Run> = line.runs.iter().filter_map(|at| source.runs.get(*at)).collect();
        let letters: u32 = runs.iter().map(|run| run.letters).sum();
        if runs.iter().map(|run| run.right_to_left).sum::<u32>() * 2 > letters {
            runs.sort_by(|a, b| b.area.u1.total_cmp(&a.area.u1));
        }
        let turns = runs.first().map_or(0, |run| run.turns);
        let mut scribe = Scribe { source, written: Written::default(), cells: Vec::new(), tally: Tally::default() };
        let mut before: Option<&Run> = None;
        for run in runs {
            scribe.run(before, run);
            before = Some(run);
        }
        let tally = scribe.tally;
        Self {
            written: scribe.written,
            area: line.area,
            base: line.base,
            size: if tally.letters == 0 { line.size } else { tally.sizes / small(tally.letters) },
            letters: tally.letters,
            bold: tally.letters > 0 && tally.bold == tally.letters,
            fixed_pitch: tally.marks > 0 && tally.fixed_pitch == tally.marks,
            first_word: tally.first_word.map_or(0.0, |(from, to)| to - from),
            cells: scribe.cells,
            turns,
            outlined: None,
        }
    }
}

fn small(count: u32) -> f32 {
    f32::from(u16::try_from(count).unwrap_or(u16::MAX))
}

#[derive(Default)]
struct Tally {
    letters: u32,
    bold: u32,
    /// Visible characters, and how many of them are of fixed pitch.
    marks: u32,
    fixed_pitch: u32,
    sizes: f32,
    first_word: Option<(f32, f32)>,
    word_ended: bool,
}

impl Tally {
    fn count(&mut self, c: char, style: &Style, (u0, u1): (f32, f32)) {
        self.marks += 1;
        self.fixed_pitch += u32::from(style.fixed_pitch);
        if c.is_alphanumeric() && self.letters < u32::from(u16::MAX) {
            self.letters += 1;
            self.bold += u32::from(style.bold);
            self.sizes += style.size;
        }
        if !self.word_ended {
            let (from, to) = self.first_word.unwrap_or((u0, u1));
            self.first_word = Some((from.min(u0), to.max(u1)));
            self.word_ended = is_cjk(c);
        }
    }
}

struct Scribe<'a> {
    source: Source<'a>,
    written: Written,
    cells: Vec<Cell>,
    tally: Tally,
}

impl Scribe<'_> {
    fn run(&mut self, before: Option<&Run>, run: &Run) {
        let gap = before.map_or(0.0, |before| (run.area.u0 - before.area.u1).max(before.area.u0 - run.area.u1));
        let size = before.map_or(run.size, |before| before.size.min(run.size));
        if gap > self.word_gap(run) * size {
            self.written.blank();
            self.tally.word_ended |= self.tally.marks > 0;
        }
        let from = self.written.chars;
        self.characters(run);
        let (u0, u1, to) = (run.area.u0, run.area.u1, self.written.chars);
        match self.cells.last_mut() {
            Some(cell) if gap <= CELL_GAP * size => {
                *cell = Cell { u0: cell.u0.min(u0), u1: cell.u1.max(u1), from: cell.from, to };
            }
            _ => self.cells.push(Cell { u0, u1, from, to }),
        }
    }

    fn word_gap(&self, run: &Run) -> f32 {
        let first = self.source.glyphs.get(run.first).map_or(' ', |glyph| glyph.c);
        let last = self.written.text.chars().next_back().unwrap_or(' ');
        if is_solid(last, first) { WIDE_WORD_GAP } else { WORD_GAP }
    }

    fn characters(&mut self, run: &Run) {
        let glyphs = self.source.glyphs.get(run.first..=run.last).unwrap_or_default();
        for glyph in glyphs {
            match glyph.c {
                '\r' | '\n' | '\0' => {}
                c if c.is_whitespace() && !is_cjk(c) => {
                    self.written.blank();
                    self.tally.word_ended |= self.tally.marks > 0;
                }
                c => {
                    self.written.push(c, glyph.index);
                    if let Some(style) = self.source.styles.get(usize::from(glyph.style)) {
                        self.tally.count(c, style, extent(glyph, run.turns));
                    }
                }
            }
        }
    }
}

/// Whether most of the letters are written from right to left.
pub(super) fn is_mirrored(runs: &[Run]) -> bool {
    let letters: u32 = runs.iter().map(|run| run.letters).sum();
    runs.iter().map(|run| run.right_to_left).sum::<u32>() * 2 > letters
}

/// Whether a line goes on without a blank between these characters.
pub(super) fn is_solid(before: char, after: char) -> bool {
    is_cjk(before) && is_cjk(after) && !is_right_to_left(after)
}
