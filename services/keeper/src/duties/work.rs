//! Work under way: uploads that were accepted and have no receipt. Those that are in no queue are lost and driven again;
//! those that are queued and give no sign of life are for the operator.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetUploaded, Event as _, StageName, UploadId};
use heimdex_stage::{Acceptance, Revision};

use crate::error::KeeperError;
use crate::redrive::{Driven, Driver, Seen};
use crate::service::Desk;

/// Changes of the ledger read at once.
const PAGE: usize = 10_000;
/// The queues behind the first, in the order in which messages pass them.
const QUEUES: [StageName; 3] = [StageName::Chunker, StageName::Embedder, StageName::Writer];

/// What a round found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// Accepted and without a receipt.
    pub open: usize,
    /// Queued without a sign of life.
    pub stuck: BTreeSet<UploadId>,
    pub redriven: Vec<UploadId>,
    pub lost: Vec<UploadId>,
}

/// Follows the ledger from round to round.
#[derive(Debug, Default)]
pub struct Watch {
    /// The ledger's creation time, and how far it was read.
    epoch: u64,
    after: u64,
    /// When each open upload was accepted.
    open: BTreeMap<UploadId, DateTime<Utc>>,
    alarmed: BTreeSet<UploadId>,
}

/// An open upload without a sign of life.
struct Silent {
    accepted: Acceptance,
    /// Read before the queues are: an upload that another keeper drove again since then is not lost.
    seen: Seen,
}

impl Watch {
    /// One round.
    ///
    /// # Errors
    /// [`KeeperError`]; the next round sees what this one did not come to.
    pub async fn round(&mut self, desk: &Desk) -> Result<Looked, KeeperError> {
        self.catch_up(desk).await?;
        let mut silent = self.silent(desk).await?;
        let queued = queued(desk, &silent).await?;
        let mut looked = Looked { open: self.open.len(), ..Looked::default() };
        looked.stuck = silent.keys().filter(|upload| queued.uploads.contains(upload)).copied().collect();
        self.alarm(desk, &looked.stuck, &silent);
        silent.retain(|upload, _| !queued.uploads.contains(upload));
        if queued.is_complete {
            rescue(desk, silent, &mut looked).await?;
        } else if !silent.is_empty() {
            let uploads = silent.len();
            tracing::warn!(uploads, "the queues are too long to tell whether these uploads are in them");
        }
        Ok(looked)
    }

    /// Reads what was accepted and what was concluded since the last round.
    async fn catch_up(&mut self, desk: &Desk) -> Result<(), KeeperError> {
        let epoch = desk.bus.stream_epoch(&desk.ledger.stream()).await?;
        if epoch != self.epoch {
            *self = Self { epoch, ..Self::default() };
        }
        loop {
            let changes = desk.ledger.changes(&["accepted", "done"], Revision(self.after), false, PAGE).await?;
            let Some(last) = changes.last().map(|change| change.revision) else { break };
            for change in changes {
                match change.key.split('.').collect::<Vec<_>>().as_slice() {
                    ["accepted", upload] => self.accepted(upload, (!change.is_deleted).then_some(change.written_at)),
                    ["done", _, _, upload, _] if !change.is_deleted => self.accepted(upload, None),
                    _ => {}
                }
            }
            self.after = last.0;
        }
        desk.metrics.open.set(i64::try_from(self.open.len()).unwrap_or(i64::MAX));
        Ok(())
    }

    fn accepted(&mut self, upload: &str, at: Option<DateTime<Utc>>) {
        let Ok(upload) = upload.parse() else { return };
        match at {
            Some(at) => drop(self.open.insert(upload, at)),
            None => drop(self.open.remove(&upload)),
        }
    }

