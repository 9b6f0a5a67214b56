//! What is owed after a drill, and whether it is there. Pure: an observation against that of an undisturbed run.

use std::collections::{BTreeMap, BTreeSet};

use heimdex_index::{State, StoredPoint};
use heimdex_schemas::{AssetId, PointId, Receipt, ReceiptState, UploadId};
use serde::Serialize;

use crate::drill::Run;
use crate::faults::Fault;
use crate::observe::Observation;

/// Two runs of one model on one machine; the batches differ, and with them the last bits.
pub const COSINE: f32 = 0.9999;

/// Every way in which a drill can have gone wrong. All empty, and the promise held.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// Accepted uploads without a receipt although nothing waits any more.
    pub lost: Vec<String>,
    /// Accepted uploads without a receipt while messages still wait, or waited on when patience ended.
    pub stuck: Vec<String>,
    /// Uploads that ended otherwise than undisturbed.
    pub other_outcome: Vec<String>,
    /// Dead letters of documents that are none undisturbed.
    pub innocent_dead_letters: Vec<String>,
    /// Live points of an undisturbed run that are not live here.
    pub missing_points: Vec<String>,
    /// Live points here that are not live undisturbed, and points or receipts of uploads that nobody made.
    pub foreign: Vec<String>,
    /// Points listed or counted twice, and assets with two live uploads.
    pub doubled: Vec<String>,
    /// Points that are still staged although their upload has ended.
    pub staged: Vec<String>,
    /// Points with the same id and other content.
    pub changed_points: Vec<String>,
    /// Kinds of faults that never struck.
    pub unstruck: Vec<String>,
    /// The lowest cosine between a dense vector here and the same undisturbed.
    pub lowest_cosine: f32,
}

impl Verdict {
    /// Whether everything owed is there and nothing else.
    #[must_use]
    pub fn holds(&self) -> bool {
        let faults = [
            &self.lost,
            &self.stuck,
            &self.other_outcome,
            &self.innocent_dead_letters,
            &self.missing_points,
            &self.foreign,
            &self.doubled,
            &self.staged,
            &self.changed_points,
            &self.unstruck,
        ];
        faults.iter().all(|fault| fault.is_empty()) && self.lowest_cosine >= COSINE
    }
}

/// Compares a disturbed run with the undisturbed one.
#[must_use]
pub fn judge(run: &Run, undisturbed: &Observation) -> Verdict {
    let mut verdict = Verdict { lowest_cosine: 1.0, ..Verdict::default() };
    obligations(&mut verdict, run, undisturbed);
    dead_letters(&mut verdict, &run.observation, undisturbed);
    points(&mut verdict, run, undisturbed);
    verdict.unstruck =
        Fault::ALL.iter().filter(|kind| !run.strikes.contains_key(kind)).map(ToString::to_string).collect();
    verdict
}

fn obligations(verdict: &mut Verdict, run: &Run, undisturbed: &Observation) {
    let waiting = if run.queued > 0 { &mut verdict.stuck } else { &mut verdict.lost };
    waiting.extend(run.waiting.iter().map(ToString::to_string));
    if run.queued > 0 {
        verdict.stuck.push(format!("{} messages in the queues", run.queued));
    }
    let accepted: BTreeSet<UploadId> = run.produced.accepted.iter().copied().collect();
    for (job, receipt) in &run.observation.receipts {
        if !accepted.contains(job) {
            verdict.foreign.push(format!("receipt of {job}"));
        }
        let before = undisturbed.receipts.get(job);
        if !before.is_some_and(|before| same_outcome(receipt, before, undisturbed)) {
            let before = before.map(|before| (before.state, before.chunks));
            let now = (receipt.state, receipt.chunks);
            verdict.other_outcome.push(format!("{job} ({}): {now:?}, undisturbed {before:?}", receipt.asset_id));
        }
    }
}

