//! Driving an upload again from its kept event, or ending it where that is not possible.
//!
//! The intention is written first, on the revision that was read, so of two keepers one goes on. The message that follows
//! has the next replay number, and with it ids of its own all the way down: no dedupe window swallows it, and whatever
//! of the first run comes after all finds the same points and records.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_bus::{Bus, PublishError};
use heimdex_schemas::{
    AssetDeleted, AssetUploaded, ChunksEmbedded, Content, Envelope, Failure, FailureClass, Lineage, ModelName,
    OrgPurged, Outcome, StageName, UploadId, events,
};
use heimdex_stage::{Acceptance, BlobError, BlobRef, Bucket, Ledger as _, OriginError, Revision, origin};
use serde::{Deserialize, Serialize};

use crate::books::Books;
use crate::error::KeeperError;

/// Records of re-drives lie below it.
pub const PREFIX: &str = "keeper.redrive";
/// The code of an upload whose work and whose event are both gone.
pub const LOST: &str = "lost_upstream";
const REPLAY: &str = "heimdexreplay";

/// What stands under `keeper.redrive.<upload>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redriven {
    /// How often it was driven again.
    pub times: u32,
    /// The number of the last replay.
    pub replay: u32,
    pub at: DateTime<Utc>,
    /// Where the last event was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// A record as it was when somebody looked; acting on it fails if another acted meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    revision: Option<Revision>,
    pub record: Redriven,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driven {
    /// The event was published again.
    Again { replay: u32 },
    /// All its parts are there: the writer was asked to conclude it.
    Nudged,
    /// Its event is gone or was tried too often; why.
    Lost(String),
    /// Not now: another was faster, or the org has too many uploads waiting.
    Postponed,
}

/// Drives uploads again.
pub struct Driver<'a> {
    pub bus: &'a Bus,
    pub max_redrives: u32,
    pub event_bytes: u64,
}

/// The record's key.
#[must_use]
pub fn key(upload: UploadId) -> String {
    format!("{PREFIX}.{upload}")
}

