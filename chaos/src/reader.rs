//! Somebody who searches all the time and looks at every answer: an asset that was searchable stays so, is never there in
//! two versions, and is not there once it is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use heimdex_bus::receipts::ReceiptStream;
use heimdex_bus::{Bus, Options, ReceiptScope, ReceiptsFrom};
use heimdex_schemas::{AssetId, Org, PointId, ReceiptState, UploadId};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::expect::Expected;
use crate::pool::{ANCHOR, Pool};
use crate::reference::Reference;
use crate::workload::{Wish, Workload};

/// Between two searches.
const EVERY: Duration = Duration::from_millis(40);
/// A search that takes longer has no answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Hits of one search.
const LIMIT: usize = 30;
const AGAIN: Duration = Duration::from_millis(200);

/// What was seen in answers.
#[derive(Debug, Clone, Default)]
pub struct Sightings {
    pub answers: usize,
    /// Searches that nobody answered; no promise is broken by that.
    pub unanswered: usize,
    /// Answers without an asset that had a searchable version before the search began.
    pub gaps: Vec<String>,
    /// Answers with two uploads of an asset.
    pub twins: Vec<String>,
    /// Answers with an asset after its deletion had ended.
    pub ghosts: Vec<String>,
    /// Hits that belong to no upload.
    pub strangers: Vec<String>,
}

type Name = (Org, AssetId);

/// What there is to know about one asset.
#[derive(Default)]
struct Watched {
    jobs: BTreeSet<UploadId>,
    has_deletion: bool,
    /// No search for the anchor finds its documents.
    is_blind: bool,
    /// Nothing of it is searchable in the end.
    ends_deleted: bool,
}

/// The reader of one run.
pub struct Reader {
    bus: Bus,
    watched: BTreeMap<Name, Watched>,
    points: BTreeMap<PointId, UploadId>,
    /// By job, as the receipts come.
    states: BTreeMap<UploadId, ReceiptState>,
    seen: BTreeSet<Name>,
    sightings: Sightings,
}

#[derive(Deserialize)]
struct Answer {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    point_id: PointId,
}

impl Reader {
    /// # Errors
    /// When there is no broker.
    pub async fn new(url: &str, workload: &Workload, (pool, reference): (&Pool, &Reference)) -> anyhow::Result<Self> {
        let options = Options { name: "reader".to_owned(), ..Options::default() };
        let mut reader = Self {
            bus: Bus::connect(url, options).await?,
            watched: BTreeMap::new(),
            points: BTreeMap::new(),
            states: BTreeMap::new(),
            seen: BTreeSet::new(),
            sightings: Sightings::default(),
        };
        let expected = Expected::new(workload, reference, &BTreeSet::new());
        let current: BTreeSet<UploadId> = expected.live.values().map(|owed| owed.upload).collect();
        let purged: BTreeSet<&Org> =
            workload.events.iter().filter(|event| event.wish == Wish::Purge).map(|event| &event.org).collect();
        for event in workload.events.iter().filter(|event| !purged.contains(&event.org)) {
            let Some(asset) = event.asset.clone() else { continue };
            let watched = reader.watched.entry((event.org.clone(), asset)).or_default();
            watched.jobs.insert(event.job());
            match event.wish {
                Wish::Upload(entry) if pool.entries.get(entry).is_some_and(|entry| entry.is_anchored()) => {
                    let chunks = reference.entry(entry).map_or(0, |known| known.chunks.len());
                    let ordinals = 0..u32::try_from(chunks).unwrap_or_default();
                    let ids = ordinals.map(|ordinal| PointId::new(event.job(), &reference.space, ordinal));
                    reader.points.extend(ids.map(|id| (id, event.job())));
                }
                Wish::Upload(_) => watched.is_blind = true,
                Wish::Delete | Wish::Purge => watched.has_deletion = true,
            }
        }
        for watched in reader.watched.values_mut() {
            watched.ends_deleted = watched.has_deletion && watched.jobs.is_disjoint(&current);
        }
        reader.watched.retain(|_, watched| !watched.is_blind);
        Ok(reader)
    }

