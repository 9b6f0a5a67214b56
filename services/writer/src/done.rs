//! The receipt that stands, and how it may change: each change is the next version, and the last word is the ledger's.
//!
//! A redelivery finds it and publishes the same receipt under the same id.

use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, Org, Receipt, ReceiptState, UploadId};
use heimdex_stage::{Done, Ledger, Revision, done};

use crate::error::WriterError;
use crate::job::Job;
use crate::record;

/// A record as it was read.
pub(crate) type Seen = Option<(Revision, Done)>;

/// Records `ours` over what was seen, if it is news; returns the receipt that stands, `None` when somebody was faster.
pub(crate) async fn conclude(ledger: &dyn Ledger, seen: Seen, ours: Done) -> Result<Option<Receipt>, WriterError> {
    let key = done::key(&ours.receipt);
    let (revision, next) = match seen {
        None => (None, ours),
        Some((revision, found)) => match next(&found, ours) {
            None => return Ok(Some(found.receipt)),
            Some(next) => (Some(revision), next),
        },
    };
    Ok(record::replace(ledger, &key, revision, &next).await?.then_some(next.receipt))
}

/// More progress is news (a dead part was replayed), and so is losing or getting back the head. A deletion is final.
fn next(found: &Done, ours: Done) -> Option<Done> {
    let (was, is) = (found.receipt.state, ours.receipt.state);
    let progress = ours.progress > found.progress;
    let changed_hands = ours.progress == found.progress
        && (is_current(was) && is == ReceiptState::Superseded || was == ReceiptState::Superseded && is_current(is));
    if was == ReceiptState::Deleted || !(progress || changed_hands) {
        return None;
    }
    let version = found.receipt.version.saturating_add(1);
    Some(Done { receipt: Receipt { version, ..ours.receipt }, ..ours })
}

/// Whether the receipt says that its upload is searchable.
pub(crate) const fn is_current(state: ReceiptState) -> bool {
    matches!(state, ReceiptState::Indexed | ReceiptState::Degraded)
}

/// A newer upload took the head: what was searchable no longer is. Returns the receipt that stands.
pub(crate) async fn supersede(
    ledger: &dyn Ledger,
    receipt: &Receipt,
    by: UploadId,
    now: DateTime<Utc>,
) -> Result<Receipt, WriterError> {
    let superseded =
        |found: &Done| is_current(found.receipt.state).then(|| replaced(found, ReceiptState::Superseded, by, now));
    let found = record::revise(ledger, &done::key(receipt), superseded).await?;
    Ok(found.map_or_else(|| receipt.clone(), |done| done.receipt))
}

/// The upload was deleted, whatever had become of it; `ours` says so of one that has no record yet. Returns the receipt
/// that stands.
pub(crate) async fn bury(ledger: &dyn Ledger, ours: Done) -> Result<Receipt, WriterError> {
    let buried = |found: &Done, ours: &Done| {
        let by = ours.receipt.superseded_by.unwrap_or(found.receipt.upload);
        let is_news = found.receipt.state != ReceiptState::Deleted;
        is_news.then(|| replaced(found, ReceiptState::Deleted, by, ours.receipt.completed_at))
    };
    let key = done::key(&ours.receipt);
    Ok(record::settle(ledger, &key, ours, buried).await?.receipt)
}

/// What a record becomes when its upload is deleted.
pub(crate) fn deleted(found: &Done, by: UploadId, now: DateTime<Utc>) -> Done {
    match found.receipt.state {
        ReceiptState::Deleted => found.clone(),
        _ => replaced(found, ReceiptState::Deleted, by, now),
    }
}

fn replaced(found: &Done, state: ReceiptState, by: UploadId, now: DateTime<Utc>) -> Done {
    let version = found.receipt.version.saturating_add(1);
    let receipt =
        Receipt { state, version, chunks: 0, superseded_by: Some(by), completed_at: now, ..found.receipt.clone() };
    Done { receipt, ..found.clone() }
}

/// Every record of an asset, or of all assets of an org, deletions included.
pub(crate) async fn list(ledger: &dyn Ledger, org: &Org, asset: Option<&AssetId>) -> Result<Vec<Done>, WriterError> {
    let found = ledger.list(&done::prefix(org, asset)).await?;
    found.iter().map(|(key, value)| record::parse(key, value)).collect()
}

/// The records of the job's asset in its model.
pub(crate) async fn beside(ledger: &dyn Ledger, job: &Job) -> Result<Vec<Done>, WriterError> {
    let mut found = list(ledger, &job.org, Some(&job.asset)).await?;
    found.retain(|done| done.receipt.model.as_ref() == Some(&job.model));
    Ok(found)
}
