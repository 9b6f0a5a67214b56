//! What a collection's writer tells everyone else: what it is busy with, what is wrong, and where its engine is.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use qdrant_edge::EdgeShard;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// What keeps a collection from full service; writers mend it by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Writes are refused until the volume has space again.
    pub storage: Option<String>,
    /// A checkpoint, an optimization or a repair failed and is tried again.
    pub upkeep: Option<String>,
}

impl Troubles {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.storage.is_none() && self.upkeep.is_none()
    }
}

impl fmt::Display for Troubles {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = [&self.storage, &self.upkeep].into_iter().flatten().map(String::as_str).collect();
        out.write_str(&texts.join("; "))
    }
}

/// Where readers find the engine.
#[derive(Debug, Clone)]
enum Place {
    Loaded(Arc<EdgeShard>),
    /// It is on its way out and in again, for this reason.
    Reloading(String),
    Closed,
}

/// One collection's state.
#[derive(Debug)]
pub struct State {
    optimizing: AtomicBool,
    stopping: CancellationToken,
    troubles: Mutex<Troubles>,
    place: watch::Sender<Place>,
}

impl State {
    /// The state of a collection that is being loaded; `closing` ends every collection of the store.
    pub fn new(closing: &CancellationToken) -> Self {
        let place = watch::Sender::new(Place::Reloading("it is opened".into()));
        Self { optimizing: AtomicBool::new(false), stopping: closing.child_token(), troubles: Mutex::default(), place }
    }

    /// Whether an optimization runs.
    pub fn is_optimizing(&self) -> bool {
        self.optimizing.load(Ordering::Relaxed)
    }

    /// Shows whether an optimization runs.
    pub fn set_optimizing(&self, optimizing: bool) {
        self.optimizing.store(optimizing, Ordering::Relaxed);
    }

    /// Whether the collection is to end: long work gives up.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// [`Error::Stopping`] when the collection is to end.
    pub fn go_on(&self) -> Result<()> {
        if self.is_stopping() { Err(Error::Stopping) } else { Ok(()) }
    }

    /// Ends long work, and lets nobody at the engine any more.
    pub fn stop(&self) {
        self.stopping.cancel();
        self.place.send_replace(Place::Closed);
    }

    /// What is wrong.
    pub fn troubles(&self) -> Troubles {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows what is wrong.
    pub fn show(&self, troubles: Troubles) {
        *self.troubles.lock().unwrap_or_else(PoisonError::into_inner) = troubles;
    }

    /// Lets readers at the engine.
    pub fn publish(&self, shard: &Arc<EdgeShard>) {
        self.replace(Place::Loaded(shard.clone()));
    }

    /// Makes readers wait.
    pub fn withdraw(&self, reason: &str) {
        self.replace(Place::Reloading(reason.to_owned()));
    }

    fn replace(&self, next: Place) {
        self.place.send_if_modified(|place| {
            let open = !matches!(place, Place::Closed);
            if open {
                *place = next;
            }
            open
        });
    }

    /// The engine, for a read; waits for a reload as long as `limit`.
    pub async fn engine(&self, limit: Duration) -> Result<Arc<EdgeShard>> {
        let mut places = self.place.subscribe();
        let settled = places.wait_for(|place| !matches!(place, Place::Reloading(_)));
        // The elapsed time and the value are looked at apart: the latter borrows the receiver.
        let _timely = tokio::time::timeout(limit, settled).await.is_ok();
        match self.place.borrow().clone() {
            Place::Loaded(shard) => Ok(shard),
            Place::Reloading(reason) => Err(Error::Reloading(reason)),
            Place::Closed => Err(Error::Stopping),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[tokio::test]
    async fn a_read_waits_for_a_reload_and_is_told_when_it_takes_too_long() {
        let state = State::new(&CancellationToken::new());
        state.withdraw("a planned reason");
        let refused = state.engine(Duration::ZERO).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable);
        assert!(refused.to_string().contains("a planned reason"));
        state.stop();
        assert!(matches!(state.engine(Duration::from_secs(60)).await, Err(Error::Stopping)));
        state.withdraw("too late");
        assert!(matches!(state.engine(Duration::from_secs(60)).await, Err(Error::Stopping)));
    }

    #[test]
    fn the_end_of_the_store_ends_its_collections() {
        let closing = CancellationToken::new();
        let state = State::new(&closing);
        state.go_on().unwrap();
        closing.cancel();
        assert!(state.is_stopping());
    }

    #[test]
    fn troubles_are_told_together() {
        let mut troubles = Troubles { storage: Some("full".into()), ..Troubles::default() };
        assert!(!troubles.is_empty());
        troubles.upkeep = Some("broken".into());
        assert_eq!(troubles.to_string(), "full; broken");
    }
}
