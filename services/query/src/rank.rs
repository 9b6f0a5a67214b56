//! From the legs' candidates to one list: newest upload of each asset, fused shares, a deterministic order.

use std::cmp::Ordering;
use std::collections::HashMap;

use heimdex_index::{Candidate, Leg, Legs, Version};
use heimdex_schemas::{AssetId, PointId};
use serde::{Deserialize, Serialize};

use crate::fusion::{Method, Weights, contributions};

/// What one leg says of a hit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LegShare {
    /// From 1.
    pub rank: u32,
    /// Cosine (dense) or BM25 (sparse).
    pub score: f32,
    /// How much the leg counts for this hit: the request's weight times what the model knows of the language.
    pub weight: f64,
    /// What the leg adds to the fused score.
    pub share: f64,
}

/// A candidate with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    pub id: PointId,
    /// The sum of the shares.
    pub fused: f64,
    pub dense: Option<LegShare>,
    pub sparse: Option<LegShare>,
}

impl Ranked {
    fn new(id: PointId) -> Self {
        Self { id, fused: 0.0, dense: None, sparse: None }
    }

    fn add(&mut self, leg: Leg, share: LegShare) {
        self.fused += share.share;
        match leg {
            Leg::Dense => self.dense = Some(share),
            Leg::Sparse => self.sparse = Some(share),
        }
    }

    fn best_rank(&self) -> u32 {
        self.dense.iter().chain(&self.sparse).map(|share| share.rank).min().unwrap_or(u32::MAX)
    }

    /// Higher score, then the better place in any leg, then the id: the same list every time.
    fn order(&self, other: &Self) -> Ordering {
        let by_score = other.fused.total_cmp(&self.fused);
        by_score.then(self.best_rank().cmp(&other.best_rank())).then(self.id.cmp(&other.id))
    }
}

/// Fuses the legs. `trust` is the weight of a dense candidate beyond the request's own.
///
/// The index cannot flip all points of an upload at once, so for a moment two uploads of an asset may both be live: of
/// each asset only the newest among all candidates stays.
pub fn rank(legs: Legs, method: Method, weights: Weights, trust: impl Fn(&Candidate) -> f64) -> Vec<Ranked> {
    let newest = newest_versions(&legs);
    let mut ranked = HashMap::new();
    for (leg, candidates) in [(Leg::Dense, legs.dense), (Leg::Sparse, legs.sparse)] {
        let current = in_order(candidates.unwrap_or_default(), &newest);
        let weight = |candidate: &Candidate| match leg {
            Leg::Dense => weights.dense * trust(candidate),
            Leg::Sparse => weights.sparse,
        };
        add_leg(&mut ranked, leg, method, &current, weight);
    }
    let mut ranked: Vec<Ranked> = ranked.into_values().collect();
    ranked.sort_by(Ranked::order);
    ranked
}

fn add_leg(
    ranked: &mut HashMap<PointId, Ranked>,
    leg: Leg,
    method: Method,
    candidates: &[Candidate],
    weight: impl Fn(&Candidate) -> f64,
) {
    let scores: Vec<f32> = candidates.iter().map(|candidate| candidate.score).collect();
    let places = (1..).zip(candidates).zip(contributions(method, &scores));
    for ((rank, candidate), contribution) in places {
        let weight = weight(candidate);
        let share = LegShare { rank, score: candidate.score, weight, share: weight * contribution };
        ranked.entry(candidate.id).or_insert_with(|| Ranked::new(candidate.id)).add(leg, share);
    }
}

fn newest_versions(legs: &Legs) -> HashMap<AssetId, Version> {
    let mut newest: HashMap<AssetId, Version> = HashMap::new();
    for candidate in legs.dense.iter().chain(&legs.sparse).flatten() {
        let known = newest.entry(candidate.asset_id.clone()).or_insert(candidate.version);
        *known = (*known).max(candidate.version);
    }
    newest
}

