//! Whether the broker syncs every write to disk (`sync_interval: always`). Only its monitoring port tells.

use std::time::Duration;

use serde::Deserialize;

use crate::monitor;

/// What is known about the broker's promise. Only [`Durability::No`] is a reason not to be ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// An acknowledged write survives a power cut.
    Yes,
    /// Acknowledged writes of the last sync interval can be lost.
    No,
    /// Nobody could tell, and why.
    Unknown(String),
}

#[derive(Deserialize)]
struct Varz {
    #[serde(default)]
    jetstream: Jetstream,
}

#[derive(Deserialize, Default)]
struct Jetstream {
    config: Option<JetstreamConfig>,
}

#[derive(Deserialize)]
struct JetstreamConfig {
    #[serde(default)]
    sync_always: bool,
}

/// Asks `/varz` of the monitoring endpoint at `host:port`.
pub(crate) async fn ask(monitor: Option<&str>, patience: Duration) -> Durability {
    match monitor::get(monitor, "/varz", patience).await {
        Ok(body) => read(&body),
        Err(reason) => Durability::Unknown(reason),
    }
}

fn read(body: &[u8]) -> Durability {
    match serde_json::from_slice::<Varz>(body) {
        Ok(Varz { jetstream: Jetstream { config: Some(config) } }) if config.sync_always => Durability::Yes,
        Ok(Varz { jetstream: Jetstream { config: Some(_) } }) => Durability::No,
        Ok(_) => Durability::Unknown("the server has no JetStream".to_owned()),
        Err(error) => Durability::Unknown(format!("unreadable answer: {error}")),
    }
}
