//! What nobody wants any more: uploads that were cancelled, and those that a deletion covers.
//!
//! Known from the ledger as it changes, in memory, so that asking costs nothing. Best effort: what a stage does not hear
//! of in time goes on to the writer, whose look into the ledger decides.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use heimdex_bus::{Bus, Change};
use heimdex_schemas::{AssetId, AssetUploaded, Lineage, Order, Org, StageName, UploadId};
use heimdex_stage::{Context, Event, Stage, Tombstone, tombstone};

/// Ledger keys that end work: `cancelled.<upload>`, `tombstone.<org>`, `tombstone.<org>.<asset hash>`.
const KINDS: [&str; 2] = ["cancelled", "tombstone"];
/// Pause before the ledger is watched anew.
const AGAIN: Duration = Duration::from_secs(1);

/// Why work is ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwanted {
    /// Somebody cancelled the job.
    Job,
    /// The asset was deleted after this upload of it.
    Asset,
    /// All that the org had was deleted after this upload.
    Org,
}

impl Unwanted {
    pub const fn code(self) -> &'static str {
        match self {
            Self::Job => "job_cancelled",
            Self::Asset => "asset_deleted",
            Self::Org => "org_purged",
        }
    }
}

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Job => "the job was cancelled",
            Self::Asset => "the asset was deleted after this upload of it",
            Self::Org => "everything of the org was deleted after this upload",
        })
    }
}

/// What is known to be unwanted, the newest facts of at most so many.
pub(crate) struct Register {
    facts: Mutex<Facts>,
    limit: usize,
}

#[derive(Default)]
struct Facts {
    /// Ledger keys; cancelled jobs have no tombstone.
    known: HashMap<String, Option<Tombstone>>,
    /// The same keys, the oldest first.
    order: VecDeque<String>,
}

/// An upload as far as deletions ask for it.
struct Upload<'a> {
    org: &'a Org,
    asset: &'a AssetId,
    id: UploadId,
    order: Order,
    position: Order,
}

impl Register {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { facts: Mutex::default(), limit })
    }

    /// Whether work of stage `S` on `input` can be ended.
    pub fn reason<S: Stage>(&self, ctx: &Context, input: &S::In) -> Option<Unwanted> {
        if !is_asked_by(S::NAME) {
            return None;
        }
        let any: &dyn Any = input;
        let upload = match (input.lineage(), any.downcast_ref::<AssetUploaded>()) {
            (Some(lineage), _) => known(lineage),
            (None, uploaded) => at_first_sight(ctx, uploaded?)?,
        };
        self.covers(&upload)
    }

    fn covers(&self, upload: &Upload<'_>) -> Option<Unwanted> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.known.is_empty() {
            return None;
        }
        let is_deleted = |asset: Option<&AssetId>| {
            let tombstone = facts.known.get(&tombstone::key(upload.org, asset)).and_then(Option::as_ref);
            tombstone.is_some_and(|tombstone| tombstone.covers(upload.order, upload.position))
        };
        if is_deleted(Some(upload.asset)) {
            return Some(Unwanted::Asset);
        }
        if is_deleted(None) {
            return Some(Unwanted::Org);
        }
        facts.known.contains_key(&format!("cancelled.{}", upload.id)).then_some(Unwanted::Job)
    }

    fn learn(&self, change: Change) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if change.is_deleted {
            facts.known.remove(&change.key);
            return;
        }
        let tombstone = serde_json::from_slice(&change.value).ok().filter(|_| change.key.starts_with("tombstone."));
        if facts.known.insert(change.key.clone(), tombstone).is_none() {
            facts.order.push_back(change.key);
        }
        while facts.order.len() > self.limit {
            if let Some(oldest) = facts.order.pop_front() {
                facts.known.remove(&oldest);
            }
        }
    }
}

/// The writer ends jobs, so it sees everything; deletions themselves are never unwanted.
const fn is_asked_by(stage: StageName) -> bool {
    match stage {
        StageName::Extractor | StageName::Chunker | StageName::Embedder => true,
        StageName::Writer | StageName::Eraser | StageName::Purger => false,
    }
}

