use proptest::prelude::*;

use super::super::columns::flows;
use super::super::native::Rect;
use super::super::rows::{Row, Source, is_mirrored};
use super::*;

const STYLE: Style = Style { size: 10.0, turns: 0, bold: false, fixed_pitch: false };

fn glyph(c: char, index: usize, x: f32, y: f32) -> Glyph {
    let area = Rect { left: x, bottom: y, right: x + 9.0, top: y + 9.0 };
    Glyph { c, index: u32::try_from(index).unwrap_or(0), style: 0, unmapped: false, area, origin: (x, y) }
}

/// Characters with their places, one after the other.
fn glyphs(places: &[(char, f32, f32)]) -> Vec<Glyph> {
    places.iter().enumerate().map(|(at, (c, x, y))| glyph(*c, at, *x, *y)).collect()
}

fn text(glyphs: &[Glyph]) -> String {
    let mut runs = runs(glyphs, &[STYLE]);
    let mirrored = is_mirrored(&runs);
    for run in runs.iter_mut().filter(|_| mirrored) {
        (run.area.u0, run.area.u1) = (-run.area.u1, -run.area.u0);
    }
    let source = Source { glyphs, styles: &[STYLE], runs: &runs };
    let lines = flows(&runs, (0..runs.len()).collect());
    let texts = lines.iter().flatten().map(|line| Row::of(source, line).written.text);
    texts.collect::<Vec<_>>().join("/")
}

#[test]
fn vertical_japanese_goes_down_and_then_left() {
    let column = |text: &'static str, x: f32| {
        (0_u8..).zip(text.chars()).map(move |(at, c)| (c, x, 700.0 - f32::from(at) * 10.0))
    };
    let places: Vec<_> = column("縦書きの文", 500.0).chain(column("は右から。", 480.0)).collect();
    assert_eq!(text(&glyphs(&places)), "縦書きの文/は右から。");
}

#[test]
fn a_column_of_numbers_is_not_vertical() {
    let places: Vec<_> = (0_u8..4).map(|at| ('7', 100.0, 700.0 - f32::from(at) * 12.0)).collect();
    assert_eq!(text(&glyphs(&places)), "7/7/7/7");
}

#[test]
fn right_to_left_lines_keep_the_order_of_their_words() {
    let word = |text: &'static str, right: f32| {
        (0_u8..).zip(text.chars()).map(move |(at, c)| (c, right - f32::from(at) * 10.0, 700.0))
    };
    let places: Vec<_> = word("שלום", 300.0).chain([(' ', 262.0, 700.0)]).chain(word("עולם", 250.0)).collect();
    assert_eq!(text(&glyphs(&places)), "שלום עולם");
}

#[test]
fn wide_gaps_and_new_lines_end_a_run() {
    let places = [('a', 0.0, 100.0), ('b', 10.0, 100.0), ('c', 60.0, 100.0), ('\n', 60.0, 100.0), ('d', 0.0, 88.0)];
    let glyphs = glyphs(&places);
    let ends: Vec<(usize, usize)> = runs(&glyphs, &[STYLE]).iter().map(|run| (run.first, run.last)).collect();
    assert_eq!(ends, [(0, 1), (2, 2), (4, 4)]);
}

proptest! {
    #[test]
    fn no_letter_is_lost(places in proptest::collection::vec(("[a-zא漢あ7]", 0_u16..500, 0_u16..800), 0..60)) {
        let places: Vec<(char, f32, f32)> = places
            .iter()
            .filter_map(|(c, x, y)| Some((c.chars().next()?, f32::from(*x), f32::from(*y))))
            .collect();
        let glyphs = glyphs(&places);
        let read = text(&glyphs);
        let letters = |text: &str| {
            let mut letters: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
            letters.sort_unstable();
            letters
        };
        prop_assert_eq!(letters(&read), letters(&places.iter().map(|(c, _, _)| *c).collect::<String>()));
        prop_assert_eq!(read, text(&glyphs));
    }
}