/// The newest version's candidates, best first; the index leaves the order of equal scores open.
fn in_order(mut candidates: Vec<Candidate>, newest: &HashMap<AssetId, Version>) -> Vec<Candidate> {
    candidates.retain(|candidate| newest.get(&candidate.asset_id) == Some(&candidate.version));
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    candidates.dedup_by_key(|candidate| candidate.id);
    candidates
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use heimdex_schemas::{Order, UploadId};
    use proptest::prelude::*;

    fn candidate(asset: u8, upload: u8, ordinal: u32, score: f32) -> Candidate {
        let id = UploadId::new(&"acme".parse().unwrap(), "/s", &format!("{asset}/{upload}"));
        Candidate {
            id: PointId::new(id, "space", ordinal),
            score,
            asset_id: format!("asset-{asset}").parse().unwrap(),
            version: Version { upload: id, order: Order::by_uploader(u64::from(upload)) },
            language: None,
        }
    }

    fn fuse(dense: Vec<Candidate>, sparse: Vec<Candidate>) -> Vec<Ranked> {
        rank(Legs { dense: Some(dense), sparse: Some(sparse) }, Method::Rrf, Weights::default(), |_| 1.0)
    }

    #[test]
    fn a_hit_of_both_legs_beats_the_first_of_one() {
        let both = candidate(1, 1, 0, 0.8);
        let ranked = fuse(
            vec![candidate(2, 1, 0, 0.9), both.clone()],
            vec![candidate(3, 1, 0, 9.0), Candidate { score: 8.0, ..both.clone() }],
        );
        let first = ranked.first().unwrap();
        assert_eq!((first.id, first.dense.unwrap().rank, first.sparse.unwrap().rank), (both.id, 2, 2));
        assert!((first.fused - 2.0 / 62.0).abs() < 1e-12);
    }

    #[test]
    fn only_the_newest_upload_of_an_asset_stays_whichever_leg_saw_it() {
        let (old, new) = (candidate(1, 1, 0, 0.9), candidate(1, 2, 0, 1.0));
        let ranked = fuse(vec![old], vec![new.clone()]);
        assert_eq!(ranked.iter().map(|hit| hit.id).collect::<Vec<_>>(), [new.id]);
    }

    #[test]
    fn what_the_model_cannot_read_does_not_spoil_the_lexical_order() {
        let noise: Vec<Candidate> = (0..10).map(|n| candidate(n, 1, 0, 0.5 - f32::from(n) / 100.0)).collect();
        let lexical: Vec<Candidate> = (10..20).map(|n| candidate(n, 1, 0, 20.0 - f32::from(n))).collect();
        let expected: Vec<PointId> = lexical.iter().map(|candidate| candidate.id).collect();
        let legs = Legs { dense: Some(noise), sparse: Some(lexical) };
        let ranked = rank(legs, Method::Rrf, Weights::default(), |_| 0.01);
        assert_eq!(ranked.iter().take(10).map(|hit| hit.id).collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_how_the_index_orders_equal_scores(
            raw in proptest::collection::vec((0_u8..6, 1_u8..4, 0_u32..4, 0_u8..4), 0..40),
            method in prop_oneof![Just(Method::Rrf), Just(Method::Dbsf)],
        ) {
            let candidates: Vec<Candidate> =
                raw.iter().map(|(a, u, o, s)| candidate(*a, *u, *o, f32::from(*s))).collect();
            let mut unique: HashMap<PointId, Candidate> = HashMap::new();
            for candidate in candidates {
                unique.entry(candidate.id).or_insert(candidate);
            }
            let dense: Vec<Candidate> = unique.values().cloned().collect();
            let reversed: Vec<Candidate> = dense.iter().rev().cloned().collect();
            let run = |dense: Vec<Candidate>, sparse: Vec<Candidate>| {
                rank(Legs { dense: Some(dense), sparse: Some(sparse) }, method, Weights::default(), |_| 0.5)
            };
            let ranked = run(dense.clone(), reversed.clone());
            prop_assert_eq!(&ranked, &run(reversed, dense));
            prop_assert!(ranked.windows(2).all(|pair| pair[0].fused >= pair[1].fused));
            for hit in &ranked {
                let shares: f64 = hit.dense.iter().chain(&hit.sparse).map(|share| share.share).sum();
                prop_assert!((hit.fused - shares).abs() < 1e-12);
            }
            let mut versions: HashMap<&AssetId, Version> = HashMap::new();
            for hit in &ranked {
                let candidate = &unique[&hit.id];
                prop_assert_eq!(*versions.entry(&candidate.asset_id).or_insert(candidate.version), candidate.version);
            }
        }
    }
}
