//! What a run tells: lines for people, or JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::drill::Run;
use crate::oracle::Verdict;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Every promise held, and every kind of fault struck.
    Held,
    /// A promise was broken, or a kind of fault never struck although it could.
    Broken,
    /// The machine lacks what a kind of fault needs; what did strike broke nothing.
    NotStruck,
    /// It could not be run to its end.
    Failed,
}

/// One scenario with one seed.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub scenario: String,
    pub seed: u64,
    pub ended: Ended,
    /// Why it could not be run to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Jobs: uploads, deletions, purges.
    pub accepted: usize,
    /// Publishes of what was published before.
    pub copies: usize,
    /// Publishes that had to be sent again.
    pub publish_retries: usize,
    /// Events with a wrong clock.
    pub skewed_clocks: usize,
    /// Live points.
    pub points: u64,
    /// Chunks whose vector was kept, over all uploads.
    pub reused: u64,
    /// Current receipts by state.
    pub receipts: BTreeMap<String, usize>,
    /// Blows that met somebody, by kind.
    pub strikes: BTreeMap<String, usize>,
    /// The same by kind and target.
    pub struck: BTreeMap<String, usize>,
    /// Kinds that cannot strike on this machine, with what they need.
    pub not_struck: BTreeMap<String, String>,
    /// Ends that nobody struck, by process and status: a service that starts while the broker is away ends.
    pub exits: BTreeMap<String, usize>,
    /// Searches that were answered, and looked at.
    pub answers: usize,
    pub unanswered: usize,
    pub struck_for_s: f64,
    pub settled_in_s: f64,
    pub took_s: f64,
    /// Findings by column.
    pub findings: BTreeMap<&'static str, usize>,
    pub verdict: Verdict,
    /// Runs it again.
    pub replay: String,
}

impl Report {
    #[must_use]
    pub fn new((scenario, seed): (&str, u64), run: &Run, verdict: Verdict, took: Duration) -> Self {
        let ended = match (verdict.holds(), run.struck.missed.is_empty()) {
            (true, true) => Ended::Held,
            (true, false) => Ended::NotStruck,
            (false, _) => Ended::Broken,
        };
        let mut strikes: BTreeMap<String, usize> = BTreeMap::new();
        for ((kind, _), times) in &run.struck.blows {
            *strikes.entry(kind.to_string()).or_default() += times;
        }
        let mut receipts: BTreeMap<String, usize> = BTreeMap::new();
        for receipt in run.observation.receipts.values() {
            *receipts.entry(format!("{:?}", receipt.state).to_lowercase()).or_default() += 1;
        }
        Self {
            scenario: scenario.to_owned(),
            seed,
            ended,
            error: None,
            accepted: run.produced.accepted.len(),
            copies: run.produced.copies,
            publish_retries: run.produced.retries,
            skewed_clocks: run.skewed,
            points: run.observation.live_count,
            reused: run.observation.receipts.values().map(|receipt| u64::from(receipt.reused)).sum(),
            receipts,
            strikes,
            struck: run.struck.blows.iter().map(|((kind, target), n)| (format!("{kind} {target}"), *n)).collect(),
            not_struck: run.struck.missed.iter().map(|(kind, why)| (kind.to_string(), why.clone())).collect(),
            exits: run.struck.exits.clone(),
            answers: run.sightings.answers,
            unanswered: run.sightings.unanswered,
            struck_for_s: run.struck_for.as_secs_f64(),
            settled_in_s: run.unsettled.took.as_secs_f64(),
            took_s: took.as_secs_f64(),
            findings: verdict.columns().into_iter().map(|(name, found)| (name, found.len())).collect(),
            verdict,
            replay: replay(scenario, seed),
        }
    }