    async fn silent(&self, desk: &Desk) -> Result<BTreeMap<UploadId, Silent>, KeeperError> {
        let before = Utc::now() - desk.settings.stuck_after;
        let (books, driver, mut silent) = (desk.books(), driver(desk), BTreeMap::new());
        for upload in self.open.iter().filter(|(_, at)| **at < before).map(|(upload, _)| *upload) {
            let Some(accepted) = books.acceptance(upload).await? else { continue };
            let seen = driver.seen(upload).await?;
            if seen.record.at > before {
                continue;
            }
            let heard = desk.bus.last_progress(&accepted.org, upload).await?;
            if heard.is_none_or(|at| at < before) {
                silent.insert(upload, Silent { accepted, seen });
            }
        }
        Ok(silent)
    }

    fn alarm(&mut self, desk: &Desk, stuck: &BTreeSet<UploadId>, silent: &BTreeMap<UploadId, Silent>) {
        desk.metrics.stuck.set(i64::try_from(stuck.len()).unwrap_or(i64::MAX));
        for upload in stuck.difference(&self.alarmed) {
            let Some(Silent { accepted, .. }) = silent.get(upload) else { continue };
            tracing::error!(
                org = %accepted.org, job = %upload, accepted_at = %accepted.accepted_at,
                "an upload is queued and nothing happens to it: `heimdex jobs show`"
            );
        }
        self.alarmed.clone_from(stuck);
    }
}

fn driver(desk: &Desk) -> Driver<'_> {
    let settings = &desk.settings;
    Driver { bus: &desk.bus, max_redrives: settings.max_redrives, event_bytes: settings.event_bytes }
}

/// Where the silent uploads are.
struct Queued {
    uploads: HashSet<UploadId>,
    is_complete: bool,
}

/// The first queue is asked by position, the others are read through, in the order of the stages.
async fn queued(desk: &Desk, silent: &BTreeMap<UploadId, Silent>) -> Result<Queued, KeeperError> {
    let mut queued = Queued { uploads: HashSet::new(), is_complete: true };
    if silent.is_empty() {
        return Ok(queued);
    }
    let epoch = desk.bus.stream_epoch(AssetUploaded::STREAM).await?;
    for (upload, silent) in silent {
        if is_waiting(desk, silent, epoch).await? {
            queued.uploads.insert(*upload);
        }
    }
    for stage in QUEUES {
        if silent.keys().all(|upload| queued.uploads.contains(upload)) {
            return Ok(queued);
        }
        let found = desk.bus.queued_uploads(stage, desk.settings.scan_messages).await?;
        queued.uploads.extend(found.uploads);
        queued.is_complete &= found.is_complete;
    }
    Ok(queued)
}

async fn is_waiting(desk: &Desk, silent: &Silent, epoch: u64) -> Result<bool, KeeperError> {
    let first = silent.accepted.position.stream_position().filter(|(found, _)| *found == epoch);
    let places = first.map(|(_, sequence)| sequence).into_iter();
    for sequence in places.chain(silent.seen.record.sequence) {
        if desk.bus.is_stored(AssetUploaded::STREAM, sequence).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn rescue(desk: &Desk, lost: BTreeMap<UploadId, Silent>, looked: &mut Looked) -> Result<(), KeeperError> {
    let (settings, driver) = (&desk.settings, driver(desk));
    for (upload, Silent { accepted, seen }) in lost.into_iter().take(settings.redrive_batch) {
        desk.check()?;
        let asset = accepted.asset_id.as_ref().map(heimdex_schemas::AssetId::hash);
        if desk.books().receipt(&accepted.org, asset.as_deref(), upload).await?.is_some() {
            continue;
        }
        let org = &accepted.org;
        if settings.dry_run {
            tracing::warn!(%org, job = %upload, "a lost upload would be driven again");
            continue;
        }
        match driver.rescue(upload, &accepted, &seen).await? {
            Driven::Again { replay } => {
                tracing::warn!(%org, job = %upload, replay, "a lost upload is driven again");
                desk.metrics.redriven.inc();
                looked.redriven.push(upload);
            }
            Driven::Nudged => tracing::warn!(%org, job = %upload, "an upload was written and not concluded"),
            Driven::Lost(why) => {
                tracing::error!(%org, job = %upload, why, "a lost upload cannot be driven again");
                desk.metrics.lost.inc();
                looked.lost.push(upload);
            }
            Driven::Postponed => {}
        }
    }
    Ok(())
}
