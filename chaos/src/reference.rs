//! What each document of the pool becomes when nothing disturbs it: measured once, and the measure of every run after it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use heimdex_index::StoredPoint;
use heimdex_schemas::{Lane, ReceiptState, Sparse, UploadId};

use crate::cluster::{Cluster, Placement, Plan};
use crate::observe::{Observer, Watch};
use crate::pool::Pool;
use crate::producer::Producers;
use crate::workload::{Event, ORGS, Step, Wish, Workload};

/// How long the whole pool may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// One chunk as the index holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownChunk {
    pub ordinal: u32,
    pub total: u32,
    pub text: String,
    pub content_hash: String,
    pub dense: Vec<f32>,
    pub sparse: Sparse,
}

/// What becomes of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub state: ReceiptState,
    /// By ordinal.
    pub chunks: Vec<KnownChunk>,
}

/// What becomes of every document of the pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// The vector space.
    pub space: String,
    pub entries: Vec<Known>,
}

impl Reference {
    #[must_use]
    pub fn entry(&self, n: usize) -> Option<&Known> {
        self.entries.get(n)
    }

    /// Uploads the whole pool to a fresh cluster that nobody disturbs.
    ///
    /// # Errors
    /// When not everything ends, or the cluster cannot be looked into.
    pub async fn measure(pool: &Arc<Pool>, patience: u32, logs: Option<&Path>) -> anyhow::Result<Self> {
        let plan = Plan {
            placement: Placement::Together,
            copies: BTreeMap::new(),
            variables: Vec::new(),
            volumes: BTreeMap::new(),
            proxied: false,
            seed: 0,
        };
        let cluster = Cluster::start(&plan).await?;
        let workload = Arc::new(workload(pool)?);
        let (url, time) = (cluster.nats_url(), Duration::ZERO);
        Producers { url, pool: Arc::clone(pool), workload: Arc::clone(&workload), time }.run().await?;
        let observer = Observer::connect(&cluster).await?;
        let jobs: Vec<UploadId> = workload.events.iter().map(Event::job).collect();
        let waiting = Watch::new(&observer, &jobs).quiet(PATIENCE * patience, async || Ok(())).await?.waiting;
        if let (false, Some(folder)) = (waiting.is_empty(), logs) {
            cluster.keep_logs(folder);
        }
        ensure!(
            waiting.is_empty(),
            "undisturbed, {} documents of the pool have no receipt: {waiting:?}",
            waiting.len()
        );
        let observation = observer.observe(&Default::default()).await?;
        let mut entries = Vec::new();
        for job in jobs {
            let state = observation.receipts.get(&job).context("a receipt is gone")?.state;
            let points = observation.points.iter().filter(|found| found.point.document.upload == job);
            let mut chunks: Vec<KnownChunk> = points.map(chunk).collect();
            chunks.sort_by_key(|chunk| chunk.ordinal);
            entries.push(Known { state, chunks });
        }
        Ok(Self { space: observer.space().id.clone(), entries })
    }
}

/// Each entry once, as an asset of its own.
fn workload(pool: &Pool) -> anyhow::Result<Workload> {
    let mut workload = Workload { producers: vec![Vec::new()], ..Workload::default() };
    for n in 0..pool.entries.len() {
        workload.producers[0].push(Step { at: 0.0, event: n, is_copy: false });
        workload.events.push(Event {
            org: ORGS[0].parse()?,
            asset: Some(format!("entry {n:03}").parse()?),
            id: format!("entry-{n}"),
            wish: Wish::Upload(n),
            rank: n as u64 + 1,
            is_numbered: false,
            lane: Lane::Interactive,
            skew: 0,
        });
    }
    Ok(workload)
}

fn chunk(found: &StoredPoint) -> KnownChunk {
    let document = &found.point.document;
    KnownChunk {
        ordinal: document.ordinal,
        total: document.total,
        text: document.text.clone(),
        content_hash: document.content_hash.clone(),
        dense: found.dense.clone(),
        sparse: found.sparse.clone(),
    }
}

#[cfg(test)]
impl Known {
    pub(crate) fn good(chunks: u32) -> Self {
        let chunk = |ordinal| KnownChunk {
            ordinal,
            total: chunks,
            text: format!("text {ordinal}"),
            content_hash: format!("hash {ordinal}"),
            dense: vec![0.6, 0.8],
            sparse: Sparse { indices: vec![1], values: vec![1.0] },
        };
        Self { state: ReceiptState::Indexed, chunks: (0..chunks).map(chunk).collect() }
    }

    pub(crate) const fn unreadable() -> Self {
        Self { state: ReceiptState::Failed, chunks: Vec::new() }
    }
}
