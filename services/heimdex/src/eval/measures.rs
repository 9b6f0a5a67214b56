//! nDCG@10, MRR@10 and recall@100, and a confidence interval over queries.

use rand::{RngExt as _, SeedableRng as _};

use super::beir::Judgements;

/// Resamples of the percentile bootstrap (Efron 1979); 1,000 is the customary number for 95 % intervals.
const RESAMPLES: usize = 1_000;

/// nDCG@k with linear gain and discount `log2(rank + 1)`, as trec_eval and BEIR compute it
/// (Järvelin and Kekäläinen 2002).
#[must_use]
pub fn ndcg(ranked: &[String], judged: &Judgements, k: usize) -> f64 {
    let gain = |rel: u32, rank: usize| f64::from(rel) / ((rank + 2) as f64).log2();
    let found: f64 = ranked.iter().take(k).enumerate().filter_map(|(r, id)| judged.get(id).map(|g| gain(*g, r))).sum();
    let mut ideal: Vec<u32> = judged.values().copied().collect();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    let best: f64 = ideal.iter().take(k).enumerate().map(|(rank, rel)| gain(*rel, rank)).sum();
    if best > 0.0 { found / best } else { 0.0 }
}

/// 1 / rank of the first relevant document among the first `k`.
#[must_use]
pub fn reciprocal_rank(ranked: &[String], judged: &Judgements, k: usize) -> f64 {
    let first = ranked.iter().take(k).position(|id| judged.contains_key(id));
    first.map_or(0.0, |rank| 1.0 / (rank + 1) as f64)
}

/// Share of the relevant documents among the first `k`.
#[must_use]
pub fn recall(ranked: &[String], judged: &Judgements, k: usize) -> f64 {
    let found = ranked.iter().take(k).filter(|id| judged.contains_key(*id)).count();
    found as f64 / judged.len().max(1) as f64
}

#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The value below which `share` (0 to 1) of the values lie, nearest rank.
#[must_use]
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let index = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// 95 % percentile bootstrap interval of the mean; the same for the same values.
#[must_use]
pub fn confidence_95(values: &[f64]) -> [f64; 2] {
    let mut random = rand::rngs::StdRng::seed_from_u64(values.len() as u64);
    let resample = |random: &mut rand::rngs::StdRng| {
        let sum: f64 = (0..values.len()).filter_map(|_| values.get(random.random_range(0..values.len()))).sum();
        sum / values.len().max(1) as f64
    };
    let means: Vec<f64> = (0..RESAMPLES).map(|_| resample(&mut random)).collect();
    [percentile(&means, 0.025), percentile(&means, 0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn judged(pairs: &[(&str, u32)]) -> Judgements {
        pairs.iter().map(|(id, gain)| ((*id).to_owned(), *gain)).collect()
    }

    #[test]
    fn the_ideal_order_scores_one() {
        assert!((ndcg(&ids("a b c"), &judged(&[("a", 2), ("b", 1)]), 10) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn ndcg_of_a_hand_computed_case() {
        // Relevant at ranks 2 and 4 of two relevant: (1/log2 3 + 1/log2 5) / (1 + 1/log2 3).
        let expected = (1.0 / 3f64.log2() + 1.0 / 5f64.log2()) / (1.0 + 1.0 / 3f64.log2());
        assert!((ndcg(&ids("x a y b"), &judged(&[("a", 1), ("b", 1)]), 10) - expected).abs() < 1e-12);
    }

    #[test]
    fn what_is_below_the_cut_does_not_count() {
        let judged = judged(&[("c", 1)]);
        assert_eq!((ndcg(&ids("a b c"), &judged, 2), reciprocal_rank(&ids("a b c"), &judged, 2)), (0.0, 0.0));
        assert_eq!((reciprocal_rank(&ids("a b c"), &judged, 3), recall(&ids("a b c"), &judged, 3)), (1.0 / 3.0, 1.0));
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&values, 0.5), percentile(&values, 0.95), percentile(&[7.0], 0.95)), (50.0, 95.0, 7.0));
    }

    #[test]
    fn the_interval_holds_the_mean_and_narrows_with_more_values() {
        let few: Vec<f64> = (0..20).map(|n| f64::from(n % 2)).collect();
        let many: Vec<f64> = (0..2_000).map(|n| f64::from(n % 2)).collect();
        let ([low, high], [low_many, high_many]) = (confidence_95(&few), confidence_95(&many));
        assert!(low < 0.5 && 0.5 < high && high_many - low_many < high - low);
    }
}
