//! Attempts are ours, not the broker's: its delivery count rises for every message in hand when a process dies, for a
//! drain, for a breaker. One ledger record per troubled message explains its deliveries; what goes well writes nothing,
//! and what is settled for good leaves nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use heimdex_bus::Delivery;
use heimdex_schemas::StageName;
use heimdex_stage::{Ledger, LedgerError, Revision};
use serde::{Deserialize, Serialize};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// How often a write that nobody answered is looked up and tried again before the ledger counts as away.
const RETRIES: u32 = 2;

/// What is known of a message that did not go through the first time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// Deliveries whose outcome is known.
    pub accounted: u64,
    /// How often the handler itself said "later".
    pub attempts: u32,
    /// Who has it in hand alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alone: Option<Mark>,
    /// Processes that went silent with the message alone in hand. One that is heard from again takes itself out.
    pub died: BTreeSet<Uuid>,
    /// Its dead letter is written; its data must not be looked at again.
    pub buried: bool,
}

/// A process that took a message in hand alone, and when it was last heard from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub holder: Uuid,
    pub at: DateTime<Utc>,
}

/// A record and its revision in the ledger, `None` when it has none yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub record: Record,
    revision: Option<Revision>,
}

/// How a delivery must be treated.
#[derive(Debug, Clone)]
pub(crate) enum Treatment {
    Normal(Standing),
    /// Delivered before, too often without an outcome: alone, after a mark.
    Suspect(Standing),
    /// Another process that may be alive has it in hand alone; look again after this long.
    Held(Duration),
    /// It died alone too often.
    Poison(Standing),
}

/// What a delivery is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// This process.
    pub holder: Uuid,
    /// Deaths with the message alone in hand that make it poison.
    pub deaths: usize,
    /// Deliveries without an outcome after which it still is handled in company.
    pub company: u64,
    /// How long a mark's holder may be silent before it counts as dead.
    pub patience: Duration,
}

/// The records of one stage.
#[derive(Clone)]
pub(crate) struct Attempts {
    stage: StageName,
    ledger: Arc<dyn Ledger>,
    rules: Rules,
}

impl Attempts {
    pub fn new(stage: StageName, ledger: Arc<dyn Ledger>, rules: Rules) -> Self {
        Self { stage, ledger, rules }
    }

    /// Looks a delivery up. A first delivery needs no look.
    pub async fn look(&self, delivery: &Delivery) -> Result<Treatment, LedgerError> {
        if delivery.delivered() <= 1 {
            return Ok(Treatment::Normal(Standing::default()));
        }
        let standing = self.read(&self.key(delivery)).await?;
        Ok(judge(standing, delivery.delivered(), &self.rules, Utc::now()))
    }

    /// Marks the message as alone in hand, here. The mark is kept fresh until the guard is dropped.
    pub async fn mark(
        &self,
        delivery: &Delivery,
        standing: &mut Standing,
    ) -> Result<AbortOnDropHandle<()>, LedgerError> {
        let holder = self.rules.holder;
        let alone = move |record: &mut Record| record.alone = Some(Mark { holder, at: Utc::now() });
        self.write(delivery, standing, alone).await?;
        let (attempts, key) = (self.clone(), self.key(delivery));
        Ok(AbortOnDropHandle::new(tokio::spawn(async move { attempts.keep_fresh(&key).await })))
    }

    /// Writes down what became of this delivery, by a process that is alive; durable when it returns.
    pub async fn write(
        &self,
        delivery: &Delivery,
        standing: &mut Standing,
        change: impl Fn(&mut Record) + Send,
    ) -> Result<(), LedgerError> {
        let key = self.key(delivery);
        let change = |record: &mut Record| {
            record.accounted = record.accounted.max(delivery.delivered());
            record.died.remove(&self.rules.holder);
            change(record);
        };
        let mut tries = 0;
        loop {
            let before = standing.record.clone();
            change(&mut standing.record);
            if standing.revision.is_some() && tries > 0 && standing.record == before {
                // The write that nobody answered had arrived.
                return Ok(());
            }
            match self.put(&key, standing).await {
                Ok(Some(revision)) => {
                    standing.revision = Some(revision);
                    return Ok(());
                }
                // Another holder of an expired lease wrote first; its facts stand, ours are added.
                Ok(None) => {}
                Err(LedgerError::Unavailable(reason)) if tries < RETRIES => {
                    tracing::debug!(reason, key, "an attempt record was not confirmed, looking it up");
                }
                Err(error) => return Err(error),
            }
            tries += 1;
            *standing = self.read(&key).await?;
        }
    }

