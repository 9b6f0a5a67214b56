//! Health: what is alive, what is ready, and what is missing, by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// What is known of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum State {
    Yes,
    /// Not ready, and why. Blocks readiness.
    No(String),
    /// Nobody could tell, and why. Does not block readiness.
    Unknown(String),
    /// It will not get better by waiting: the process should be restarted.
    Failed(String),
}

/// The components of one process. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Health {
    components: Arc<Mutex<BTreeMap<String, State>>>,
}

/// What `/readyz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub ready: bool,
    pub components: BTreeMap<String, State>,
}

impl Health {
    /// Says how `component` is. A component that failed stays failed.
    pub fn set(&self, component: &str, state: State) {
        let mut components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = components.entry(component.to_owned()).or_insert_with(|| State::Unknown("new".to_owned()));
        if !matches!(slot, State::Failed(_)) && *slot != state {
            tracing::info!(component, ?state, "health");
            *slot = state;
        }
    }

    /// Whether the process is worth keeping.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.report().components.values().any(|state| matches!(state, State::Failed(_)))
    }

    #[must_use]
    pub fn report(&self) -> Report {
        let components = self.components.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ready = components.values().all(|state| matches!(state, State::Yes | State::Unknown(_)));
        Report { ready, components }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_no_and_failed_block() {
        let health = Health::default();
        assert!(health.report().ready);
        health.set("durability", State::Unknown("no monitoring address".to_owned()));
        health.set("broker", State::Yes);
        assert!(health.report().ready && health.is_alive());
        health.set("broker", State::No("disconnected".to_owned()));
        assert!(!health.report().ready && health.is_alive());
        health.set("broker", State::Yes);
        assert!(health.report().ready);
    }

    #[test]
    fn what_failed_stays_failed() {
        let health = Health::default();
        health.set("stage", State::Failed("its consumer was deleted".to_owned()));
        health.set("stage", State::Yes);
        assert!(!health.is_alive() && !health.report().ready);
    }
}
