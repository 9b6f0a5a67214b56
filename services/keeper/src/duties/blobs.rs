//! Blobs whose upload does not need them any more, and pieces of blobs that were never finished.

use std::collections::BTreeMap;
use std::ops::Bound;

use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetUploaded, Content, Org, UploadId};
use heimdex_stage::{BlobInfo, Blobs as _, Bucket, Ledger as _, origin};

use crate::books::Standing;
use crate::error::KeeperError;
use crate::metrics::Kind;
use crate::service::Desk;

const BUCKETS: [Bucket; 2] = [Bucket::Originals, Bucket::Work];
/// In the name of a dead letter's raw message: behind its org, or behind its asset.
const DEAD_LETTER: &str = "_dead";

/// Whose blobs they are: the first three parts of their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    org: Org,
    asset: String,
    upload: UploadId,
}

/// Goes through both buckets, some uploads a round.
#[derive(Debug, Default)]
pub struct Collector {
    /// The last owner looked at in each bucket; the next round goes on behind it.
    last: [Option<Owner>; 2],
}

/// What a round deleted, or in a dry run would have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub work: u64,
    pub originals: u64,
    pub orphans: u64,
}

impl Collector {
    /// One round over both buckets.
    ///
    /// # Errors
    /// [`KeeperError`]; what was deleted until then stays deleted.
    pub async fn round(&mut self, desk: &Desk) -> Result<Collected, KeeperError> {
        let mut collected = Collected::default();
        for (bucket, last) in BUCKETS.into_iter().zip(&mut self.last) {
            let count = collect(desk, bucket, last).await?;
            match bucket {
                Bucket::Originals => collected.originals += count,
                Bucket::Work => collected.work += count,
            }
            collected.orphans += orphans(desk, bucket).await?;
        }
        Ok(collected)
    }
}

async fn collect(desk: &Desk, bucket: Bucket, last: &mut Option<Owner>) -> Result<u64, KeeperError> {
    let keep = keep(desk, bucket);
    let (mut owned, mut deleted) = (BTreeMap::<Owner, Vec<BlobInfo>>::new(), 0);
    for blob in desk.blobs.list(bucket, "").await?.into_iter().filter(|blob| blob.modified < keep) {
        match owner(&blob.name) {
            Some(owner) => owned.entry(owner).or_default().push(blob),
            None if is_dead_letter(bucket, &blob.name) => deleted += delete(desk, bucket, &blob).await?,
            None => {}
        }
    }
    let begin = last.take().map_or(Bound::Unbounded, Bound::Excluded);
    let due: Vec<_> = owned.range((begin, Bound::Unbounded)).take(desk.settings.blobs_batch).collect();
    for (owner, blobs) in &due {
        desk.check()?;
        deleted += collect_of(desk, bucket, owner, blobs).await?;
    }
    // A short page is the end: the next round begins at the front.
    *last = due.last().filter(|_| due.len() == desk.settings.blobs_batch).map(|(owner, _)| (*owner).clone());
    Ok(deleted)
}

/// A blob younger than this is never looked at: its upload ended later than it was written.
fn keep(desk: &Desk, bucket: Bucket) -> DateTime<Utc> {
    let keep = match bucket {
        Bucket::Originals => desk.settings.keep_originals,
        Bucket::Work => desk.settings.keep_work,
    };
    Utc::now() - keep
}

async fn collect_of(desk: &Desk, bucket: Bucket, owner: &Owner, blobs: &[BlobInfo]) -> Result<u64, KeeperError> {
    let standing = desk.books().standing_at(&owner.org, &owner.asset, owner.upload).await?;
    let is_due = match (&standing, bucket) {
        // Written, and never accepted: the uploader gave up in between.
        (Standing::Unknown, _) => true,
        (Standing::Open(_), _) => false,
        (Standing::Ended(receipt), Bucket::Work) => receipt.completed_at < keep(desk, bucket),
        (Standing::Ended(_), Bucket::Originals) => {
            standing.has_left().is_some_and(|receipt| receipt.completed_at < keep(desk, bucket))
        }
    };
    if !is_due {
        return Ok(0);
    }
    let mut deleted = 0;
    for blob in blobs {
        if bucket == Bucket::Work || !is_used_by_another(desk, owner, &blob.name).await? {
            deleted += delete(desk, bucket, blob).await?;
        }
    }
    Ok(deleted)
}

