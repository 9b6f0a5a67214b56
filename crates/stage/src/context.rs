//! What a stage may use while it handles one message.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use heimdex_schemas::{Envelope, Lane, Org};
use tokio_util::sync::CancellationToken;

use crate::{Blobs, Ledger};

/// Where a message was first stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The stream's creation time, Unix seconds: a recreated stream has a later one.
    pub epoch: u64,
    pub sequence: u64,
    pub stored_at: DateTime<Utc>,
}

/// One delivery's surroundings.
#[derive(Clone)]
pub struct Context {
    /// CloudEvents attributes of the message (without its data).
    pub envelope: Envelope,
    /// From the subject, which the publisher's permissions pin.
    pub org: Org,
    pub lane: Lane,
    pub position: Position,
    pub blobs: Arc<dyn Blobs>,
    pub ledger: Arc<dyn Ledger>,
    /// Fires when the work is no longer wanted (the lease was lost, the grace period ended).
    pub cancelled: CancellationToken,
}
