//! What a drill tells: a line for people, or JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::drill::Run;
use crate::oracle::Verdict;

/// One seed's result.
#[derive(Debug, Serialize)]
pub struct Report {
    pub scenario: &'static str,
    pub seed: u64,
    pub held: bool,
    pub accepted: usize,
    /// Publishes that had to be sent again.
    pub publish_retries: usize,
    /// Live points.
    pub points: u64,
    pub strikes: BTreeMap<String, usize>,
    /// Ends that nobody struck, by part and status: a service that starts while the broker is away ends.
    pub exits: BTreeMap<String, usize>,
    pub struck_for_s: f64,
    pub settled_in_s: f64,
    pub verdict: Verdict,
}

impl Report {
    #[must_use]
    pub fn new(seed: u64, run: &Run, verdict: Verdict) -> Self {
        Self {
            scenario: "kill-nine",
            seed,
            held: verdict.holds(),
            accepted: run.produced.accepted.len(),
            publish_retries: run.produced.retries,
            points: run.observation.live_count,
            strikes: run.strikes.iter().map(|(fault, n)| (fault.to_string(), *n)).collect(),
            exits: run.exits.clone(),
            struck_for_s: run.struck_for.as_secs_f64(),
            settled_in_s: run.settled_in.as_secs_f64(),
            verdict,
        }
    }

    /// A paragraph; the first line is the result.
    #[must_use]
    pub fn text(&self) -> String {
        let v = &self.verdict;
        let counts = [
            ("lost", v.lost.len()),
            ("stuck", v.stuck.len()),
            ("other outcome", v.other_outcome.len()),
            ("innocent dead letters", v.innocent_dead_letters.len()),
            ("missing points", v.missing_points.len()),
            ("foreign", v.foreign.len()),
            ("doubled", v.doubled.len()),
            ("staged", v.staged.len()),
            ("changed", v.changed_points.len()),
        ];
        let counts = counts.map(|(name, n)| format!("{n} {name}")).join(", ");
        let held = if self.held { "held" } else { "BROKEN" };
        format!(
            "seed {}: {held}; {} accepted ({} publishes repeated), {} live points\n  {counts}, lowest cosine {:.6}\n  \
             struck for {:.0} s: {}\n  settled in {:.0} s; ended by themselves: {}",
            self.seed,
            self.accepted,
            self.publish_retries,
            self.points,
            v.lowest_cosine,
            self.struck_for_s,
            listed(&self.strikes),
            self.settled_in_s,
            listed(&self.exits),
        )
    }
}

fn listed(counts: &BTreeMap<String, usize>) -> String {
    let listed: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
    if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") }
}
