//! What is owed after a run, and whether it is there. Pure: an observation against what the workload says must be.

use std::collections::{BTreeMap, BTreeSet};

use heimdex_index::{State, StoredPoint};
use heimdex_schemas::{AssetId, Org, PointId, ReceiptState, UploadId};
use serde::Serialize;

use crate::drill::Run;
use crate::expect::{Ending, Expected};
use crate::faults::Kind;
use crate::observe::{Dead, Observation};
use crate::reference::{KnownChunk, Reference};

/// Two runs of one model on one machine; the batches differ, and with them the last bits.
pub const COSINE: f32 = 0.9999;

/// Every way in which a run can have gone wrong. All empty, and the promise held.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// Accepted jobs without a receipt although nothing waits any more, points that are missing or changed, and answers
    /// without an asset that was searchable.
    pub lost: Vec<String>,
    /// Points, receipts or live uploads of an asset that are there twice, and answers with two uploads of an asset.
    pub doubled: Vec<String>,
    /// Something left of a deleted upload, a live point of an old one, or a deleted asset in an answer.
    pub resurrected: Vec<String>,
    /// Points and receipts of jobs that nobody made, or under another org or asset than theirs.
    pub foreign: Vec<String>,
    /// Jobs and messages that still waited when patience ended, messages that nobody will deliver, points still staged.
    pub stuck: Vec<String>,
    /// Dead letters of documents that are none undisturbed.
    pub innocent_dead_letters: Vec<String>,
    /// Jobs that ended otherwise than they must.
    pub wrong_ending: Vec<String>,
    /// Drains that failed.
    pub rough_ends: Vec<String>,
    /// Kinds of faults that never struck although they could.
    pub unstruck: Vec<String>,
    /// The lowest cosine between a live vector and the undisturbed one.
    pub lowest_cosine: f32,
}

impl Verdict {
    /// Names and findings, in the order in which they are shown.
    #[must_use]
    pub const fn columns(&self) -> [(&'static str, &Vec<String>); 9] {
        [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("resurrected", &self.resurrected),
            ("foreign", &self.foreign),
            ("stuck", &self.stuck),
            ("innocent dead letters", &self.innocent_dead_letters),
            ("wrong ending", &self.wrong_ending),
            ("rough ends", &self.rough_ends),
            ("unstruck", &self.unstruck),
        ]
    }

    /// Whether everything owed is there and nothing else.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.columns().iter().all(|(_, found)| found.is_empty()) && self.lowest_cosine >= COSINE
    }
}

/// Compares what a run left with what it owes.
#[must_use]
pub fn judge(run: &Run, expected: &Expected, reference: &Reference) -> Verdict {
    let mut verdict = Verdict { lowest_cosine: 1.0, ..Verdict::default() };
    let seen = &run.observation;
    let unfinished = Unfinished::of(run, expected);
    endings(&mut verdict, run, expected, &unfinished);
    receipts(&mut verdict, seen, expected);
    dead_letters(&mut verdict, seen, expected);
    queues(&mut verdict, run);
    points(&mut verdict, seen, (expected, reference), &unfinished);
    verdict.resurrected.extend(seen.blobs.iter().map(|blob| format!("blob {blob}")));
    verdict.lost.extend(run.sightings.gaps.iter().cloned());
    verdict.doubled.extend(run.sightings.twins.iter().chain(&run.acked_again).cloned());
    verdict.resurrected.extend(run.sightings.ghosts.iter().cloned());
    verdict.foreign.extend(run.sightings.strangers.iter().cloned());
    verdict.rough_ends.clone_from(&run.struck.rough_ends);
    verdict.unstruck = unstruck(run);
    verdict
}

/// Kinds that were to strike, could, and did not.
fn unstruck(run: &Run) -> Vec<String> {
    let never = |kind: &&Kind| run.struck.of(**kind) == 0 && !run.struck.missed.contains_key(kind);
    run.planned.iter().filter(never).map(ToString::to_string).collect()
}

/// Assets with a job that still waits. What else is wrong with them may come right when it ends: they are stuck, not lost.
struct Unfinished<'a> {
    assets: BTreeSet<(&'a Org, Option<&'a AssetId>)>,
}