/// Learns what changes until aborted.
pub(crate) async fn watch<S: Stage>(bus: Bus, register: Arc<Register>) {
    while is_asked_by(S::NAME) {
        match bus.watch_ledger(&KINDS).await {
            Ok(mut changes) => {
                while let Some(change) = changes.next().await {
                    match change {
                        Ok(change) => register.learn(change),
                        Err(error) => {
                            tracing::debug!(%error, "watching the ledger");
                            break;
                        }
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "the ledger cannot be watched"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn known(lineage: &Lineage) -> Upload<'_> {
    let Lineage { org, asset_id, upload, order, position, .. } = lineage;
    Upload { org, asset: asset_id, id: *upload, order: *order, position: *position }
}

/// A message is stored where its upload was first seen, or later: so a deletion after the message covers the upload, too.
fn at_first_sight<'a>(ctx: &'a Context, uploaded: &'a AssetUploaded) -> Option<Upload<'a>> {
    let position = Order::by_stream(ctx.position.epoch, ctx.position.sequence);
    let order = match ctx.envelope.sequence() {
        None => position,
        Some(sequence) => Order::by_uploader(sequence.parse().ok()?),
    };
    let id = UploadId::new(&ctx.org, ctx.envelope.source(), ctx.envelope.id());
    Some(Upload { org: &ctx.org, asset: &uploaded.asset_id, id, order, position })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use chrono::DateTime;
    use heimdex_stage::Revision;

    use super::*;

    fn change(key: &str, value: Vec<u8>) -> Change {
        let written_at = DateTime::UNIX_EPOCH;
        Change { key: key.to_owned(), revision: Revision(1), written_at, is_deleted: false, value: value.into() }
    }

    fn id(n: u32) -> UploadId {
        UploadId::new(&"acme".parse().unwrap(), "/test", &n.to_string())
    }

    fn found(register: &Register, asset: &str, n: u32, position: u64) -> Option<Unwanted> {
        let (org, asset) = ("acme".parse().unwrap(), asset.parse().unwrap());
        let position = Order::by_stream(1, position);
        register.covers(&Upload { org: &org, asset: &asset, id: id(n), order: position, position })
    }

    #[test]
    fn deletions_and_cancellations_are_known_by_what_they_cover() {
        let register = Register::new(10);
        assert_eq!(found(&register, "a", 1, 5), None);
        let position = Order::by_stream(1, 7);
        let of_asset = Tombstone::of_asset(position, position, id(9), DateTime::UNIX_EPOCH);
        let (org, asset) = ("acme".parse().unwrap(), "a".parse().unwrap());
        let key = tombstone::key(&org, Some(&asset));
        register.learn(change(&key, serde_json::to_vec(&of_asset).unwrap()));
        register.learn(change(&format!("cancelled.{}", id(3)), b"{}".to_vec()));
        assert_eq!(found(&register, "a", 1, 5), Some(Unwanted::Asset));
        assert_eq!(found(&register, "a", 1, 8), None, "a newer upload");
        assert_eq!(found(&register, "b", 1, 5), None);
        assert_eq!(found(&register, "b", 3, 5), Some(Unwanted::Job));
        let of_org = Tombstone::of_org(position, id(9), DateTime::UNIX_EPOCH);
        register.learn(change("tombstone.acme", serde_json::to_vec(&of_org).unwrap()));
        assert_eq!(found(&register, "b", 1, 5), Some(Unwanted::Org));
    }

    #[test]
    fn the_register_is_bounded_and_forgets_the_oldest() {
        let register = Register::new(2);
        for n in 1..=3 {
            register.learn(change(&format!("cancelled.{}", id(n)), Vec::new()));
        }
        assert_eq!([1, 2, 3].map(|n| found(&register, "a", n, 5).is_some()), [false, true, true]);
    }
}
