//! Who is the keeper: one ledger key with the holder, a term that grows by one with each change of hands, and a time
//! until which it holds.
//!
//! Times are compared on different machines' clocks, so two may believe to hold it while their clocks differ. That is
//! allowed: see the crate's promise.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_stage::{Ledger, Revision};
use serde::{Deserialize, Serialize};

use crate::error::KeeperError;

/// Where the lease stands.
pub const LEASE_KEY: &str = "keeper.lease";

/// What stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub holder: String,
    /// The fencing token.
    pub term: u64,
    pub expires_at: DateTime<Utc>,
}

/// One contender.
pub struct Lease {
    ledger: Arc<dyn Ledger>,
    holder: String,
    time: Duration,
}

/// Proof of holding the lease, shared by all that is done under it.
#[derive(Clone)]
pub struct Fence {
    term: u64,
    state: Arc<Mutex<State>>,
}

struct State {
    revision: Revision,
    /// On our own clock, counted from before the write that took it.
    until: Instant,
}

impl Fence {
    /// The fencing token.
    #[must_use]
    pub const fn term(&self) -> u64 {
        self.term
    }

    /// Asked before each action. A process that slept finds here that its time is over.
    ///
    /// # Errors
    /// [`KeeperError::LeaseLost`].
    pub fn check(&self) -> Result<(), KeeperError> {
        if Instant::now() < self.state().until { Ok(()) } else { Err(KeeperError::LeaseLost { term: self.term }) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// `holder` must differ from process to process; the lease holds for `time` after each renewal.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, holder: String, time: Duration) -> Self {
        Self { ledger, holder, time }
    }

    /// Takes the lease if nobody holds it.
    ///
    /// # Errors
    /// [`KeeperError::Ledger`], and [`KeeperError::Record`] for a value that is no lease.
    pub async fn take(&self) -> Result<Option<Fence>, KeeperError> {
        let began = Instant::now();
        let Some((revision, value)) = self.ledger.get(LEASE_KEY).await? else {
            let written = self.ledger.create(LEASE_KEY, self.value(1, Utc::now() + self.time)?).await?;
            return Ok(written.map(|revision| self.fence(1, revision, began)));
        };
        let found: Held = serde_json::from_slice(&value).map_err(|e| unreadable(&e))?;
        // Our own lease under another fence is what a write left whose answer was lost.
        if found.expires_at > Utc::now() && found.holder != self.holder {
            return Ok(None);
        }
        let term = found.term.saturating_add(1);
        let value = self.value(term, Utc::now() + self.time)?;
        let written = self.ledger.compare_and_set(LEASE_KEY, revision, value).await?;
        Ok(written.map(|revision| self.fence(term, revision, began)))
    }

    /// Extends a lease that is still ours. `false` when somebody else has it.
    ///
    /// # Errors
    /// [`KeeperError::Ledger`]; the lease then holds for what is left of its time.
    pub async fn renew(&self, fence: &Fence) -> Result<bool, KeeperError> {
        let began = Instant::now();
        let value = self.value(fence.term, Utc::now() + self.time)?;
        let expected = fence.state().revision;
        match self.ledger.compare_and_set(LEASE_KEY, expected, value).await? {
            None => Ok(false),
            Some(revision) => {
                *fence.state() = State { revision, until: began + self.time };
                Ok(true)
            }
        }
    }

    /// Gives the lease back, so that the next keeper need not wait for its end.
    ///
    /// # Errors
    /// [`KeeperError::Ledger`].
    pub async fn release(&self, fence: &Fence) -> Result<(), KeeperError> {
        let expected = fence.state().revision;
        fence.state().until = Instant::now();
        let value = self.value(fence.term, DateTime::UNIX_EPOCH)?;
        self.ledger.compare_and_set(LEASE_KEY, expected, value).await?;
        Ok(())
    }

    fn value(&self, term: u64, expires_at: DateTime<Utc>) -> Result<Bytes, KeeperError> {
        let held = Held { holder: self.holder.clone(), term, expires_at };
        serde_json::to_vec(&held).map(Bytes::from).map_err(|e| unreadable(&e))
    }

    fn fence(&self, term: u64, revision: Revision, began: Instant) -> Fence {
        Fence { term, state: Arc::new(Mutex::new(State { revision, until: began + self.time })) }
    }
}

fn unreadable(error: &serde_json::Error) -> KeeperError {
    KeeperError::Record { key: LEASE_KEY.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;
    use heimdex_stage::memory::MemoryLedger;

    const LONG: Duration = Duration::from_secs(60);

    fn lease(ledger: &Arc<MemoryLedger>, holder: &str, time: Duration) -> Lease {
        Lease::new(Arc::clone(ledger) as Arc<dyn Ledger>, holder.to_owned(), time)
    }

    #[tokio::test]
    async fn one_holds_it_until_it_gives_it_back() -> Result<(), KeeperError> {
        let ledger = Arc::new(MemoryLedger::default());
        let (a, b) = (lease(&ledger, "a", LONG), lease(&ledger, "b", LONG));
        let first = a.take().await?.unwrap();
        assert!(b.take().await?.is_none() && first.check().is_ok() && first.term() == 1);
        assert!(a.renew(&first).await?);
        a.release(&first).await?;
        let second = b.take().await?.unwrap();
        assert_eq!(second.term(), 2, "each change of hands is a new term");
        assert!(!a.renew(&first).await? && first.check().is_err());
        Ok(())
    }

    #[tokio::test]
    async fn who_slept_past_it_finds_out_before_the_next_action() -> Result<(), KeeperError> {
        let ledger = Arc::new(MemoryLedger::default());
        let (a, b) = (lease(&ledger, "a", Duration::ZERO), lease(&ledger, "b", LONG));
        let slept = a.take().await?.unwrap();
        assert!(matches!(slept.check(), Err(KeeperError::LeaseLost { term: 1 })));
        assert_eq!(b.take().await?.unwrap().term(), 2);
        assert!(!a.renew(&slept).await?);
        Ok(())
    }

    #[tokio::test]
    async fn a_lease_of_ours_that_we_do_not_know_of_is_taken_up_again() -> Result<(), KeeperError> {
        let ledger = Arc::new(MemoryLedger::default());
        let a = lease(&ledger, "a", LONG);
        a.take().await?.unwrap();
        assert_eq!(a.take().await?.unwrap().term(), 2);
        Ok(())
    }
}