    /// A run that could not be run to its end.
    #[must_use]
    pub fn failed(scenario: &str, seed: u64, error: &anyhow::Error, took: Duration) -> Self {
        let report = Self::new((scenario, seed), &Run::default(), Verdict::default(), took);
        Self { ended: Ended::Failed, error: Some(format!("{error:#}")), ..report }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self.ended, Ended::Held | Ended::NotStruck)
    }

    /// A paragraph; the first line is the result.
    #[must_use]
    pub fn text(&self) -> String {
        let (name, seed) = (&self.scenario, self.seed);
        let ended = match self.ended {
            Ended::Held => "held".to_owned(),
            Ended::Broken => "BROKEN".to_owned(),
            Ended::NotStruck => format!("held, but not struck: {}", listed(&self.not_struck)),
            Ended::Failed => format!("FAILED: {}", self.error.as_deref().unwrap_or_default()),
        };
        let columns = self.verdict.columns().map(|(name, found)| format!("{} {name}", found.len())).join(", ");
        let mut text = format!(
            "{name} seed {seed}: {ended} ({:.0} s)\n  {} accepted, {} copies, {} publishes repeated; receipts: {}; {} live points\n  \
             {columns}, lowest cosine {:.6}\n  struck for {:.0} s: {}; settled in {:.0} s; ended by themselves: {}",
            self.took_s,
            self.accepted,
            self.copies,
            self.publish_retries,
            listed(&self.receipts),
            self.points,
            self.verdict.lowest_cosine,
            self.struck_for_s,
            listed(&self.strikes),
            self.settled_in_s,
            listed(&self.exits),
        );
        if self.answers + self.unanswered > 0 {
            text.push_str(&format!("\n  {} answers looked at, {} searches unanswered", self.answers, self.unanswered));
        }
        if !self.is_good() {
            for (name, found) in self.verdict.columns() {
                found.iter().take(10).for_each(|finding| text.push_str(&format!("\n  {name}: {finding}")));
            }
            text.push_str(&format!("\n  again: {}", self.replay));
        }
        text
    }
}

fn replay(scenario: &str, seed: u64) -> String {
    format!("cargo run --release -p heimdex-chaos -- --scenario {scenario} --seed {seed}")
}

fn listed(counts: &BTreeMap<String, impl std::fmt::Display>) -> String {
    let listed: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
    if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") }
}

/// Many runs.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub runs: usize,
    pub held: usize,
    pub broken: usize,
    pub failed: usize,
    pub not_struck: usize,
    /// Runs that time did not allow, as scenario and seed.
    pub left_out: Vec<String>,
    /// Jobs over all runs.
    pub accepted: usize,
    pub copies: usize,
    pub answers: usize,
    pub skewed_clocks: usize,
    pub strikes: BTreeMap<String, usize>,
    pub findings: BTreeMap<&'static str, usize>,
    /// Commands that run what went wrong again.
    pub again: Vec<String>,
}

impl Summary {
    #[must_use]
    pub fn of(reports: &[Report], left_out: Vec<String>) -> Self {
        let count = |ended| reports.iter().filter(|report| report.ended == ended).count();
        let mut summary = Self {
            runs: reports.len(),
            held: count(Ended::Held),
            broken: count(Ended::Broken),
            failed: count(Ended::Failed),
            not_struck: count(Ended::NotStruck),
            left_out,
            accepted: 0,
            copies: 0,
            answers: 0,
            skewed_clocks: 0,
            strikes: BTreeMap::new(),
            findings: BTreeMap::new(),
            again: Vec::new(),
        };
        for report in reports {
            summary.accepted += report.accepted;
            summary.copies += report.copies;
            summary.answers += report.answers;
            summary.skewed_clocks += report.skewed_clocks;
            report.strikes.iter().for_each(|(kind, n)| *summary.strikes.entry(kind.clone()).or_default() += n);
            report.findings.iter().for_each(|(column, n)| *summary.findings.entry(column).or_default() += n);
            summary.again.extend((!report.is_good()).then(|| report.replay.clone()));
        }
        summary
    }

    #[must_use]
    pub fn text(&self) -> String {
        let findings = self.findings.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "{} runs: {} held, {} broken, {} failed, {} not fully struck, {} left out\n  {} jobs accepted, {} copies, \
             {} wrong clocks, {} answers looked at\n  {findings}\n  struck: {}",
            self.runs,
            self.held,
            self.broken,
            self.failed,
            self.not_struck,
            self.left_out.len(),
            self.accepted,
            self.copies,
            self.skewed_clocks,
            self.answers,
            listed(&self.strikes),
        );
        self.again.iter().for_each(|command| text.push_str(&format!("\n  again: {command}")));
        text
    }
}