impl<'a> Unfinished<'a> {
    fn of(run: &Run, expected: &'a Expected) -> Self {
        let still_waits = !run.unsettled.queues.are_empty();
        let waiting = expected.endings.iter().filter(|(job, _)| !run.observation.receipts.contains_key(job));
        let assets = waiting.filter(|_| still_waits).map(|(_, ending)| (&ending.org, ending.asset.as_ref()));
        Self { assets: assets.collect() }
    }

    /// A purge that waits leaves its whole org unfinished.
    fn has(&self, ending: &Ending) -> bool {
        self.assets.contains(&(&ending.org, ending.asset.as_ref())) || self.assets.contains(&(&ending.org, None))
    }
}

/// Every job ended, and as it must.
fn endings(verdict: &mut Verdict, run: &Run, expected: &Expected, unfinished: &Unfinished) {
    for (job, ending) in &expected.endings {
        match run.observation.receipts.get(job) {
            None if unfinished.has(ending) => verdict.stuck.push(format!("{job} ({})", shown(ending))),
            None => verdict.lost.push(format!("{job} ({}) has no receipt", shown(ending))),
            Some(_) if unfinished.has(ending) => {}
            Some(receipt) => {
                let right = ending.states.contains(&receipt.state);
                let whole = ending.chunks.is_none_or(|chunks| chunks == receipt.chunks);
                if !right || !whole || receipt.truncated_tokens > 0 {
                    let (state, chunks) = (receipt.state, receipt.chunks);
                    let wanted = format!("{:?} with {:?}", ending.states, ending.chunks);
                    let failures: Vec<&str> = receipt.failures.iter().map(|failure| failure.code.as_str()).collect();
                    verdict.wrong_ending.push(format!(
                        "{job} ({}): {state:?} with {chunks} chunks {failures:?}, must be {wanted}",
                        shown(ending)
                    ));
                }
            }
        }
    }
    for job in expected.endings.keys().filter(|job| !run.produced.accepted.contains_key(job)) {
        verdict.stuck.push(format!("{job} was never accepted"));
    }
}

fn shown(ending: &Ending) -> String {
    ending
        .asset
        .as_ref()
        .map_or_else(|| format!("purge of {}", ending.org), |asset| format!("{asset} of {}", ending.org))
}

/// No receipt of strangers, none under a wrong name, one for each job.
fn receipts(verdict: &mut Verdict, seen: &Observation, expected: &Expected) {
    for (job, receipt) in &seen.receipts {
        match expected.endings.get(job) {
            None => verdict.foreign.push(format!("receipt {job}")),
            Some(ending) => {
                if (&receipt.org, &receipt.asset_id) != (&ending.org, &ending.asset) {
                    verdict.foreign.push(format!("receipt {job} is for {:?} of {}", receipt.asset_id, receipt.org));
                }
            }
        }
    }
    if seen.receipts_stored != seen.receipts.len() as u64 {
        verdict.doubled.push(format!("{} receipts for {} jobs", seen.receipts_stored, seen.receipts.len()));
    }
}

fn dead_letters(verdict: &mut Verdict, seen: &Observation, expected: &Expected) {
    let gone: BTreeSet<(String, String)> = expected
        .endings
        .iter()
        .filter(|(job, _)| expected.gone.contains(job))
        .filter_map(|(_, ending)| Some((ending.org.to_string(), ending.asset.as_ref()?.hash())))
        .collect();
    let is_right = |dead: &&Dead| {
        let asset = (dead.org.clone(), dead.asset_hash.clone());
        // What was in flight when its asset was deleted may be given up as cancelled.
        expected.guilty.contains(&asset) || (dead.class == "cancelled" && gone.contains(&asset))
    };
    let innocent = seen.dead.iter().filter(|dead| !is_right(dead));
    let shown = innocent.map(|dead| {
        format!(
            "{} of {} in {}: {} {} ({})",
            dead.asset_hash, dead.org, dead.stage, dead.class, dead.code, dead.message
        )
    });
    verdict.innocent_dead_letters = shown.collect();
}

