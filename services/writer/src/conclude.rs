//! From a complete upload to its receipt, and to the receipts of those it replaces.
//!
//! Uploads of an asset and its deletions are concluded by many hands at once. Each of them acts first and then looks at
//! what the others may have done: whoever takes the head supersedes the older records it finds, and whoever concludes a
//! record looks at the head, and at the tombstones, once more. Of two that meet, at least one sees the other.

use chrono::Utc;
use heimdex_schemas::{Receipt, ReceiptState};
use heimdex_stage::{Done, Head, Ledger, Tombstone};

use crate::error::WriterError;
use crate::fence::{Contest, Fence, ROUNDS};
use crate::job::{Job, version};
use crate::parts::{self, Parts};
use crate::points::Points;
use crate::receipt::Summary;
use crate::{done, record, tombstones};

/// What a round of concluding came to.
enum Round {
    Concluded(Vec<Receipt>),
    Forsaken(Vec<Receipt>),
    /// Somebody changed what we acted on.
    Again,
}

/// Concludes uploads over one ledger and one index.
pub(crate) struct Concluder<'a, P> {
    pub(crate) ledger: &'a dyn Ledger,
    pub(crate) points: &'a P,
}

impl<P: Points> Concluder<'_, P> {
    /// Concludes a complete upload. Returns its receipt, those of the uploads it replaced (published before or not), and,
    /// when it turns out to be deleted, those of its successor.
    pub(crate) async fn conclude(&self, job: &Job, parts: &Parts) -> Result<Vec<Receipt>, WriterError> {
        match self.settle(job, parts).await? {
            (receipts, false) => Ok(receipts),
            (mut receipts, true) => {
                receipts.extend(self.promote_successors(job).await?);
                Ok(receipts)
            }
        }
    }

    /// Ends an upload that was deleted: none of its points stays, whatever it had replaced comes back if that was not
    /// deleted too, and its receipt says so.
    pub(crate) async fn forsake(&self, job: &Job, tombstone: &Tombstone) -> Result<Vec<Receipt>, WriterError> {
        let parts = parts::present(self.ledger, job.upload, &job.model).await?;
        let mut receipts = self.bury(job, &parts, tombstone).await?;
        receipts.extend(self.promote_successors(job).await?);
        Ok(receipts)
    }

    /// After deletions: the newest upload of the job's asset that was not deleted is made head again if it is not, because a
    /// deleted one may have replaced it.
    pub(crate) async fn promote_successors(&self, job: &Job) -> Result<Vec<Receipt>, WriterError> {
        let mut receipts = Vec::new();
        for _ in 0..ROUNDS {
            let Some(successor) = self.successor(job).await? else { return Ok(receipts) };
            let parts = parts::present(self.ledger, successor.upload, &successor.model).await?;
            let (more, forsaken) = self.settle(&successor, &parts).await?;
            receipts.extend(more);
            if !forsaken {
                return Ok(receipts);
            }
        }
        Err(WriterError::Contended { key: format!("the head of {}", job.asset), attempts: ROUNDS })
    }

    async fn successor(&self, job: &Job) -> Result<Option<Job>, WriterError> {
        let mut candidates = Vec::new();
        for done in done::beside(self.ledger, job).await? {
            let state = done.receipt.state;
            if let Some(candidate) = Job::concluded(&done)
                && (done::is_current(state) || state == ReceiptState::Superseded)
                && self.tombstone(&candidate).await?.is_none()
            {
                candidates.push(candidate);
            }
        }
        let Some(newest) = candidates.into_iter().max_by_key(Job::version) else { return Ok(None) };
        let head = self.fence(&newest).head().await?;
        Ok(head.is_none_or(|head| version(&head) <= newest.version()).then_some(newest))
    }

    /// Rounds until nobody interferes. The receipts, and whether the upload turned out to be deleted.
    async fn settle(&self, job: &Job, parts: &Parts) -> Result<(Vec<Receipt>, bool), WriterError> {
        for _ in 0..ROUNDS {
            match self.round(job, parts).await? {
                Round::Concluded(receipts) => return Ok((receipts, false)),
                Round::Forsaken(receipts) => return Ok((receipts, true)),
                Round::Again => {}
            }
        }
        Err(WriterError::Contended { key: format!("the record of upload {}", job.upload), attempts: ROUNDS })
    }

    async fn round(&self, job: &Job, parts: &Parts) -> Result<Round, WriterError> {
        let summary = Summary::of(parts);
        let seen = record::read::<Done>(self.ledger, &job.done_key()).await?;
        let head = match summary.head(job) {
            None => None,
            Some(ours) => match self.fence(job).contend(&ours, summary.points).await? {
                Contest::Head(head) => Some(head),
                Contest::Deleted(tombstone) => return self.bury(job, parts, &tombstone).await.map(Round::Forsaken),
            },
        };
        let is_head = head.as_ref().is_some_and(|head| head.upload == job.upload);
        let mut receipts = match head {
            None => Vec::new(),
            Some(_) => self.replaced_by(job, is_head).await?,
        };
        let verdict = summary.verdict(job, head.as_ref());
        let (progress, position) = (parts::progress(parts), job.position);
        let ours = Done { progress, position, receipt: summary.receipt(job, verdict, Utc::now()) };
        let Some(concluded) = done::conclude(self.ledger, seen, ours).await? else { return Ok(Round::Again) };
        if let Some(tombstone) = self.tombstone(job).await? {
            return self.bury(job, parts, &tombstone).await.map(Round::Forsaken);
        }
        let Some(standing) = self.look_again(job, concluded).await? else { return Ok(Round::Again) };
        receipts.push(standing);
        Ok(Round::Concluded(receipts))
    }

    /// The receipts of older uploads that this one replaced. Those that say something else are changed when this one is
    /// head; those changed by an earlier delivery are returned as well, since it may have died before it published them.
    async fn replaced_by(&self, job: &Job, is_head: bool) -> Result<Vec<Receipt>, WriterError> {
        let mut replaced = Vec::new();
        for done in done::beside(self.ledger, job).await? {
            let mut receipt = done.receipt;
            let is_older = receipt.upload != job.upload && (receipt.order, receipt.upload) < (job.order, job.upload);
            if is_head && is_older && done::is_current(receipt.state) {
                receipt = done::supersede(self.ledger, &receipt, job.upload, Utc::now()).await?;
            }
            if receipt.state == ReceiptState::Superseded && receipt.superseded_by == Some(job.upload) {
                replaced.push(receipt);
            }
        }
        Ok(replaced)
    }

    /// Our record stands; whoever took the head meanwhile has either seen it or is seen now. `None` to go round again.
    async fn look_again(&self, job: &Job, receipt: Receipt) -> Result<Option<Receipt>, WriterError> {
        if !done::is_current(receipt.state) && receipt.state != ReceiptState::Superseded {
            return Ok(Some(receipt));
        }
        let fence = self.fence(job);
        let Some(head) = fence.head().await? else { return Ok(None) };
        let is_current = done::is_current(receipt.state);
        if head.upload == job.upload {
            return Ok(is_current.then_some(receipt));
        }
        if version(&head) < job.version() || fence.drop_if_deleted(&head).await? {
            return Ok(None);
        }
        match is_current {
            true => done::supersede(self.ledger, &receipt, head.upload, Utc::now()).await.map(Some),
            false => Ok(Some(receipt)),
        }
    }

    /// The upload was deleted. Returns its receipt, and those of uploads it had replaced and may not have told of.
    async fn bury(&self, job: &Job, parts: &Parts, tombstone: &Tombstone) -> Result<Vec<Receipt>, WriterError> {
        let summary = Summary::of(parts);
        if let Some((space, dimension)) = summary.space.clone() {
            let head = Head { upload: job.upload, order: job.order, position: job.position, space, dimension };
            self.fence(job).drop_if_deleted(&head).await?;
        }
        let mut receipts = self.replaced_by(job, false).await?;
        let verdict = (ReceiptState::Deleted, Some(tombstone.by));
        let (progress, position) = (parts::progress(parts), job.position);
        let ours = Done { progress, position, receipt: summary.receipt(job, verdict, Utc::now()) };
        receipts.push(done::bury(self.ledger, ours).await?);
        Ok(receipts)
    }

    /// The tombstone that covers the upload, if any does.
    pub(crate) async fn tombstone(&self, job: &Job) -> Result<Option<Tombstone>, WriterError> {
        tombstones::covering(self.ledger, &job.org, &job.asset, (job.order, job.position)).await
    }

    fn fence<'b>(&'b self, job: &'b Job) -> Fence<'b, P> {
        Fence { ledger: self.ledger, points: self.points, job }
    }
}
