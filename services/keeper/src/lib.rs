//! The keeper: what nobody's message triggers. It deletes replaced points and blobs when their time has come, tidies the
//! ledger, drives lost work again, and compares an org's index with the list of its source.
//!
//! One keeper works at a time, by a lease in the ledger. The lease only saves work: every action can be done twice, or by
//! two keepers at once, because each is a compare-and-set, an idempotent deletion, or a message with a deterministic id.

mod books;
mod duties;
mod error;
mod lease;
mod metrics;
pub mod reconcile;
pub mod redrive;
mod service;
mod settings;

pub use duties::{Duty, blobs, expiry, points, queues, records, work};
pub use error::KeeperError;
pub use lease::{Fence, Held, LEASE_KEY, Lease};
pub use metrics::{KeeperMetrics, Kind};
pub use service::{Desk, Keeper};
pub use settings::Settings;
