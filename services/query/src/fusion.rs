//! How much a place in one leg's list is worth: reciprocal ranks, or scores normalized by their distribution.

use serde::{Deserialize, Serialize};

use crate::error::Invalid;

/// The constant of reciprocal rank fusion, from Cormack, Clarke and Büttcher 2009: ranks count from 1, so the first is
/// worth 1/61.
pub const RRF_K: f64 = 60.0;

/// How many standard deviations around the mean the normalized range spans, to each side. Source: distribution-based
/// score fusion, <https://qdrant.tech/documentation/concepts/hybrid-queries/>.
const DBSF_DEVIATIONS: f64 = 3.0;

/// How the legs are made comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// 1 / (60 + rank).
    Rrf,
    /// The score's place between mean − 3 and mean + 3 standard deviations of its leg. BM25 scores have a long tail: what
    /// lies above the range stays above 1, else the best hits of the lexical leg would tie and the other leg decide.
    Dbsf,
}

/// How much each leg counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    pub dense: f64,
    pub sparse: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { dense: 1.0, sparse: 1.0 }
    }
}

impl Weights {
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        for (field, weight) in [("weights.dense", self.dense), ("weights.sparse", self.sparse)] {
            if !weight.is_finite() || weight < 0.0 {
                return Err(Invalid::new(field, format!("{weight} is not a number of at least 0")));
            }
        }
        if self.dense + self.sparse <= 0.0 {
            return Err(Invalid::new("weights", "all of them are 0"));
        }
        Ok(())
    }
}

/// What each of a leg's `scores`, best first, contributes before weights; as many as scores, none negative, none
/// greater than the one before.
#[must_use]
pub fn contributions(method: Method, scores: &[f32]) -> Vec<f64> {
    match method {
        Method::Rrf => (1..=scores.len()).map(|rank| 1.0 / (RRF_K + rank as f64)).collect(),
        Method::Dbsf => by_distribution(scores),
    }
}

fn by_distribution(scores: &[f32]) -> Vec<f64> {
    let count = scores.len().max(1) as f64;
    let mean = scores.iter().copied().map(f64::from).sum::<f64>() / count;
    let variance = scores.iter().map(|score| (f64::from(*score) - mean).powi(2)).sum::<f64>() / count;
    let reach = DBSF_DEVIATIONS * variance.sqrt();
    // Equal scores say nothing about each other: the middle, as for one in the middle of any distribution.
    let place = |score: f32| if reach > 0.0 { (f64::from(score) - mean + reach) / (2.0 * reach) } else { 0.5 };
    scores.iter().map(|score| place(*score).max(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranks_count_from_one_and_k_is_sixty() {
        let shares = contributions(Method::Rrf, &[9.0, 3.0]);
        assert!((shares[0] - 1.0 / 61.0).abs() < 1e-15 && (shares[1] - 1.0 / 62.0).abs() < 1e-15);
    }

    #[test]
    fn the_mean_is_worth_a_half() {
        let shares = contributions(Method::Dbsf, &[3.0, 2.0, 1.0]);
        assert!((shares[1] - 0.5).abs() < 1e-9 && shares[0] > 0.5 && shares[2] < 0.5);
        assert_eq!(contributions(Method::Dbsf, &[7.0, 7.0]), [0.5, 0.5]);
        assert!(contributions(Method::Dbsf, &[]).is_empty());
    }

    #[test]
    fn the_long_tail_of_a_leg_keeps_its_order() {
        let mut scores = vec![40.0, 30.0];
        scores.extend([1.0; 60]);
        let shares = contributions(Method::Dbsf, &scores);
        assert!(shares[0] > shares[1] && shares[1] > 1.0, "{:?}", shares.get(..3));
    }

    proptest! {
        #[test]
        fn contributions_follow_the_order_and_stay_in_range(
            mut scores in proptest::collection::vec(-1e6_f32..1e6, 0..60),
            method in prop_oneof![Just(Method::Rrf), Just(Method::Dbsf)],
        ) {
            scores.sort_by(|a, b| b.total_cmp(a));
            let shares = contributions(method, &scores);
            prop_assert_eq!(shares.len(), scores.len());
            prop_assert!(shares.iter().all(|share| *share >= 0.0 && share.is_finite()));
            prop_assert!(shares.windows(2).all(|pair| pair[0] >= pair[1]));
        }

        #[test]
        fn normalized_scores_do_not_depend_on_unit_or_zero(
            mut scores in proptest::collection::vec(0.0_f32..100.0, 2..30),
            unit in 0.5_f32..8.0,
        ) {
            scores.sort_by(|a, b| b.total_cmp(a));
            let scaled: Vec<f32> = scores.iter().map(|score| score * unit).collect();
            let pairs = contributions(Method::Dbsf, &scores).into_iter().zip(contributions(Method::Dbsf, &scaled));
            for (a, b) in pairs {
                prop_assert!((a - b).abs() < 1e-3);
            }
        }
    }
}