fn queues(verdict: &mut Verdict, run: &Run) {
    let queues = &run.unsettled.queues;
    if queues.messages > 0 {
        verdict.stuck.push(format!("{} messages", queues.messages));
    }
    if queues.orphans > 0 {
        verdict.stuck.push(format!("{} orphans", queues.orphans));
    }
    verdict.stuck.extend(queues.unknown.iter().cloned());
}

fn points(
    verdict: &mut Verdict,
    seen: &Observation,
    (expected, reference): (&Expected, &Reference),
    unfinished: &Unfinished,
) {
    doubled(verdict, seen);
    for found in &seen.points {
        origin(verdict, found, expected, unfinished);
    }
    let live: BTreeMap<PointId, &StoredPoint> = live(seen).map(|found| (found.point.id, found)).collect();
    for (id, owed) in &expected.live {
        let known = reference.entry(owed.entry).and_then(|known| known.chunks.get(owed.ordinal as usize));
        match (live.get(id), known) {
            (Some(found), Some(known)) => compare(verdict, found, known),
            _ if expected.endings.get(&owed.upload).is_some_and(|ending| unfinished.has(ending)) => {}
            _ => verdict.lost.push(format!("live point {id} of {}", owed.upload)),
        }
    }
}

fn live(seen: &Observation) -> impl Iterator<Item = &StoredPoint> {
    seen.points.iter().filter(|found| found.point.document.state == State::Live)
}

/// Whether a point may be there at all, and in this state.
fn origin(verdict: &mut Verdict, found: &StoredPoint, expected: &Expected, unfinished: &Unfinished) {
    let (id, document) = (found.point.id, &found.point.document);
    let (upload, state) = (document.upload, document.state);
    let Some(ending) = expected.endings.get(&upload) else {
        return verdict.foreign.push(format!("point {id} of {upload}"));
    };
    if document.org_id != ending.org || ending.asset.as_ref() != Some(&document.asset_id) {
        verdict.foreign.push(format!("point {id} is in {} of {}", document.asset_id, document.org_id));
    } else if unfinished.has(ending) {
        // Nothing can be said of it yet.
    } else if expected.gone.contains(&upload) {
        verdict.resurrected.push(format!("{} point {id} of deleted {upload}", state.as_str()));
    } else if state == State::Live && !expected.live.contains_key(&id) {
        verdict.resurrected.push(format!("live point {id} of old {upload}"));
    } else if state == State::Staged && !ending.states.contains(&ReceiptState::Failed) {
        verdict.stuck.push(format!("staged point {id} of {upload}"));
    }
}

fn doubled(verdict: &mut Verdict, seen: &Observation) {
    let mut ids = BTreeSet::new();
    let twice = seen.points.iter().filter(|found| !ids.insert(found.point.id));
    verdict.doubled.extend(twice.map(|found| format!("point {}", found.point.id)));
    let listed = live(seen).count() as u64;
    if seen.live_count != listed {
        verdict.doubled.push(format!("{} live points counted, {listed} listed", seen.live_count));
    }
    let mut uploads: BTreeMap<(&str, &AssetId), BTreeSet<UploadId>> = BTreeMap::new();
    for document in live(seen).map(|found| &found.point.document) {
        uploads.entry((document.org_id.as_str(), &document.asset_id)).or_default().insert(document.upload);
    }
    let several = uploads.iter().filter(|(_, uploads)| uploads.len() > 1);
    verdict.doubled.extend(several.map(|((org, asset), _)| format!("two live uploads of {asset} of {org}")));
}

fn compare(verdict: &mut Verdict, found: &StoredPoint, known: &KnownChunk) {
    verdict.lowest_cosine = verdict.lowest_cosine.min(cosine(&found.dense, &known.dense));
    let document = &found.point.document;
    let now = (document.ordinal, document.total, &document.text, &document.content_hash, &found.sparse);
    if now != (known.ordinal, known.total, &known.text, &known.content_hash, &known.sparse) {
        verdict.lost.push(format!("the content of point {}", found.point.id));
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
