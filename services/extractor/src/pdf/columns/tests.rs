use proptest::prelude::*;

use super::super::runs::{Area, Run};
use super::*;

fn run(u0: f32, u1: f32, base: f32) -> Run {
    let area = Area { u0, u1, v0: base - 8.0, v1: base + 2.0 };
    // A letter is about half as wide as the type is high.
    let letters = letters(u1 - u0);
    Run { first: 0, last: 0, area, base, size: 10.0, turns: 0, letters, right_to_left: 0 }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, and not negative")]
fn letters(width: f32) -> u32 {
    (width / 5.0) as u32
}

fn order(runs: &[Run]) -> Vec<usize> {
    flows(runs, (0..runs.len()).collect()).into_iter().flatten().flat_map(|line| line.runs).collect()
}

#[test]
fn columns_written_across_the_page_are_read_downwards() {
    let rows =
        (0_u8..5).flat_map(|row| [run(0.0, 200.0, f32::from(row) * 12.0), run(220.0, 420.0, f32::from(row) * 12.0)]);
    assert_eq!(order(&rows.collect::<Vec<_>>()), [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]);
}

#[test]
fn columns_written_in_pieces_are_read_downwards() {
    let line = |u0: f32, row: u8| run(u0, u0 + 200.0, f32::from(row) * 12.0);
    let pieces: [(f32, [u8; 2]); 6] =
        [(0.0, [4, 5]), (220.0, [0, 1]), (0.0, [0, 1]), (220.0, [4, 5]), (0.0, [2, 3]), (220.0, [2, 3])];
    let runs: Vec<Run> = pieces.iter().flat_map(|(u0, rows)| rows.iter().map(|row| line(*u0, *row))).collect();
    assert_eq!(order(&runs), [4, 5, 8, 9, 0, 1, 2, 3, 10, 11, 6, 7]);
}

#[test]
fn rows_of_a_table_are_read_across() {
    let cells = (0_u8..5).flat_map(|row| {
        let base = f32::from(row) * 12.0;
        [run(0.0, 40.0, base), run(120.0, 150.0, base), run(220.0, 420.0, base)]
    });
    assert_eq!(order(&cells.collect::<Vec<_>>()), (0..15).collect::<Vec<_>>());
}

#[test]
fn what_stands_below_both_columns_comes_last() {
    let column = |u0: f32| (0_u8..4).map(move |row| run(u0, u0 + 200.0, f32::from(row) * 12.0));
    let mut runs: Vec<Run> = column(0.0).chain(column(220.0)).collect();
    runs.push(run(0.0, 90.0, 60.0));
    assert_eq!(order(&runs), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_header_written_last_is_read_first() {
    let runs = [
        run(0.0, 300.0, 50.0),
        run(0.0, 300.0, 62.0),
        run(0.0, 300.0, 74.0),
        run(0.0, 300.0, 86.0),
        run(0.0, 90.0, 0.0),
    ];
    assert_eq!(order(&runs), [4, 0, 1, 2, 3]);
}

proptest! {
    #[test]
    fn every_run_is_read_once(places in proptest::collection::vec((0_u16..600, 1_u16..300, 0_u16..800), 0..60)) {
        let runs: Vec<Run> = places
            .iter()
            .map(|(u0, width, base)| run(f32::from(*u0), f32::from(*u0 + *width), f32::from(*base)))
            .collect();
        let read = order(&runs);
        let mut sorted = read.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..runs.len()).collect::<Vec<_>>());
        prop_assert_eq!(read, order(&runs));
    }
}
