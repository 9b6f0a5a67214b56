//! Records of the ledger that nobody will ask for again. Tombstones and heads are not among them: they answer for ever.
//!
//! Each kind is read in the order of its writes, which is the order of time, so a round ends at the first record that is
//! too young. A deletion names the revision that was looked at: a record that changed meanwhile stays.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::{DateTime, Utc};
use heimdex_bus::{Change, topology};
use heimdex_schemas::{Org, StageName, UploadId};
use heimdex_stage::{Ledger as _, Revision, accept};

use crate::books::Standing;
use crate::error::KeeperError;
use crate::metrics::Kind;
use crate::redrive;
use crate::service::Desk;

/// What the ledger keeps of each kind, in the order in which a round looks at it. An acceptance goes before its receipt:
/// without the receipt it would look like lost work.
const KINDS: [(&str, Kind); 10] = [
    ("attempt", Kind::Attempt),
    ("part", Kind::Part),
    // Page ranges of an extraction that never ended.
    ("ranges", Kind::Part),
    ("origin", Kind::Origin),
    ("accepted", Kind::Acceptance),
    ("done", Kind::Receipt),
    ("cancelled", Kind::Cancellation),
    ("letter", Kind::Letter),
    (redrive::PREFIX, Kind::Redrive),
    // The mark that a dead letter was replayed; the letter is gone by then.
    ("redriven", Kind::Redrive),
];

/// Goes through the ledger, some records of each kind a round.
#[derive(Debug, Default)]
pub struct Tidier {
    /// Where the next round goes on, by kind.
    after: HashMap<&'static str, Revision>,
}

impl Tidier {
    /// One round over all kinds.
    ///
    /// # Errors
    /// [`KeeperError`]; what was removed until then stays removed.
    pub async fn round(&mut self, desk: &Desk) -> Result<(), KeeperError> {
        for (prefix, kind) in KINDS {
            let after = self.after.remove(prefix).unwrap_or(Revision(0));
            if let Some(next) = pass(desk, prefix, kind, after).await? {
                self.after.insert(prefix, next);
            }
        }
        Ok(())
    }
}

/// Looks at the records of one kind that are old enough. Returns where to go on when there are more.
async fn pass(desk: &Desk, prefix: &str, kind: Kind, after: Revision) -> Result<Option<Revision>, KeeperError> {
    let before = Utc::now() - keep(desk, kind);
    let batch = desk.settings.records_batch;
    let changes = desk.ledger.changes(&[prefix], after, false, batch).await?;
    let is_page = changes.len() >= batch;
    let mut standings = HashMap::new();
    let mut removed = 0;
    for change in &changes {
        if change.written_at > before {
            desk.removed(kind, removed, prefix);
            return Ok(None);
        }
        desk.check()?;
        if change.is_deleted {
            clear(desk, change).await?;
        } else if is_due(desk, kind, change, before, &mut standings).await? {
            removed += u64::from(remove(desk, change).await?);
        }
    }
    desk.removed(kind, removed, prefix);
    Ok(changes.last().filter(|_| is_page).map(|last| last.revision))
}

fn keep(desk: &Desk, kind: Kind) -> std::time::Duration {
    match kind {
        Kind::Attempt => desk.settings.keep_attempts,
        Kind::Part | Kind::Redrive => desk.settings.keep_parts,
        Kind::Origin => desk.settings.keep_originals,
        _ => desk.settings.keep_records,
    }
}

type Standings = HashMap<UploadId, Standing>;

async fn is_due(
    desk: &Desk,
    kind: Kind,
    change: &Change,
    before: DateTime<Utc>,
    standings: &mut Standings,
) -> Result<bool, KeeperError> {
    let tokens: Vec<&str> = change.key.split('.').collect();
    match (kind, tokens.as_slice()) {
        (Kind::Attempt, ["attempt", stage, place]) => is_gone(desk, stage, place).await,
        (Kind::Part, ["part", upload, _, _] | ["ranges", upload]) => {
            let standing = standing(desk, upload, standings).await?;
            Ok(match standing {
                Standing::Unknown => true,
                Standing::Open(_) => false,
                Standing::Ended(receipt) => receipt.completed_at < before,
            })
        }
        (Kind::Origin, ["origin", org, asset, upload]) => {
            let (Ok(org), Ok(upload)) = (org.parse::<Org>(), upload.parse()) else { return Ok(false) };
            let standing = desk.books().standing_at(&org, asset, upload).await?;
            Ok(standing == Standing::Unknown || has_left(&standing, before))
        }
        (Kind::Acceptance, ["accepted", upload]) => Ok(has_left(standing(desk, upload, standings).await?, before)),
        (Kind::Receipt, ["done", org, asset, upload, _]) => is_receipt_due(desk, (org, asset, upload), before).await,
        (Kind::Cancellation | Kind::Letter | Kind::Redrive, _) => Ok(true),
        _ => Ok(false),
    }
}

/// Whether an upload has been out of search, for good, for long enough.
fn has_left(standing: &Standing, before: DateTime<Utc>) -> bool {
    standing.has_left().is_some_and(|receipt| receipt.completed_at < before)
}

async fn standing<'a>(desk: &Desk, upload: &str, known: &'a mut Standings) -> Result<&'a Standing, KeeperError> {
    let upload: UploadId = upload.parse().map_err(|_| crate::books::record(upload, "it is no upload"))?;
    Ok(match known.entry(upload) {
        Entry::Occupied(found) => found.into_mut(),
        Entry::Vacant(place) => place.insert(desk.books().standing(upload).await?),
    })
}

/// A receipt goes after its acceptance, and only then.
async fn is_receipt_due(
    desk: &Desk,
    (org, asset, upload): (&str, &str, &str),
    before: DateTime<Utc>,
) -> Result<bool, KeeperError> {
    let (Ok(org), Ok(upload)) = (org.parse::<Org>(), upload.parse::<UploadId>()) else { return Ok(false) };
    if desk.ledger.get(&accept::key(upload)).await?.is_some() {
        return Ok(false);
    }
    let receipt = desk.books().receipt(&org, Some(asset), upload).await?;
    Ok(receipt.is_some_and(|receipt| has_left(&Standing::Ended(Box::new(receipt)), before)))
}

/// Whether the message that an attempt was recorded for is no longer in its queue: `<epoch>-<sequence>`.
async fn is_gone(desk: &Desk, stage: &str, place: &str) -> Result<bool, KeeperError> {
    let (Ok(stage), Some((epoch, sequence))) = (stage.parse::<StageName>(), place.split_once('-')) else {
        return Ok(false);
    };
    let (Ok(epoch), Ok(sequence)) = (epoch.parse::<u64>(), sequence.parse::<u64>()) else { return Ok(false) };
    let stream = topology::input_stream(stage);
    let is_same_stream = desk.bus.stream_epoch(stream).await? == epoch;
    Ok(!is_same_stream || !desk.bus.is_stored(stream, sequence).await?)
}

async fn remove(desk: &Desk, change: &Change) -> Result<bool, KeeperError> {
    if desk.settings.dry_run {
        return Ok(true);
    }
    Ok(desk.ledger.delete(&change.key, change.revision).await?)
}

async fn clear(desk: &Desk, change: &Change) -> Result<(), KeeperError> {
    if !desk.settings.dry_run {
        desk.ledger.clear_marker(&change.key, change.revision).await?;
    }
    desk.removed(Kind::Marker, 1, &change.key);
    Ok(())
}
