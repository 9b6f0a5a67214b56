//! Page ranges in the work bucket, so that an extraction that was killed goes on behind the last one.
//!
//! One ledger key, `ranges.<upload>`, names the parsers that read the ranges and lists them; a range is a blob below
//! `<org>/<asset hash>/<upload>/pages-<parsers>`. Ranges of other parsers are not used. Whoever deletes the upload deletes the blobs
//! with it, and the keeper removes a key that was left behind.

use bytes::Bytes;
use heimdex_schemas::{AssetId, UploadId};
use heimdex_stage::{BlobError, BlobRef, Bucket, Context, Revision};
use serde::{Deserialize, Serialize};

use crate::ranges::{Collected, Range, Ranges, Start};
use crate::stage::StageError;
use crate::{Document, Failure, Limits, Pool};

/// What stands in the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// [`Pool::version`]
    parsers: String,
    /// In page order.
    ranges: Vec<BlobRef>,
}

fn key(upload: UploadId) -> String {
    format!("ranges.{upload}")
}

/// The ranges of one upload, here and in the bucket.
pub(crate) struct Kept<'a> {
    ctx: &'a Context,
    key: String,
    prefix: String,
    /// Bytes that one range may have.
    limit: u64,
    record: Record,
    /// `None` until the record exists.
    revision: Option<Revision>,
    collected: Collected,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    /// Nobody looked for kept ranges yet.
    New,
    Keeping,
    /// Another process works on the same message: its record stands, and this one keeps nothing more.
    Outrun,
}

impl<'a> Kept<'a> {
    pub(crate) fn new(ctx: &'a Context, asset: &AssetId, upload: UploadId, pool: &Pool) -> Self {
        let parsers = pool.version();
        // Names of blobs have no more than these characters; languages of the recognizer are joined by a plus.
        let word: String =
            parsers.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
        Self {
            ctx,
            key: key(upload),
            prefix: format!("{}/{}/{upload}/pages-{word}", ctx.org, asset.hash()),
            limit: pool.limits().max_text_bytes.saturating_mul(2).saturating_add(4 << 20),
            record: Record { parsers, ranges: Vec::new() },
            revision: None,
            collected: Collected::default(),
            state: State::New,
        }
    }

    /// Whether there is something that must go at the end.
    pub(crate) fn is_any(&self) -> bool {
        self.revision.is_some()
    }

    /// See [`Collected::finish`].
    pub(crate) fn finish(&mut self, last: Document, limits: &Limits) -> Result<Document, Failure> {
        std::mem::take(&mut self.collected).finish(last, limits)
    }

    /// Reads what an earlier delivery kept.
    async fn resume(&mut self) -> Result<(), StageError> {
        let Some((revision, value)) = self.ctx.ledger.get(&self.key).await? else { return Ok(()) };
        self.revision = Some(revision);
        let found: Record = serde_json::from_slice(&value).unwrap_or_default();
        if found.parsers != self.record.parsers {
            return remove_blobs(self.ctx, found.ranges).await;
        }
        let mut listed = found.ranges.into_iter();
        for blob in listed.by_ref() {
            let range = match self.ctx.blobs.get(&blob, self.limit).await {
                Ok(bytes) => serde_json::from_slice::<Range>(&bytes).ok(),
                Err(BlobError::Missing(_) | BlobError::Corrupt { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            // Read again from here on.
            let Some(range) = range.filter(|range| self.follows(range)) else { break };
            self.collected.push(range);
            self.record.ranges.push(blob);
        }
        remove_blobs(self.ctx, listed).await?;
        tracing::info!(
            pages = self.collected.start().page - 1,
            "an extraction goes on behind the pages that were kept"
        );
        Ok(())
    }

    fn follows(&self, range: &Range) -> bool {
        range.pages.first().is_some_and(|page| page.number == self.collected.start().page)
    }

    async fn keep(&mut self, range: &Range) -> Result<(), StageError> {
        let bytes = serde_json::to_vec(range).map_err(|error| Failure::corrupt(error.to_string()))?;
        self.record.ranges.push(self.ctx.blobs.put(Bucket::Work, &self.prefix, Bytes::from(bytes)).await?);
        let value = serde_json::to_vec(&self.record).map_err(|error| Failure::corrupt(error.to_string()))?;
        let ledger = &self.ctx.ledger;
        let written = match self.revision {
            None => ledger.create(&self.key, value.into()).await?,
            Some(revision) => ledger.compare_and_set(&self.key, revision, value.into()).await?,
        };
        match written {
            Some(revision) => self.revision = Some(revision),
            None => self.state = State::Outrun,
        }
        Ok(())
    }
}

impl Ranges for Kept<'_> {
    type Error = StageError;

    async fn begin(&mut self, _pages: u32) -> Result<Start, StageError> {
        if self.state == State::New {
            self.state = State::Keeping;
            self.resume().await?;
        }
        Ok(self.collected.start())
    }

    async fn take(&mut self, range: Range) -> Result<(), StageError> {
        if self.state == State::Keeping {
            self.keep(&range).await?;
        }
        self.collected.push(range);
        Ok(())
    }
}

/// Removes what is kept of an upload: the document that they became is published, or there will be none.
pub(crate) async fn remove(ctx: &Context, upload: UploadId) -> Result<(), StageError> {
    let key = key(upload);
    let Some((revision, value)) = ctx.ledger.get(&key).await? else { return Ok(()) };
    if let Ok(record) = serde_json::from_slice::<Record>(&value) {
        remove_blobs(ctx, record.ranges).await?;
    }
    ctx.ledger.delete(&key, revision).await?;
    Ok(())
}

async fn remove_blobs(ctx: &Context, blobs: impl IntoIterator<Item = BlobRef>) -> Result<(), StageError> {
    for blob in blobs {
        ctx.blobs.delete(Bucket::Work, &blob.name).await?;
    }
    Ok(())
}
