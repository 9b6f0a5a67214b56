//! A suspect is handled alone: nothing else is in hand in the process while it runs, so a death has one cause.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Admission to the process's only body. Fair: a waiting suspect is not overtaken.
#[derive(Debug, Clone, Default)]
pub struct Isolation(Arc<RwLock<()>>);

/// Held while a message is in hand.
#[derive(Debug)]
#[expect(dead_code, reason = "the guards are held for their drop")]
pub(crate) enum Held {
    Together(OwnedRwLockReadGuard<()>),
    Alone(OwnedRwLockWriteGuard<()>),
}

impl Isolation {
    pub(crate) async fn together(&self) -> Held {
        Held::Together(Arc::clone(&self.0).read_owned().await)
    }

    /// Waits until nothing else is in hand.
    pub(crate) async fn alone(&self) -> Held {
        Held::Alone(Arc::clone(&self.0).write_owned().await)
    }
}