    /// Searches for one asset after the other until `stop`.
    pub async fn run(mut self, stop: CancellationToken) -> Sightings {
        let names: Vec<Name> = self.watched.keys().cloned().collect();
        let mut receipts = None;
        let mut beat = tokio::time::interval(EVERY);
        for (n, name) in names.iter().cycle().enumerate() {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = beat.tick() => {}
            }
            self.hear(&mut receipts).await;
            let mode = if n % 2 == 0 { "sparse" } else { "hybrid" };
            self.look(name, mode).await;
        }
        self.sightings
    }

    /// Takes in the receipts that have come.
    async fn hear(&mut self, receipts: &mut Option<ReceiptStream>) {
        if receipts.is_none() {
            let watch = self.bus.receipts();
            let everything = watch.watch(&ReceiptScope::Everything, ReceiptsFrom::Current);
            *receipts = tokio::time::timeout(AGAIN, everything).await.ok().and_then(Result::ok);
        }
        let Some(stream) = receipts.as_mut() else { return };
        while let Some(Some(Ok(update))) = futures::FutureExt::now_or_never(stream.next()) {
            self.states.insert(update.receipt.upload, update.receipt.state);
        }
    }

    async fn look(&mut self, name: &Name, mode: &str) {
        let Some(watched) = self.watched.get(name) else { return };
        let state = |job: &UploadId| self.states.get(job).copied();
        // Superseded: by one that is searchable.
        let searchable = [ReceiptState::Indexed, ReceiptState::Degraded, ReceiptState::Superseded];
        let was_live = watched.jobs.iter().filter_map(state).any(|state| searchable.contains(&state));
        let must_be_there = !watched.has_deletion && (was_live || self.seen.contains(name));
        let must_be_gone = watched.ends_deleted && watched.jobs.iter().all(|job| state(job).is_some());
        let Some(found) = self.search(name, mode).await else {
            self.sightings.unanswered += 1;
            return;
        };
        self.sightings.answers += 1;
        let shown = format!("{} of {} ({mode})", name.1, name.0);
        let uploads: BTreeSet<UploadId> = found.iter().filter_map(|id| self.points.get(id)).copied().collect();
        if found.iter().any(|id| !self.points.contains_key(id)) {
            self.sightings.strangers.push(format!("a search for {shown}"));
        }
        match uploads.len() {
            0 if must_be_there => self.sightings.gaps.push(format!("no answer with {shown}")),
            0 => {}
            _ if must_be_gone => self.sightings.ghosts.push(format!("deleted {shown} in an answer")),
            1 => drop(self.seen.insert(name.clone())),
            n => self.sightings.twins.push(format!("{n} uploads of {shown} in one answer")),
        }
    }

    async fn search(&self, (org, asset): &Name, mode: &str) -> Option<Vec<PointId>> {
        let request = json!({"query": ANCHOR, "mode": mode, "limit": LIMIT, "asset_ids": [asset]});
        let payload = Bytes::from(request.to_string());
        let subject = format!("heimdex.v1.search.{org}");
        let answer = self.bus.requests().request(&subject, &[], payload, PATIENCE).await.ok()?;
        let answer: Answer = serde_json::from_slice(&answer).ok()?;
        Some(answer.hits.into_iter().map(|hit| hit.point_id).collect())
    }
}

/// A reader at work.
pub struct Reading {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Sightings>,
}

impl Reading {
    #[must_use]
    pub fn start(reader: Reader) -> Self {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(reader.run(stop.clone())), stop }
    }

    /// What it has seen.
    ///
    /// # Errors
    /// When the task failed.
    pub async fn end(self) -> anyhow::Result<Sightings> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}
