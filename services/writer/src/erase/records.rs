//! The ledger's records of what is deleted: heads, receipts, kept events, and the dead letters beside them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use heimdex_schemas::{AssetId, ModelName, Receipt, ReceiptState, UploadId};
use heimdex_stage::{Acceptance, Done, Head, accept, head, origin};

use super::deletion::{Deletion, Tools};
use crate::error::WriterError;
use crate::job::Job;
use crate::points::Points;
use crate::receipt::Summary;
use crate::{done, record, remains};

/// The uploads that the ledger knows of an asset or an org, as seen after the tombstone was put up: whoever adds one
/// later sees the tombstone.
#[derive(Default)]
pub(super) struct Survey {
    /// Concluded and covered, with their records.
    covered: Vec<(Job, Done)>,
    /// Accepted and covered, not concluded.
    under_way: Vec<Job>,
    /// Concluded and newer than the deletion.
    spared: Vec<(Job, ReceiptState)>,
    models: BTreeSet<ModelName>,
}

impl Survey {
    pub(super) fn covered_uploads(&self) -> BTreeSet<UploadId> {
        let concluded = self.covered.iter().map(|(job, _)| job.upload);
        concluded.chain(self.under_way.iter().map(|job| job.upload)).collect()
    }

    /// One spared upload for each asset and model of which other uploads are deleted: those may have replaced it.
    pub(super) fn bereaved(&self) -> impl Iterator<Item = &Job> {
        let deleted: BTreeSet<_> = self.covered.iter().map(|(job, _)| (&job.asset, &job.model)).collect();
        let spared: BTreeMap<_, _> = self.spared.iter().map(|(job, _)| ((&job.asset, &job.model), job)).collect();
        spared.into_iter().filter(move |(key, _)| deleted.contains(key)).map(|(_, job)| job)
    }

    /// Assets that have dead letters somebody may still want: those of a newer upload that did not fully succeed.
    fn troubled(&self) -> BTreeSet<&AssetId> {
        let is_troubled = |state| matches!(state, ReceiptState::Failed | ReceiptState::Degraded);
        self.spared.iter().filter(|(_, state)| is_troubled(*state)).map(|(job, _)| &job.asset).collect()
    }

    fn assets(&self) -> BTreeSet<&AssetId> {
        self.covered.iter().map(|(job, _)| job).chain(&self.under_way).map(|job| &job.asset).collect()
    }
}

impl<P: Points> Tools<'_, P> {
    /// What the ledger knows of the uploads in question.
    pub(super) async fn survey(&self, deletion: &Deletion) -> Result<Survey, WriterError> {
        let mut survey = Survey::default();
        let mut known = BTreeSet::from([deletion.job]);
        for done in done::list(self.ctx.ledger.as_ref(), &self.ctx.org, deletion.asset.as_ref()).await? {
            known.insert(done.receipt.upload);
            let Some(job) = Job::concluded(&done) else { continue };
            survey.models.insert(job.model.clone());
            match deletion.mark.covers(job.order, job.position) {
                true => survey.covered.push((job, done)),
                false => survey.spared.push((job, done.receipt.state)),
            }
        }
        for upload in self.kept(deletion).await?.difference(&known) {
            if let Some(job) = self.accepted(*upload).await?
                && deletion.mark.covers(job.order, job.position)
            {
                survey.models.insert(job.model.clone());
                survey.under_way.push(job);
            }
        }
        Ok(survey)
    }

    /// The uploads whose event is kept: those that were accepted and are still wanted.
    async fn kept(&self, deletion: &Deletion) -> Result<BTreeSet<UploadId>, WriterError> {
        let found = self.ctx.ledger.list(&origin::prefix(&self.ctx.org, deletion.asset.as_ref())).await?;
        Ok(found.iter().filter_map(|(key, _)| key.rsplit('.').next()?.parse().ok()).collect())
    }

    /// `None` for a deletion.
    async fn accepted(&self, upload: UploadId) -> Result<Option<Job>, WriterError> {
        let found = record::read::<Acceptance>(self.ctx.ledger.as_ref(), &accept::key(upload)).await?;
        Ok(found.and_then(|(_, accepted)| {
            let Acceptance { org, asset_id, model, order, position, accepted_at, .. } = accepted;
            Some(Job { org, asset: asset_id?, model: model?, upload, order, position, accepted_at })
        }))
    }

    /// No covered upload is head any more. A writer that takes the head from here on sees the tombstone.
    pub(super) async fn drop_heads(&self, deletion: &Deletion, survey: &Survey) -> Result<(), WriterError> {
        let (ledger, org) = (self.ctx.ledger.as_ref(), &self.ctx.org);
        let keys: Vec<String> = match &deletion.asset {
            None => ledger.list(&head::prefix(org)).await?.into_iter().map(|(key, _)| key).collect(),
            Some(asset) => {
                let spaces = self.points.spaces().await?.into_iter().map(|space| space.model);
                let models: BTreeSet<ModelName> = survey.models.iter().cloned().chain(spaces).collect();
                models.iter().map(|model| head::key(org, model, asset)).collect()
            }
        };
        let covered = |head: &Head| deletion.mark.covers(head.order, head.position);
        for key in keys {
            record::remove(ledger, &key, covered).await?;
        }
        Ok(())
    }

    /// Every covered upload gets its last receipt, those still under way as well; their kept events go. Returns the receipts
    /// that this deletion caused, in this delivery or an earlier one.
    pub(super) async fn bury(&self, deletion: &Deletion, survey: &Survey) -> Result<Vec<Receipt>, WriterError> {
        let now = Utc::now();
        let concluded = survey.covered.iter().map(|(job, found)| (job, done::deleted(found, deletion.job, now)));
        let under_way = survey.under_way.iter().map(|job| (job, unconcluded(job, deletion.job)));
        let mut receipts = Vec::new();
        for (job, ours) in concluded.chain(under_way) {
            let receipt = done::bury(self.ctx.ledger.as_ref(), ours).await?;
            if receipt.superseded_by == Some(deletion.job) {
                receipts.push(receipt);
            }
            remains::forget(self.ctx, &job.asset, job.upload).await?;
        }
        Ok(receipts)
    }

    /// Dead letters of assets whose newer uploads may still need theirs are left.
    pub(super) async fn remove_dead_letters(&self, deletion: &Deletion, survey: &Survey) -> Result<(), WriterError> {
        let (org, troubled) = (&self.ctx.org, survey.troubled());
        if troubled.is_empty() {
            self.dead_letters.remove(org, deletion.asset.as_ref()).await?;
            return Ok(());
        }
        for asset in survey.assets().difference(&troubled) {
            self.dead_letters.remove(org, Some(asset)).await?;
        }
        tracing::warn!(%org, assets = troubled.len(), "dead letters are kept: newer uploads of the assets have some, too");
        Ok(())
    }
}

/// The record of an upload that had no receipt yet.
fn unconcluded(job: &Job, by: UploadId) -> Done {
    let receipt = Summary::default().receipt(job, (ReceiptState::Deleted, Some(by)), Utc::now());
    Done { progress: 0, position: job.position, receipt }
}