    /// The message is settled for good, and nothing needs to be known of it any more. Best effort: a record that stays
    /// is one that the broker's sequence has left behind.
    pub async fn forget(&self, delivery: &Delivery, standing: &Standing) {
        if delivery.delivered() <= 1 && standing.revision.is_none() {
            return;
        }
        if let Err(error) = self.remove(&self.key(delivery)).await {
            tracing::debug!(%error, "the record of a settled message is left over");
        }
    }

    async fn remove(&self, key: &str) -> Result<(), LedgerError> {
        for _ in 0..=RETRIES {
            let Some((revision, _)) = self.ledger.get(key).await? else { return Ok(()) };
            if self.ledger.delete(key, revision).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Renews our mark at a quarter of what others wait for, until it is not ours any more.
    async fn keep_fresh(&self, key: &str) {
        loop {
            tokio::time::sleep(self.rules.patience / 4).await;
            let Ok(mut standing) = self.read(key).await else { continue };
            match standing.record.alone.as_mut().filter(|mark| mark.holder == self.rules.holder) {
                Some(mark) => mark.at = Utc::now(),
                None => return,
            }
            let _ = self.put(key, &standing).await;
        }
    }

    async fn put(&self, key: &str, standing: &Standing) -> Result<Option<Revision>, LedgerError> {
        let value = Bytes::from(serde_json::to_vec(&standing.record).map_err(|e| unreadable(&e))?);
        match standing.revision {
            None => self.ledger.create(key, value).await,
            Some(revision) => self.ledger.compare_and_set(key, revision, value).await,
        }
    }

    async fn read(&self, key: &str) -> Result<Standing, LedgerError> {
        match self.ledger.get(key).await? {
            None => Ok(Standing::default()),
            Some((revision, value)) => {
                let record = serde_json::from_slice(&value).map_err(|e| unreadable(&e))?;
                Ok(Standing { record, revision: Some(revision) })
            }
        }
    }

    fn key(&self, delivery: &Delivery) -> String {
        let position = delivery.position();
        format!("attempt.{}.{}-{}", self.stage, position.epoch, position.sequence)
    }
}

/// Heard from: the process outlived this delivery. A mark of another process is that one's to clear.
pub(crate) fn clear(record: &mut Record, holder: Uuid) {
    record.alone = record.alone.filter(|mark| mark.holder != holder);
}

fn unreadable(error: &serde_json::Error) -> LedgerError {
    LedgerError::Unavailable(format!("an attempt record: {error}"))
}

fn judge(mut standing: Standing, delivered: u64, rules: &Rules, now: DateTime<Utc>) -> Treatment {
    let record = &mut standing.record;
    let mark = record.alone.take();
    if let Some(Mark { holder, at }) = mark.filter(|mark| mark.holder != rules.holder) {
        match silence_left(at, rules.patience, now) {
            Some(left) => return Treatment::Held(left),
            None => record.died.insert(holder),
        };
    }
    if record.buried || record.died.len() >= rules.deaths {
        return Treatment::Poison(standing);
    }
    let unexplained = delivered.saturating_sub(1).saturating_sub(record.accounted);
    // Our own mark is that of a copy in this very process, and that is no death.
    let is_suspect = mark.is_some() || unexplained > rules.company || !record.died.is_empty();
    if is_suspect { Treatment::Suspect(standing) } else { Treatment::Normal(standing) }
}

/// How long a holder that was last heard from at `at` may still be silent; a clock that is ahead of ours gives it no more
/// than all of it.
fn silence_left(at: DateTime<Utc>, patience: Duration, now: DateTime<Utc>) -> Option<Duration> {
    let silent = now.signed_duration_since(at).max(TimeDelta::zero()).to_std().unwrap_or_default();
    patience.checked_sub(silent).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests;
