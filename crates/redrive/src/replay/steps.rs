//! The steps of replaying one letter. Each may be the last one before a crash.

use chrono::{DateTime, Utc};
use heimdex_bus::{Letter, PublishError, Published, Resend};
use heimdex_schemas::subject::Address;
use heimdex_schemas::{FailureClass, StageName};
use heimdex_stage::origin::{self, Origin};
use serde::{Deserialize, Serialize};

use super::plan::Planned;
use crate::{Redrive, RedriveError, record};

/// That a letter is being, or was, replayed: `redriven.<letter>` in the ledger. It stays when the letter is gone, as a
/// piece of the message's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub run: String,
    /// `user@host`.
    pub by: String,
    pub at: DateTime<Utc>,
    pub subject: String,
    pub msg_id: String,
    pub replay: u32,
    /// The letter stays in the stream afterwards.
    pub keep: bool,
    /// When the broker had confirmed it.
    pub sent: Option<DateTime<Utc>>,
    /// What the letter said.
    pub failed_at: DateTime<Utc>,
    pub stage: Option<StageName>,
    pub class: Option<FailureClass>,
    pub code: String,
    pub message: String,
    pub fingerprint: String,
    /// The letter before this one in the message's history.
    pub previous: Option<String>,
}

/// What the first step found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// The message must be sent.
    Send,
    /// Somebody has sent it since it was planned.
    Sent,
}

impl Mark {
    pub(super) fn key(letter: &Letter) -> String {
        Self::key_of(&letter.id())
    }

    pub(crate) fn key_of(letter: &str) -> String {
        format!("redriven.{letter}")
    }

    /// Of a letter that is to be sent to a subject under a Msg-Id as its nth replay.
    pub(super) fn of(letter: &Letter, run: &str, by: &str, (subject, msg_id, replay): (&str, &str, u32)) -> Self {
        Self {
            run: run.to_owned(),
            by: by.to_owned(),
            at: Utc::now(),
            subject: subject.to_owned(),
            msg_id: msg_id.to_owned(),
            replay,
            keep: false,
            sent: None,
            failed_at: letter.stored_at,
            stage: letter.stage,
            class: letter.class,
            code: letter.code.clone(),
            message: letter.message.clone(),
            fingerprint: letter.fingerprint.clone(),
            previous: letter.replayed_from.clone(),
        }
    }
}

impl Redrive {
    /// First step: says in the ledger what will be sent.
    ///
    /// # Errors
    /// [`RedriveError::Ledger`].
    pub async fn intend(&self, planned: &Planned, run: &str, keep: bool) -> Result<Intent, RedriveError> {
        let Planned { letter, subject, msg_id, replay } = planned;
        let key = Mark::key(letter);
        let mark = Mark { keep, ..Mark::of(letter, run, &self.by, (subject, msg_id, *replay)) };
        loop {
            if record::create(self.ledger.as_ref(), &key, &mark).await?.is_some() {
                return Ok(Intent::Send);
            }
            let Some((revision, found)) = record::read::<Mark>(self.ledger.as_ref(), &key).await? else { continue };
            if found.msg_id == mark.msg_id {
                return Ok(if found.sent.is_some() { Intent::Sent } else { Intent::Send });
            }
            if found.replay >= mark.replay {
                return Ok(Intent::Sent);
            }
            if record::replace(self.ledger.as_ref(), &key, revision, &mark).await?.is_some() {
                return Ok(Intent::Send);
            }
        }
    }

    /// Second step: sends the message. `letter` is the planned one, read whole.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn send(&self, planned: &Planned, letter: &Letter) -> Result<Published, RedriveError> {
        if planned.starts_anew() {
            return self.begin_anew(planned).await;
        }
        let message = self.letters.message(letter).await?;
        self.pin(&planned.subject, letter, &message).await?;
        let resend = Resend {
            letter,
            message,
            subject: planned.subject.clone(),
            msg_id: planned.msg_id.clone(),
            replay: planned.replay,
        };
        Ok(self.letters.resend(resend).await?)
    }

    async fn begin_anew(&self, planned: &Planned) -> Result<Published, RedriveError> {
        let gone = || RedriveError::NoLetter(planned.letter.sequence);
        let original = self.original(&planned.letter).await?.ok_or_else(gone)?;
        let envelope = original.envelope(self.bus.blobs().as_ref(), u64::MAX).await?.as_replay(planned.replay);
        let to: Address =
            planned.subject.parse().map_err(heimdex_bus::DecodeError::from).map_err(RedriveError::Data)?;
        Ok(self.bus.publisher().publish_asset(&to.org, to.lane, envelope).await?)
    }

    /// The event that a letter's upload began with.
    pub(super) async fn original(&self, letter: &Letter) -> Result<Option<Origin>, RedriveError> {
        let (Some(org), Some(upload)) = (&letter.org, letter.upload) else { return Ok(None) };
        Ok(origin::find(self.ledger.as_ref(), org, letter.asset.as_ref(), upload).await?)
    }

    /// Third step: says that it was sent.
    ///
    /// # Errors
    /// [`RedriveError::Ledger`].
    pub async fn confirm(&self, planned: &Planned) -> Result<(), RedriveError> {
        let key = Mark::key(&planned.letter);
        while let Some((revision, mark)) = record::read::<Mark>(self.ledger.as_ref(), &key).await? {
            if mark.msg_id != planned.msg_id || mark.sent.is_some() {
                break;
            }
            let sent = Mark { sent: Some(Utc::now()), ..mark };
            if record::replace(self.ledger.as_ref(), &key, revision, &sent).await?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Last step: the letter has done its duty.
    ///
    /// # Errors
    /// [`RedriveError::Bus`].
    pub async fn retire(&self, letter: &Letter) -> Result<(), RedriveError> {
        self.letters.remove(letter).await?;
        Ok(())
    }
}

/// Whether a message that could not be sent may be sent later as it is.
pub(super) fn is_temporary(error: &RedriveError) -> bool {
    use heimdex_stage::{Class, Classify as _};
    match error {
        RedriveError::Publish(PublishError::NoStream { .. } | PublishError::Refused { .. }) => false,
        RedriveError::Bus(heimdex_bus::BusError::Missing { .. }) => false,
        error => error.class() == Class::Unavailable,
    }
}