/// Whether a replaced upload was searchable for a while or superseded at once depends on who was quicker.
fn same_outcome(now: &Receipt, before: &Receipt, undisturbed: &Observation) -> bool {
    let same = (now.state, now.chunks) == (before.state, before.chunks);
    let well = |receipt: &Receipt| receipt.state != ReceiptState::Failed;
    same || (is_replaced(before, undisturbed) && well(now) && well(before))
}

fn is_replaced(receipt: &Receipt, observation: &Observation) -> bool {
    let newer = |other: &&Receipt| {
        (&other.org, &other.asset_id) == (&receipt.org, &receipt.asset_id) && other.order > receipt.order
    };
    observation.receipts.values().any(|other| newer(&other))
}

fn dead_letters(verdict: &mut Verdict, seen: &Observation, undisturbed: &Observation) {
    let guilty: BTreeSet<&str> = undisturbed.dead.iter().map(|dead| dead.asset_hash.as_str()).collect();
    let innocent = seen.dead.iter().filter(|dead| !guilty.contains(dead.asset_hash.as_str()));
    let shown = innocent.map(|dead| format!("{} in {}: {} ({})", dead.asset_hash, dead.stage, dead.code, dead.message));
    verdict.innocent_dead_letters = shown.collect();
}

fn points(verdict: &mut Verdict, run: &Run, undisturbed: &Observation) {
    let seen = &run.observation;
    doubled(verdict, seen);
    let accepted: BTreeSet<UploadId> = run.produced.accepted.iter().copied().collect();
    let strangers = seen.points.iter().filter(|found| !accepted.contains(&found.point.document.upload));
    verdict.foreign.extend(strangers.map(|found| format!("point {}", found.point.id)));
    let staged = seen.points.iter().filter(|found| found.point.document.state == State::Staged);
    verdict.staged = staged.map(|found| found.point.id.to_string()).collect();
    let (now, before) = (live(seen), live(undisturbed));
    for (id, point) in &now {
        match before.get(id) {
            None => verdict.foreign.push(format!("live point {id}")),
            Some(before) => compare(verdict, point, before),
        }
    }
    verdict.missing_points = before.keys().filter(|id| !now.contains_key(id)).map(ToString::to_string).collect();
}

fn live(observation: &Observation) -> BTreeMap<PointId, &StoredPoint> {
    let live = observation.points.iter().filter(|found| found.point.document.state == State::Live);
    live.map(|found| (found.point.id, found)).collect()
}

fn doubled(verdict: &mut Verdict, seen: &Observation) {
    let mut ids = BTreeSet::new();
    let twice = seen.points.iter().filter(|found| !ids.insert(found.point.id));
    verdict.doubled.extend(twice.map(|found| format!("point {}", found.point.id)));
    let live = live(seen);
    if seen.live_count != live.len() as u64 {
        verdict.doubled.push(format!("{} live points counted, {} listed", seen.live_count, live.len()));
    }
    let mut uploads: BTreeMap<(&str, &AssetId), BTreeSet<UploadId>> = BTreeMap::new();
    for document in live.values().map(|found| &found.point.document) {
        uploads.entry((document.org_id.as_str(), &document.asset_id)).or_default().insert(document.upload);
    }
    let several = uploads.iter().filter(|(_, uploads)| uploads.len() > 1);
    verdict.doubled.extend(several.map(|((org, asset), _)| format!("asset {asset} of {org}")));
}

fn compare(verdict: &mut Verdict, now: &StoredPoint, before: &StoredPoint) {
    verdict.lowest_cosine = verdict.lowest_cosine.min(cosine(&now.dense, &before.dense));
    let content = |found: &StoredPoint| {
        let document = &found.point.document;
        (
            document.asset_id.clone(),
            document.ordinal,
            document.total,
            document.content_hash.clone(),
            document.text.clone(),
        )
    };
    if content(now) != content(before) || now.sparse != before.sparse {
        verdict.changed_points.push(now.point.id.to_string());
    }
}

/// 0 for vectors that cannot be compared.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if a.len() == b.len() && lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests;
