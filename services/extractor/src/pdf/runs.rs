//! Stretches of characters that stand next to each other on one base line, in the order of the page's content.

use super::native::{Glyph, Style};
use super::script::{is_cjk, is_right_to_left};

/// A box in the frame of the writing: `u` grows with the line, `v` from line to line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub u0: f32,
    pub u1: f32,
    pub v0: f32,
    pub v1: f32,
}

/// A stretch of characters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// Indices into the page's glyphs, both inclusive; white space lies between, never at the ends.
    pub first: usize,
    pub last: usize,
    /// From ascender to descender, whatever the font's own box is.
    pub area: Area,
    pub base: f32,
    pub size: f32,
    /// Where the writing goes, in quarter turns, see [`Style::turns`]; vertical writing is 3.
    pub turns: u8,
    pub letters: u32,
    /// How many of `letters` are written from right to left.
    pub right_to_left: u32,
}

/// Wider than any space between words, narrower than what separates columns and cells; in font sizes.
const MAX_GAP: f32 = 1.2;
/// In right-to-left text, numbers and foreign words make the pen jump.
const MAX_JUMP: f32 = 12.0;
/// How far accents and kerning go back.
const MAX_BACK: f32 = 1.0;
/// How far superscripts and subscripts are from the base line.
const MAX_SHIFT: f32 = 0.5;

/// The runs of a page in the order of its content.
pub(super) fn runs(glyphs: &[Glyph], styles: &[Style]) -> Vec<Run> {
    let vertical = vertical(glyphs, styles);
    let mut builder = Builder { runs: Vec::new(), last: None, ended: false };
    for (at, glyph) in glyphs.iter().enumerate() {
        match glyph.c {
            '\r' | '\n' => builder.ended = true,
            c if c.is_whitespace() || c == '\0' => {}
            _ => {
                let Some(style) = styles.get(usize::from(glyph.style)) else { continue };
                let is_vertical = vertical.get(at).copied().unwrap_or(false);
                builder.push(at, glyph, &Placed::of(glyph, style, is_vertical));
            }
        }
    }
    builder.runs
}

/// A glyph in the frame of its writing.
struct Placed {
    turns: u8,
    vertical: bool,
    u0: f32,
    u1: f32,
    base: f32,
    size: f32,
}

impl Placed {
    fn of(glyph: &Glyph, style: &Style, vertical: bool) -> Self {
        let turns = if vertical { 3 } else { style.turns };
        let (u0, u1) = extent(glyph, turns);
        let base = match turns {
            _ if vertical => style.size.mul_add(-0.2, -glyph.origin.0),
            0 => -glyph.origin.1,
            1 => glyph.origin.0,
            2 => glyph.origin.1,
            _ => -glyph.origin.0,
        };
        Self { turns, vertical, u0, u1, base, size: style.size }
    }
}

/// Where a glyph begins, with the pen or with its ink, and where its ink ends, along the line.
pub(super) fn extent(glyph: &Glyph, turns: u8) -> (f32, f32) {
    let (area, origin) = (&glyph.area, glyph.origin);
    match turns {
        0 => (area.left.min(origin.0), area.right),
        1 => (area.bottom.min(origin.1), area.top),
        2 => ((-area.right).min(-origin.0), -area.left),
        _ => (-area.top, -area.bottom),
    }
}

struct Builder {
    runs: Vec<Run>,
    /// Extent of the last glyph of the last run.
    last: Option<(f32, f32)>,
    /// PDFium ended a line since.
    ended: bool,
}

impl Builder {
    fn push(&mut self, at: usize, glyph: &Glyph, placed: &Placed) {
        let right_to_left = is_right_to_left(glyph.c);
        let joins = self.joins(placed, right_to_left);
        if !joins {
            self.runs.push(begin(at, placed));
        }
        if let Some(run) = self.runs.last_mut() {
            extend(run, at, glyph, placed, right_to_left);
        }
        self.last = Some((placed.u0, placed.u1));
        self.ended = false;
    }

    fn joins(&self, placed: &Placed, right_to_left: bool) -> bool {
        let (Some(run), Some((u0, u1))) = (self.runs.last(), self.last) else { return false };
        let size = run.size.max(placed.size);
        let on_line = (run.base - placed.base).abs() <= MAX_SHIFT * run.size.min(placed.size).max(size * 0.5);
        if run.turns != placed.turns || !on_line || (self.ended && !placed.vertical) {
            return false;
        }
        let ahead = placed.u0 - u1;
        if right_to_left || run.right_to_left > 0 {
            let gap = ahead.max(u0 - placed.u1);
            return gap <= MAX_JUMP * size;
        }
        (-MAX_BACK * size..=MAX_GAP * size).contains(&ahead)
    }
}

fn begin(at: usize, placed: &Placed) -> Run {
    let area = Area { u0: placed.u0, u1: placed.u1, v0: placed.base, v1: placed.base };
    let (base, size, turns) = (placed.base, placed.size, placed.turns);
    Run { first: at, last: at, area, base, size, turns, letters: 0, right_to_left: 0 }
}

fn extend(run: &mut Run, at: usize, glyph: &Glyph, placed: &Placed, right_to_left: bool) {
    run.last = at;
    run.letters += u32::from(glyph.c.is_alphanumeric());
    run.right_to_left += u32::from(right_to_left);
    run.size = run.size.max(placed.size);
    let area = &mut run.area;
    area.u0 = area.u0.min(placed.u0);
    area.u1 = area.u1.max(placed.u1);
    area.v0 = area.v0.min(placed.base - placed.size * 0.8);
    area.v1 = area.v1.max(placed.size.mul_add(0.2, placed.base));
}

/// Fewest glyphs in a column of vertical writing.
const MIN_COLUMN: usize = 3;

/// Which glyphs are written from top to bottom: chains, most of them Chinese or Japanese, in which each stands right
/// below the one before. Empty when there are none.
fn vertical(glyphs: &[Glyph], styles: &[Style]) -> Vec<bool> {
    if !glyphs.iter().any(|glyph| is_cjk(glyph.c)) {
        return Vec::new();
    }
    let mut marks = vec![false; glyphs.len()];
    let mut chain: Vec<usize> = Vec::new();
    for (at, glyph) in glyphs.iter().enumerate().filter(|(_, glyph)| !glyph.c.is_whitespace()) {
        let goes_on = chain.last().and_then(|last| glyphs.get(*last)).is_some_and(|last| is_below(last, glyph, styles));
        if !goes_on {
            mark(&mut marks, glyphs, &chain);
            chain.clear();
        }
        chain.push(at);
    }
    mark(&mut marks, glyphs, &chain);
    marks
}

fn mark(marks: &mut [bool], glyphs: &[Glyph], chain: &[usize]) {
    let cjk = chain.iter().filter(|at| glyphs.get(**at).is_some_and(|glyph| is_cjk(glyph.c))).count();
    if chain.len() < MIN_COLUMN || cjk * 2 < chain.len() {
        return;
    }
    for at in chain {
        if let Some(mark) = marks.get_mut(*at) {
            *mark = true;
        }
    }
}

fn is_below(above: &Glyph, below: &Glyph, styles: &[Style]) -> bool {
    let Some(style) = styles.get(usize::from(above.style)).filter(|style| style.turns == 0) else { return false };
    let (across, down) = ((above.origin.0 - below.origin.0).abs(), above.origin.1 - below.origin.1);
    across < style.size * 0.4 && (style.size * 0.4..style.size * 1.9).contains(&down)
}

#[cfg(test)]
#[path = "runs/tests.rs"]
mod tests;