/// An uploader may name a blob of an earlier upload again instead of writing it twice.
async fn is_used_by_another(desk: &Desk, owner: &Owner, name: &str) -> Result<bool, KeeperError> {
    let prefix = format!("{}.{}", origin::prefix(&owner.org, None), owner.asset);
    for (key, value) in desk.ledger.list(&prefix).await? {
        let is_other = !key.ends_with(&owner.upload.to_string());
        let kept = origin::read(&key, &value)?;
        if is_other && kept.blob().is_some_and(|blob| blob.name == name) {
            return Ok(true);
        }
        if !is_other || kept.blob().is_some() {
            continue;
        }
        let envelope = kept.envelope(desk.blobs.as_ref(), desk.settings.event_bytes).await?;
        if let Ok(AssetUploaded { content: Content::Blob { name: used, .. }, .. }) = envelope.data_as()
            && used == name
        {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn delete(desk: &Desk, bucket: Bucket, blob: &BlobInfo) -> Result<u64, KeeperError> {
    desk.check()?;
    if !desk.settings.dry_run {
        desk.blobs.delete(bucket, &blob.name).await?;
    }
    let kind = match bucket {
        Bucket::Originals => Kind::OriginalBlob,
        Bucket::Work => Kind::WorkBlob,
    };
    desk.removed(kind, 1, &blob.name);
    Ok(1)
}

async fn orphans(desk: &Desk, bucket: Bucket) -> Result<u64, KeeperError> {
    let before = Utc::now() - desk.settings.keep_pieces;
    let mut deleted = 0;
    for orphan in desk.blobs.orphans(bucket).await?.into_iter().filter(|orphan| orphan.written_at < before) {
        desk.check()?;
        if !desk.settings.dry_run {
            desk.blobs.delete_pieces(bucket, &orphan.id).await?;
        }
        desk.removed(Kind::OrphanPieces, orphan.pieces, &orphan.id);
        deleted += orphan.pieces;
    }
    Ok(deleted)
}

/// `None` for names that are not `<org>/<asset hash>/<upload>/…`: what an uploader named its own way is its own to delete.
fn owner(name: &str) -> Option<Owner> {
    let mut parts = name.split('/');
    let (org, asset, upload) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next()?;
    let is_hash = asset.len() == 32 && asset.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then_some(())?;
    Some(Owner { org: org.parse().ok()?, asset: asset.to_owned(), upload: upload.parse().ok()? })
}

fn is_dead_letter(bucket: Bucket, name: &str) -> bool {
    bucket == Bucket::Work && name.split('/').skip(1).take(2).any(|part| part == DEAD_LETTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_have_an_owner() {
        let upload = "6e1b1b0e-0b0a-5b0e-9b0e-6e1b1b0e0b0a";
        let hash = "0123456789abcdef0123456789abcdef";
        assert!(owner(&format!("acme/{hash}/{upload}/00ff")).is_some());
        for strange in [
            format!("acme/{hash}/{upload}"),
            format!("acme/notes.pdf/{upload}/00ff"),
            format!("acme/{hash}/7/00ff"),
            "acme/manual.pdf".to_owned(),
        ] {
            assert_eq!(owner(&strange), None, "{strange}");
        }
        assert!(is_dead_letter(Bucket::Work, "acme/_/_dead/HEIMDEX_ASSETS-1-17/00ff"));
        assert!(!is_dead_letter(Bucket::Originals, "acme/_dead/17/00ff"));
    }
}
