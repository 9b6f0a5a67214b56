//! Whether the broker has room: told by a refused write, and by the health page of its monitoring port.
//!
//! At its own limit (`max_file_store`) the broker refuses with an error and goes on by itself when space returns. On a
//! full disk it stops answering for the stream that it could not write, until it is restarted; only the health page
//! says why (nats-server 2.15.1).

use std::fmt::Display;
use std::time::Duration;

use crate::monitor;

/// What the client and the server say when a limit or a disk is full. Errors of the object store are text alone.
const FULL: [&str; 3] = ["insufficient resources", "insufficient storage", "no space left on device"];

/// What is known about the broker's storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// Every stream can be written.
    Writable,
    /// A stream cannot be written, and why.
    Full(String),
    /// Nobody could tell, and why.
    Unknown(String),
}

/// Whether a write failed for want of room.
pub(crate) fn is_full(error: &impl Display) -> bool {
    let text = error.to_string();
    FULL.iter().any(|mark| text.contains(mark))
}

/// What the server that is monitored at `address` says of its storage.
pub async fn of_server(address: &str, patience: Duration) -> Storage {
    ask(Some(address), patience).await
}

/// Asks `/healthz` of the monitoring endpoint at `host:port`.
pub(crate) async fn ask(monitor: Option<&str>, patience: Duration) -> Storage {
    match monitor::get(monitor, "/healthz", patience).await {
        Ok(body) => read(&String::from_utf8_lossy(&body)),
        Err(reason) => Storage::Unknown(reason),
    }
}

fn read(body: &str) -> Storage {
    if is_full(&body) { Storage::Full(body.trim().to_owned()) } else { Storage::Writable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_trouble() {
        let full = r#"{"status":"unavailable","error":"JetStream stream '$G > B' write error: write 2.blk: no space left on device"}"#;
        assert!(matches!(read(full), Storage::Full(_)));
        assert_eq!(read(r#"{"status":"ok"}"#), Storage::Writable);
        assert!(is_full(&"failed getting chunk ack: nats: insufficient resources (10023)"));
        assert!(!is_full(&"timed out"));
    }
}
