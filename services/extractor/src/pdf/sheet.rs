//! One page, read: its flows of lines in reading order, its notes, and how far its text can be trusted.

use super::annotations;
use super::columns::flows;
use super::native::{Glyph, ObjectKind, Page, Rect};
use super::quality;
use super::rows::{Row, Source, is_mirrored};
use super::runs::{Run, runs};

/// A page's content without any knowledge of other pages.
pub(super) struct Sheet {
    pub flows: Vec<Vec<Row>>,
    /// Comments and values of form fields.
    pub notes: Vec<String>,
    pub needs_ocr: bool,
    /// Top and bottom in the frame of the main writing; only lines of that direction can be furniture.
    pub extent: (f32, f32),
    pub turns: u8,
}

/// Characters of one page that are read; a page of print has some thousands.
const MAX_GLYPHS: u32 = 2_000_000;

impl Sheet {
    pub(super) fn read(page: &Page<'_>) -> Option<Self> {
        let (glyphs, styles) = page.glyphs(MAX_GLYPHS)?;
        let mut runs = runs(&glyphs, &styles);
        let turns = main_direction(&runs);
        let order = directions(turns).map(|turns| (turns, of_direction(&mut runs, turns)));
        let source = Source { glyphs: &glyphs, styles: &styles, runs: &runs };
        let lines = order.into_iter().flat_map(|(_, region)| flows(&runs, region));
        let flows = lines.map(|flow| flow.iter().map(|line| Row::of(source, line)).collect()).collect();
        let notes = annotations::texts(page);
        let needs_ocr = needs_ocr(page, &glyphs, !notes.is_empty());
        Some(Self { flows, notes, needs_ocr, extent: extent(page.bounds(), turns), turns })
    }
}

fn main_direction(runs: &[Run]) -> u8 {
    let letters = |turns: u8| runs.iter().filter(|run| run.turns == turns).map(|run| run.letters).sum::<u32>();
    (0..4).rev().max_by_key(|turns| letters(*turns)).unwrap_or(0)
}

/// The main direction first.
fn directions(main: u8) -> [u8; 4] {
    [main, (main + 1) % 4, (main + 2) % 4, (main + 3) % 4]
}

/// The runs written in one direction; where that is mostly right to left, the frame is mirrored.
fn of_direction(runs: &mut [Run], turns: u8) -> Vec<usize> {
    let region: Vec<usize> = (0..).zip(runs.iter()).filter(|(_, run)| run.turns == turns).map(|(at, _)| at).collect();
    let own: Vec<Run> = runs.iter().filter(|run| run.turns == turns).cloned().collect();
    if is_mirrored(&own) {
        for run in runs.iter_mut().filter(|run| run.turns == turns) {
            (run.area.u0, run.area.u1) = (-run.area.u1, -run.area.u0);
        }
    }
    region
}

fn extent(bounds: Option<Rect>, turns: u8) -> (f32, f32) {
    let Some(bounds) = bounds else { return (0.0, 0.0) };
    match turns {
        0 => (-bounds.top, -bounds.bottom),
        1 => (bounds.left, bounds.right),
        2 => (bounds.bottom, bounds.top),
        _ => (-bounds.right, -bounds.left),
    }
}

/// Rules and boxes are no text; a page with more drawn shapes than these may show letters as outlines.
const DRAWN_SHAPES: u32 = 16;
/// A page that is a picture may have a stamp or a number as its only text.
const STAMP: usize = 24;
const FULL_PAGE: f32 = 0.6;
/// Objects looked at.
const MAX_OBJECTS: u32 = 64;

fn needs_ocr(page: &Page<'_>, glyphs: &[Glyph], has_notes: bool) -> bool {
    let visible = glyphs.iter().filter(|glyph| !glyph.c.is_whitespace() && glyph.c != '\0').count();
    match visible {
        0 => !has_notes && shows_something(page),
        few if few <= STAMP && is_picture(page) => true,
        _ => quality::are_garbage(glyphs),
    }
}

fn shows_something(page: &Page<'_>) -> bool {
    let count = page.object_count();
    count > DRAWN_SHAPES || (0..count).filter_map(|index| page.object(index)).any(|(kind, _)| kind != ObjectKind::Path)
}

fn is_picture(page: &Page<'_>) -> bool {
    let area = |rect: &Rect| (rect.right - rect.left).max(0.0) * (rect.top - rect.bottom).max(0.0);
    let Some(whole) = page.bounds().map(|bounds| area(&bounds)) else { return false };
    let objects = (0..page.object_count().min(MAX_OBJECTS)).filter_map(|index| page.object(index));
    objects.filter(|(kind, _)| *kind == ObjectKind::Image).any(|(_, rect)| area(&rect) >= FULL_PAGE * whole)
}