impl Driver<'_> {
    /// The record of an upload's re-drives as it is now. Whoever decides about the upload looks here first.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub async fn seen(&self, upload: UploadId) -> Result<Seen, KeeperError> {
        let ledger = self.bus.ledger();
        let found = Books::new(&ledger).read(&key(upload)).await?;
        Ok(found.map_or_else(Seen::default, |(revision, record)| Seen { revision: Some(revision), record }))
    }

    /// Drives a lost upload again, or ends it.
    ///
    /// # Errors
    /// [`KeeperError`]; trying again is right.
    pub async fn rescue(&self, upload: UploadId, accepted: &Acceptance, seen: &Seen) -> Result<Driven, KeeperError> {
        if let Some(model) = accepted.model.as_ref()
            && let Some(event) = self.conclusion(upload, accepted, model).await?
        {
            self.bus.publisher().publish_consequence(StageName::Extractor, &event).await?;
            self.touch(upload, seen).await?;
            return Ok(Driven::Nudged);
        }
        match self.again(upload, accepted, seen).await? {
            Driven::Lost(why) => {
                self.give_up(upload, accepted, &why).await?;
                self.touch(upload, seen).await?;
                Ok(Driven::Lost(why))
            }
            driven => Ok(driven),
        }
    }

    /// Publishes the kept event with the next replay number, unless somebody did so since `seen` was read. Ends nothing.
    ///
    /// # Errors
    /// [`KeeperError`]; trying again is right.
    pub async fn again(&self, upload: UploadId, accepted: &Acceptance, seen: &Seen) -> Result<Driven, KeeperError> {
        let before = &seen.record;
        if before.times >= self.max_redrives {
            return Ok(Driven::Lost(format!("driven again {} times without an end", before.times)));
        }
        let envelope = match self.event(upload, accepted).await? {
            Ok(envelope) => envelope,
            Err(why) => return Ok(Driven::Lost(why)),
        };
        let replay = before.replay.max(envelope.replay()).saturating_add(1);
        let now = Redriven { times: before.times.saturating_add(1), replay, at: Utc::now(), sequence: None };
        let Some(revision) = self.write(upload, seen.revision, &now).await? else { return Ok(Driven::Postponed) };
        match self.publish(accepted, envelope.with_extension(REPLAY, &replay.to_string())).await {
            Ok(sequence) => {
                // Only saves the look for the message.
                self.write(upload, Some(revision), &Redriven { sequence: Some(sequence), ..now }).await?;
                Ok(Driven::Again { replay })
            }
            Err(PublishError::Full { .. } | PublishError::StreamFull { .. }) => {
                self.write(upload, Some(revision), &Redriven { at: now.at, ..before.clone() }).await?;
                Ok(Driven::Postponed)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Leaves the upload its time to end before it counts as silent again.
    async fn touch(&self, upload: UploadId, seen: &Seen) -> Result<(), KeeperError> {
        self.write(upload, seen.revision, &Redriven { at: Utc::now(), ..seen.record.clone() }).await?;
        Ok(())
    }

    async fn write(
        &self,
        upload: UploadId,
        expected: Option<Revision>,
        record: &Redriven,
    ) -> Result<Option<Revision>, KeeperError> {
        let key = key(upload);
        let value = serde_json::to_vec(record).map_err(|e| crate::books::record(&key, &e.to_string()))?;
        let (ledger, value) = (self.bus.ledger(), Bytes::from(value));
        Ok(match expected {
            None => ledger.create(&key, value).await?,
            Some(revision) => ledger.compare_and_set(&key, revision, value).await?,
        })
    }

    /// The uploader's event as it was, or why it cannot be had.
    async fn event(&self, upload: UploadId, accepted: &Acceptance) -> Result<Result<Envelope, String>, KeeperError> {
        let (ledger, blobs) = (self.bus.ledger(), self.bus.blobs());
        let kept = origin::find(ledger.as_ref(), &accepted.org, accepted.asset_id.as_ref(), upload).await?;
        let Some(kept) = kept else { return Ok(Err("its event was not kept".to_owned())) };
        let envelope = match kept.envelope(blobs.as_ref(), self.event_bytes).await {
            Ok(envelope) => envelope,
            Err(OriginError::Blob(BlobError::Missing(name))) => return Ok(Err(format!("blob {name} is gone"))),
            Err(error) => return Err(error.into()),
        };
        if let Ok(AssetUploaded { content: Content::Blob { name, sha256, size }, .. }) = envelope.data_as() {
            let blob = BlobRef { bucket: Bucket::Originals, name, sha256, size };
            if !blobs.exists(&blob).await? {
                return Ok(Err(format!("blob {} is gone", blob.name)));
            }
        }
        Ok(Ok(envelope))
    }

    async fn publish(&self, accepted: &Acceptance, envelope: Envelope) -> Result<u64, PublishError> {
        let (publisher, org, lane) = (self.bus.publisher(), &accepted.org, accepted.lane);
        let published = if envelope.ty() == events::type_of::<AssetDeleted>() {
            publisher.publish_wish::<AssetDeleted>(org, lane, envelope).await
        } else if envelope.ty() == events::type_of::<OrgPurged>() {
            publisher.publish_wish::<OrgPurged>(org, lane, envelope).await
        } else {
            publisher.publish_asset(org, lane, envelope).await
        };
        published.map(|published| published.sequence)
    }

    /// When every part is accounted for and only the conclusion was lost: a message that changes no part and makes the
    /// writer look.
    async fn conclusion(
        &self,
        upload: UploadId,
        accepted: &Acceptance,
        model: &ModelName,
    ) -> Result<Option<ChunksEmbedded>, KeeperError> {
        let (missing, parts) = self.missing(upload, model).await?;
        let is_complete = parts > 0 && missing.is_empty();
        Ok(is_complete.then(|| failed(upload, accepted, model, (0, parts), "every part is there already")).flatten())
    }

    /// The numbers of parts that nobody accounts for, and how many parts there are; none and 0 when that is not known.
    async fn missing(&self, upload: UploadId, model: &ModelName) -> Result<(Vec<u32>, u32), KeeperError> {
        let ledger = self.bus.ledger();
        let found = Books::new(&ledger).parts(upload, model.as_str()).await?;
        let parts = found.iter().map(|(_, part)| part.parts).max().unwrap_or(0);
        let missing = (0..parts).filter(|n| !found.iter().any(|(number, _)| number == n)).collect();
        Ok((missing, parts))
    }

    /// Every part that is not accounted for is published as failed, so that the writer can make the receipt.
    async fn give_up(&self, upload: UploadId, accepted: &Acceptance, why: &str) -> Result<(), KeeperError> {
        let Some(model) = accepted.model.as_ref() else {
            tracing::error!(org = %accepted.org, job = %upload, why, "a deletion was lost and cannot be driven again");
            return Ok(());
        };
        let (missing, parts) = self.missing(upload, model).await?;
        let missing = if parts == 0 { vec![0] } else { missing };
        for part in missing {
            if let Some(event) = failed(upload, accepted, model, (part, parts.max(1)), why) {
                self.bus.publisher().publish_consequence(StageName::Extractor, &event).await?;
            }
        }
        Ok(())
    }
}

fn failed(
    upload: UploadId,
    accepted: &Acceptance,
    model: &ModelName,
    (part, parts): (u32, u32),
    why: &str,
) -> Option<ChunksEmbedded> {
    let lineage = Lineage {
        org: accepted.org.clone(),
        asset_id: accepted.asset_id.clone()?,
        upload,
        order: accepted.order,
        position: accepted.position,
        lane: accepted.lane,
        model: model.clone(),
        replay: 0,
        accepted_at: accepted.accepted_at,
        title: None,
        source: None,
        traceparent: None,
        trail: Vec::new(),
    };
    let failure = Failure {
        stage: StageName::Extractor,
        class: FailureClass::Rejected,
        code: LOST.to_owned(),
        message: format!("its work was lost on the way, and it cannot be begun anew: {why}"),
    };
    Some(ChunksEmbedded { lineage, document: None, part, parts, outcome: Outcome::Failed(failure) })
}
