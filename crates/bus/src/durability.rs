//! Whether the broker syncs every write to disk (`sync_interval: always`). Only its monitoring port tells.

use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest answer read, in bytes.
const ANSWER_BYTES: u64 = 1024 * 1024;

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
    let Some(address) = monitor else {
        return Durability::Unknown("no monitoring address is set".to_owned());
    };
    match tokio::time::timeout(patience, fetch(address)).await {
        Ok(Ok(body)) => read(&body),
        Ok(Err(error)) => Durability::Unknown(format!("{address}: {error}")),
        Err(_) => Durability::Unknown(format!("{address}: timed out")),
    }
}

async fn fetch(address: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /varz HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn read(answer: &[u8]) -> Durability {
    let body = answer.windows(4).position(|w| w == b"\r\n\r\n").and_then(|at| answer.get(at + 4..));
    let Some(body) = body else { return Durability::Unknown("not an HTTP answer".to_owned()) };
    match serde_json::from_slice::<Varz>(body) {
        Ok(Varz { jetstream: Jetstream { config: Some(config) } }) if config.sync_always => Durability::Yes,
        Ok(Varz { jetstream: Jetstream { config: Some(_) } }) => Durability::No,
        Ok(_) => Durability::Unknown("the server has no JetStream".to_owned()),
        Err(error) => Durability::Unknown(format!("unreadable answer: {error}")),
    }
}
