//! Settings of a connection and of the topology it keeps, each with its default.

use std::time::Duration;

/// How one process talks to the broker.
#[derive(Debug, Clone)]
pub struct Options {
    /// Shown by the server beside the connection.
    pub name: String,
    /// Longest wait for an answer of the broker's API.
    pub request_timeout: Duration,
    /// Longest wait for one publish acknowledgement.
    pub publish_timeout: Duration,
    /// How often one publish is sent, always with the same Msg-Id, before it counts as unavailable.
    pub publish_attempts: u32,
    /// Data of uploads above this many bytes travels as a blob.
    pub public_inline_bytes: usize,
    /// Data of internal events above this many bytes travels as a blob.
    pub inline_bytes: usize,
    /// Largest blob that is written or read, in bytes.
    pub blob_bytes: u64,
    /// Longest time to read one blob.
    pub blob_timeout: Duration,
    /// `host:port` of the server's monitoring endpoint; tells whether streams are synced on every write.
    pub monitor: Option<String>,
    /// Interactive uploads of one org that may wait at the first stage; what it publishes beyond goes in lane bulk.
    pub org_interactive_depth: u64,
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "heimdex".to_owned(),
            request_timeout: Duration::from_secs(5),
            publish_timeout: Duration::from_secs(5),
            publish_attempts: 3,
            public_inline_bytes: 64 * 1024,
            inline_bytes: 512 * 1024,
            blob_bytes: 256 * 1024 * 1024,
            blob_timeout: Duration::from_secs(60),
            monitor: None,
            org_interactive_depth: 100,
            limits: Limits::default(),
        }
    }
}

/// Settings that the streams and consumers are created with and checked against.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long the broker waits for an ack or a sign of life before it redelivers.
    pub ack_wait: Duration,
    /// Delayed naks hold these slots, so it is far above what can be waiting (at least 10,000).
    pub max_ack_pending: i64,
    /// Uploads one org may have waiting in one lane; the next is refused.
    pub org_depth: i64,
    /// How long the broker remembers a Msg-Id.
    pub duplicate_window: Duration,
    /// Copies of every stream.
    pub replicas: usize,
    /// Dead letters kept; when full, stages pause instead of losing one.
    pub dead_letters: i64,
    pub dead_letter_age: Duration,
    pub receipt_age: Duration,
    pub progress_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            ack_wait: Duration::from_secs(30),
            max_ack_pending: 20_000,
            org_depth: 100_000,
            duplicate_window: Duration::from_secs(120),
            replicas: 1,
            dead_letters: 1_000_000,
            dead_letter_age: DAY * 30,
            receipt_age: DAY * 7,
            progress_age: DAY,
        }
    }
}
