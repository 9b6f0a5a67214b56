//! The fence: which upload of an asset is current, and the index brought in line with it.

use heimdex_index::Space;
use heimdex_stage::{Head, Ledger, Tombstone, failpoint, head};

use crate::error::WriterError;
use crate::job::{Job, version};
use crate::points::{Place, Points};
use crate::{record, tombstones};

/// How often the head may change while we act on it before we give the message back.
pub(crate) const ROUNDS: u32 = 16;

/// How a contest for the head ended.
pub(crate) enum Contest {
    /// This is the head now, ours or a newer one; the index is in line with it.
    Head(Head),
    /// Our upload was deleted.
    Deleted(Tombstone),
}

/// The fence of one asset in one model's index.
pub(crate) struct Fence<'a, P> {
    pub(crate) ledger: &'a dyn Ledger,
    pub(crate) points: &'a P,
    pub(crate) job: &'a Job,
}

impl<P: Points> Fence<'_, P> {
    fn key(&self) -> String {
        head::key(&self.job.org, &self.job.model, &self.job.asset)
    }

    fn place(&self, head: &Head) -> Place {
        let space = Space { model: self.job.model.clone(), id: head.space.clone(), dimension: head.dimension };
        Place { org: self.job.org.clone(), space }
    }

    pub(crate) async fn head(&self) -> Result<Option<Head>, WriterError> {
        Ok(record::read(self.ledger, &self.key()).await?.map(|(_, head)| head))
    }

    /// Takes the head if this upload is the newest that was not deleted, and aligns the index with whatever the head is
    /// then. `points` is how many points a head of ours must have. Some may be retired: a newer upload that is deleted by
    /// now took them for an older one's, even before this upload was complete.
    pub(crate) async fn contend(&self, ours: &Head, points: u32) -> Result<Contest, WriterError> {
        for _ in 0..ROUNDS {
            if let Some(tombstone) = self.tombstone(ours).await? {
                return Ok(Contest::Deleted(tombstone));
            }
            let head = self.take(ours.clone()).await?;
            if head.upload != ours.upload && self.drop_if_deleted(&head).await? {
                continue;
            }
            let Some(mut head) = self.align(head).await? else { continue };
            if head.upload == ours.upload && !self.is_complete(&head, points).await? {
                self.points.revive(&self.place(&head), head.upload).await?;
                let Some(aligned) = self.align(head).await? else { continue };
                head = aligned;
            }
            // A deletion that came in between may have missed what was made live just now.
            if !self.drop_if_deleted(&head).await? {
                return Ok(Contest::Head(head));
            }
        }
        Err(WriterError::Contended { key: self.key(), attempts: ROUNDS })
    }

    /// Makes `ours` the head unless a newer upload is; returns the head.
    async fn take(&self, ours: Head) -> Result<Head, WriterError> {
        let open = failpoint::is_broken("sabotage.no_fence");
        let newer = |found: &Head, ours: &Head| (open || version(ours) > version(found)).then(|| ours.clone());
        record::settle(self.ledger, &self.key(), ours, newer).await
    }

    /// Brings the index in line with the head, whoever's it is: its points live first, then all older ones dead. The head
    /// is complete, so anyone may finish its work; that is what makes a writer harmless that slept between its
    /// decision and its flips. Returns the head once it did not change meanwhile, `None` when it was removed.
    async fn align(&self, mut head: Head) -> Result<Option<Head>, WriterError> {
        for _ in 0..ROUNDS {
            let place = self.place(&head);
            self.points.make_live(&place, head.upload).await?;
            self.points.retire_older(&place, &self.job.asset, version(&head)).await?;
            match self.head().await? {
                None => return Ok(None),
                Some(now) if version(&now) != version(&head) => head = now,
                Some(_) => return Ok(Some(head)),
            }
        }
        Err(WriterError::Contended { key: self.key(), attempts: ROUNDS })
    }

    /// Whether all points are searchable. The exact count is a check, not a trigger: what else it finds is for the operator.
    async fn is_complete(&self, head: &Head, expected: u32) -> Result<bool, WriterError> {
        let live = self.points.count_live(&self.place(head), head.upload).await?;
        if live != u64::from(expected) {
            tracing::warn!(
                org = %self.job.org, asset = %self.job.asset, upload = %head.upload, live, expected,
                "the index does not hold what was written, unless another upload or a deletion came in between"
            );
        }
        Ok(live == u64::from(expected))
    }

    async fn tombstone(&self, head: &Head) -> Result<Option<Tombstone>, WriterError> {
        tombstones::covering(self.ledger, &self.job.org, &self.job.asset, (head.order, head.position)).await
    }

    /// Clears a deleted upload out of the way: it is head no more, and none of its points stays.
    pub(crate) async fn drop_if_deleted(&self, head: &Head) -> Result<bool, WriterError> {
        if self.tombstone(head).await?.is_none() {
            return Ok(false);
        }
        record::remove(self.ledger, &self.key(), |found: &Head| found.upload == head.upload).await?;
        self.points.remove(&self.place(head), &[head.upload]).await?;
        Ok(true)
    }
}
