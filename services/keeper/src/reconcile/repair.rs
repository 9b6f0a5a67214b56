//! Repairing what a comparison found.

use heimdex_schemas::{AssetDeleted, Envelope, Lane, ReceiptState, UploadId};
use serde::Serialize;

use super::compare::{Drift, Finding, Known, Report};
use super::examine::Reconciliation;
use super::manifest::Manifest;
use crate::books::Books;
use crate::error::KeeperError;
use crate::redrive::{Driven, Driver};

/// The CloudEvents source of what a repair publishes.
const SOURCE: &str = "/heimdex/keeper/reconcile";
const EVENT_BYTES: u64 = 256 * 1024 * 1024;

/// What was done about one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// `asset.deleted` was published.
    Deleted { job: UploadId },
    /// The kept event of an upload was published again.
    Redriven { job: UploadId },
    /// Only the source can help: it must upload the asset.
    Nothing { reason: String },
}

/// One finding and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repair {
    #[serde(flatten)]
    pub finding: Finding,
    #[serde(flatten)]
    pub action: Action,
}

impl Reconciliation {
    /// Compares, and publishes what will mend the differences as far as they can be mended from here. What becomes of it
    /// shows in a later comparison.
    ///
    /// # Errors
    /// [`KeeperError`]; repairing again is right.
    pub async fn repair(&self, manifest: &Manifest) -> Result<(Report, Vec<Repair>), KeeperError> {
        let known = self.known(manifest).await?;
        let report = super::compare::compare(&self.org, manifest, &known);
        let mut repairs = Vec::with_capacity(report.findings.len());
        for finding in &report.findings {
            let action = match finding.drift {
                Drift::Extra => self.delete(finding).await?,
                Drift::Missing | Drift::OlderVersion | Drift::Incomplete => self.restore(finding, &known).await?,
            };
            tracing::info!(asset = %finding.asset_id, drift = finding.drift.as_str(), ?action, "reconciled");
            repairs.push(Repair { finding: finding.clone(), action });
        }
        Ok((report, repairs))
    }

    /// The event's id names the upload, so that repairing twice is one deletion, and a later upload is not its business.
    async fn delete(&self, finding: &Finding) -> Result<Action, KeeperError> {
        let Some(upload) = finding.upload else { return Ok(nothing("its upload is not known")) };
        let reason = Some("not in the source's manifest".to_owned());
        let event = AssetDeleted { asset_id: finding.asset_id.clone(), org: None, reason };
        let id = format!("extra-{upload}");
        let envelope = Envelope::wrap(SOURCE, &id, &event).map_err(heimdex_bus::PublishError::from)?;
        self.bus.publisher().publish_wish::<AssetDeleted>(&self.org, Lane::Interactive, envelope).await?;
        Ok(Action::Deleted { job: UploadId::new(&self.org, SOURCE, &id) })
    }

    async fn restore(&self, finding: &Finding, known: &Known) -> Result<Action, KeeperError> {
        let Some(newest) = known.newest(&finding.asset_id) else { return self.open(finding).await };
        let job = newest.upload;
        if finding.drift == Drift::OlderVersion && finding.upload == Some(job) {
            return Ok(nothing("no newer upload of it is known"));
        }
        if newest.state == ReceiptState::Superseded {
            return Ok(nothing("its newest known upload was replaced by one that was deleted"));
        }
        self.redrive(job).await
    }

    /// Nothing of the asset has ended: if something is under way, the keeper sees to it.
    async fn open(&self, finding: &Finding) -> Result<Action, KeeperError> {
        match finding.upload {
            Some(upload) => self.redrive(upload).await,
            None => Ok(nothing("no upload of it is known")),
        }
    }

    async fn redrive(&self, job: UploadId) -> Result<Action, KeeperError> {
        let ledger = self.bus.ledger();
        let Some(accepted) = Books::new(&ledger).acceptance(job).await? else {
            return Ok(nothing("its upload is not known any more"));
        };
        // An operator's wish is not counted against the upload.
        let driver = Driver { bus: &self.bus, max_redrives: u32::MAX, event_bytes: EVENT_BYTES };
        Ok(match driver.again(job, &accepted, &driver.seen(job).await?).await? {
            Driven::Again { .. } | Driven::Nudged => Action::Redriven { job },
            Driven::Postponed => nothing("somebody else drives it, or the org has too many uploads waiting"),
            Driven::Lost(why) => Action::Nothing { reason: why },
        })
    }
}

fn nothing(reason: &str) -> Action {
    Action::Nothing { reason: reason.to_owned() }
}
