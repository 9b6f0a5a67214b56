//! One deletion, step by step. First the tombstone: from then on every writer that acts on what it covers takes its own
//! work back, so that what is removed here stays removed.

use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, Order, Receipt, ReceiptState, StageName, UploadId};
use heimdex_stage::{Context, DeadLetterBin, Done, done, origin};

use crate::conclude::Concluder;
use crate::error::WriterError;
use crate::points::Points;
use crate::stage::own_time;
use crate::{record, remains, tombstones};

/// How often points of what was deleted may turn up again before the message is given back.
const ROUNDS: u32 = 4;

/// What is to be deleted, and by whose order.
pub(super) struct Deletion {
    pub(super) stage: StageName,
    /// `None` for all of the org.
    pub(super) asset: Option<AssetId>,
    pub(super) job: UploadId,
    pub(super) order: Order,
    /// What this deletion covers, apart from what earlier ones do.
    pub(super) mark: heimdex_stage::Tombstone,
    pub(super) started_at: DateTime<Utc>,
}

/// What a deletion works with.
pub(super) struct Tools<'a, P> {
    pub(super) ctx: &'a Context,
    pub(super) points: &'a P,
    pub(super) dead_letters: &'a dyn DeadLetterBin,
}

impl<P: Points> Tools<'_, P> {
    /// Returns the deletion's receipt and those of all uploads that it deleted or that come back in their place.
    pub(super) async fn carry_out(&self, deletion: &Deletion) -> Result<Vec<Receipt>, WriterError> {
        let (ledger, org) = (self.ctx.ledger.as_ref(), &self.ctx.org);
        tombstones::put_up(ledger, org, deletion.asset.as_ref(), deletion.mark.clone()).await?;
        let survey = self.survey(deletion).await?;
        self.drop_heads(deletion, &survey).await?;
        let mut removed = self.remove_points(deletion).await?;
        let mut receipts = self.bury(deletion, &survey).await?;
        for job in survey.bereaved() {
            let concluder = Concluder { ledger, points: self.points };
            receipts.extend(concluder.promote_successors(job).await?);
        }
        remains::blobs(self.ctx, deletion.asset.as_ref(), &survey.covered_uploads()).await?;
        self.remove_dead_letters(deletion, &survey).await?;
        let mut rounds = 0;
        let mut remaining = self.remaining(deletion).await?;
        while remaining > 0 {
            rounds += 1;
            if rounds > ROUNDS {
                return Err(WriterError::Remains { points: remaining, rounds });
            }
            removed = self.remove_points(deletion).await?;
            remaining = self.remaining(deletion).await?;
        }
        receipts.push(self.conclude(deletion, removed, remaining).await?);
        Ok(receipts)
    }

    /// The deletion's own receipt; what an earlier delivery recorded stands.
    async fn conclude(&self, deletion: &Deletion, removed: u64, remaining: u64) -> Result<Receipt, WriterError> {
        let receipt = self.receipt(deletion, removed, remaining);
        let (key, position) = (done::key(&receipt), deletion.mark.position);
        let ours = Done { progress: 0, position, receipt };
        let done = record::settle(self.ctx.ledger.as_ref(), &key, ours, |_, _| None).await?;
        remains::forget_key(self.ctx, &origin::key(&self.ctx.org, deletion.asset.as_ref(), deletion.job)).await?;
        self.forget_count(deletion).await?;
        tracing::info!(
            org = %self.ctx.org, asset = deletion.asset.as_ref().map(|id| id.as_str()), job = %deletion.job,
            removed = done.receipt.removed, "deleted"
        );
        Ok(done.receipt)
    }

    fn receipt(&self, deletion: &Deletion, removed: u64, remaining: u64) -> Receipt {
        Receipt {
            org: self.ctx.org.clone(),
            asset_id: deletion.asset.clone(),
            upload: deletion.job,
            state: ReceiptState::Deleted,
            version: 0,
            order: deletion.order,
            model: None,
            chunks: u32::try_from(remaining).unwrap_or(u32::MAX),
            pages: 0,
            format: None,
            language: None,
            warnings: Vec::new(),
            missing: Vec::new(),
            failures: Vec::new(),
            reused: 0,
            truncated_tokens: 0,
            removed,
            stages: vec![own_time(self.ctx, deletion.stage, deletion.started_at)],
            superseded_by: None,
            accepted_at: deletion.mark.at,
            completed_at: Utc::now(),
        }
    }
}
