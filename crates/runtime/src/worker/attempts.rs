//! Attempts are ours, not the broker's: its delivery count rises for every message in hand when a process dies, for a
//! drain, for a breaker. One ledger record per troubled message explains its deliveries; what goes well writes nothing.

use std::sync::Arc;

use bytes::Bytes;
use heimdex_bus::Delivery;
use heimdex_schemas::StageName;
use heimdex_stage::{Ledger, LedgerError, Revision};
use serde::{Deserialize, Serialize};

/// What is known of a message that did not go through the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// Deliveries whose outcome is known.
    pub accounted: u64,
    /// How often the handler itself said "later".
    pub attempts: u32,
    /// How often the process died while the message was alone in hand.
    pub deaths: u32,
    /// The message was taken in hand alone and nothing was heard since.
    pub alone: bool,
    /// Its dead letter is written; its data must not be looked at again.
    pub buried: bool,
}

/// A record and its revision in the ledger, `None` when it has none yet.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    pub record: Record,
    revision: Option<Revision>,
}

/// How a delivery must be treated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Treatment {
    Normal(Standing),
    /// Delivered before with no recorded outcome: alone, after a mark.
    Suspect(Standing),
    /// It died alone too often.
    Poison(Standing),
}

/// The records of one stage.
pub(crate) struct Attempts {
    stage: StageName,
    ledger: Arc<dyn Ledger>,
    deaths: u32,
}

impl Attempts {
    pub fn new(stage: StageName, ledger: Arc<dyn Ledger>, deaths: u32) -> Self {
        Self { stage, ledger, deaths }
    }

    /// Looks a delivery up. A first delivery needs no look.
    pub async fn look(&self, delivery: &Delivery) -> Result<Treatment, LedgerError> {
        if delivery.delivered() <= 1 {
            return Ok(Treatment::Normal(Standing::default()));
        }
        let standing = self.read(&self.key(delivery)).await?;
        Ok(judge(standing, delivery.delivered(), self.deaths))
    }

    /// Writes down what became of this delivery; durable when it returns.
    pub async fn write(
        &self,
        delivery: &Delivery,
        standing: &mut Standing,
        change: impl Fn(&mut Record) + Send,
    ) -> Result<(), LedgerError> {
        let key = self.key(delivery);
        loop {
            change(&mut standing.record);
            standing.record.accounted = standing.record.accounted.max(delivery.delivered());
            let value = Bytes::from(serde_json::to_vec(&standing.record).map_err(|e| unreadable(&e))?);
            let written = match standing.revision {
                None => self.ledger.create(&key, value).await?,
                Some(revision) => self.ledger.compare_and_set(&key, revision, value).await?,
            };
            if written.is_some() {
                standing.revision = written;
                return Ok(());
            }
            // Another holder of an expired lease wrote first; its facts stand, ours are added.
            *standing = self.read(&key).await?;
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

fn unreadable(error: &serde_json::Error) -> LedgerError {
    LedgerError::Unavailable(format!("an attempt record: {error}"))
}

fn judge(mut standing: Standing, delivered: u64, limit: u32) -> Treatment {
    let record = &mut standing.record;
    if record.alone {
        record.deaths += 1;
        record.alone = false;
    }
    if record.buried || record.deaths >= limit {
        return Treatment::Poison(standing);
    }
    let is_explained = record.accounted + 1 >= delivered;
    if is_explained && record.deaths == 0 { Treatment::Normal(standing) } else { Treatment::Suspect(standing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(record: Record, delivered: u64) -> &'static str {
        match judge(Standing { record, revision: None }, delivered, 2) {
            Treatment::Normal(_) => "normal",
            Treatment::Suspect(_) => "suspect",
            Treatment::Poison(_) => "poison",
        }
    }

    #[test]
    fn deliveries_without_an_outcome_make_a_suspect() {
        let explained = Record { accounted: 4, attempts: 4, ..Record::default() };
        assert_eq!(judged(Record::default(), 2), "suspect");
        assert_eq!(judged(explained, 5), "normal");
        assert_eq!(judged(explained, 6), "suspect");
    }

    #[test]
    fn two_deaths_alone_are_poison() {
        let first = Record { accounted: 2, alone: true, ..Record::default() };
        assert_eq!(judged(first, 3), "suspect");
        assert_eq!(judged(Record { deaths: 1, ..first }, 4), "poison");
        assert_eq!(judged(Record { deaths: 1, alone: false, ..first }, 3), "suspect");
    }

    #[test]
    fn what_is_buried_is_not_opened_again() {
        assert_eq!(judged(Record { buried: true, accounted: 1, ..Record::default() }, 2), "poison");
    }
}
