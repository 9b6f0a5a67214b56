//! Relative positions as MPNet (Song et al. 2020) takes them from T5 (Raffel et al. 2020, section 2.1): near distances
//! have a bucket each, far ones share buckets that widen logarithmically up to 128.

use super::{config::EncoderConfig, weights::Weights};
use crate::error::Error;

/// MPNet's number of buckets where `config.json` names none.
const BUCKETS: usize = 32;
/// Distances from here on share the last bucket.
const FARTHEST: f64 = 128.0;

/// What is added to the attention score of each pair of positions: `[heads, window, window]`, queries before keys.
pub(super) fn bias(config: &EncoderConfig, weights: &Weights<'_>) -> Result<Vec<f32>, Error> {
    let (window, heads) = (config.window(), config.num_attention_heads);
    let buckets = config.relative_attention_num_buckets.unwrap_or(BUCKETS);
    let table = weights.floats("encoder.relative_attention_bias.weight", &[buckets, heads])?;
    let rows: Vec<usize> = (0..2 * window).map(|shifted| bucket(shifted, window, buckets)).collect();
    let of_head = |head: usize| {
        let (table, rows) = (&table, &rows);
        let of_query = move |query: usize| {
            // Key less query, shifted by the window so that it is never negative.
            let row = move |key: usize| rows.get(key + window - query).copied().unwrap_or_default();
            (0..window).map(move |key| table.get(row(key) * heads + head).copied().unwrap_or_default())
        };
        (0..window).flat_map(of_query)
    };
    Ok((0..heads).flat_map(of_head).collect())
}

/// The bucket of the distance `shifted` − `window`, key less query; a key behind the query has the upper half.
fn bucket(shifted: usize, window: usize, buckets: usize) -> usize {
    let half = buckets / 2;
    let exact = half / 2;
    let upper = if shifted > window { half } else { 0 };
    let distance = shifted.abs_diff(window);
    if distance < exact {
        return upper + distance;
    }
    #[expect(clippy::cast_precision_loss, reason = "a window and its buckets are far below 2^24")]
    let (distance, exact_floats, wide) = (distance as f32, exact as f32, (half - exact) as f64);
    // The published code takes this logarithm in 32 bits, which decides on which side of a border a distance falls.
    let share = f64::from((distance / exact_floats).ln()) / (FARTHEST / f64::from(exact_floats)).ln();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and bounded below")]
    let far = exact + (share * wide) as usize;
    upper + far.min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_exact_near_by_and_shared_far_away() {
        let of = |distance: isize| bucket(512_usize.saturating_add_signed(distance), 512, 32);
        assert_eq!([0, -1, -7, 1, 7].map(of), [0, 1, 7, 17, 23]);
        assert_eq!([-8, -11, -12, -16, -32, -64, -127, -128, -500].map(of), [8, 8, 9, 10, 12, 14, 15, 15, 15]);
        assert_eq!([8, 16, 127, 500].map(of), [24, 26, 31, 31]);
    }
}
