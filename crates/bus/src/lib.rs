//! NATS JetStream: topology, publish-and-confirm, deliveries, dead letters, blobs, ledger, receipts, request-reply.
//!
//! The only crate that names `async_nats`. Callers see typed events, typed errors and the traits of `heimdex-stage`;
//! what to do with a message that failed is decided in `heimdex-runtime`, not here.

pub mod blobs;
mod claim;
pub mod connection;
mod content;
pub mod dead_letter;
pub mod delivery;
pub mod depth;
pub mod durability;
pub mod error;
pub mod jobs;
pub mod ledger;
mod link;
mod monitor;
pub mod operator;
pub mod options;
pub mod publish;
pub mod pull;
pub mod queues;
pub mod receipts;
pub mod requests;
mod scan;
pub mod storage;
pub mod topology;
pub mod watch;

pub use blobs::{ObjectBlobs, OrphanPieces};
pub use connection::Bus;
pub use dead_letter::{DeadLetter, DeadLetters, Letter, RawMessage, Resend, StoredDeadLetter, Story, Verdict};
pub use delivery::{Delivery, Incoming, LeaseGuard};
pub use depth::QueueState;
pub use durability::Durability;
pub use error::{AckError, BusError, DecodeError, PublishError};
pub use jobs::{Job, JobState, JobSummary, JobUpdate, Jobs};
pub use ledger::{Change, KvLedger};
pub use options::{Limits, Options};
pub use publish::{Published, Publisher};
pub use pull::{LanePuller, Pulled, Wait};
pub use queues::QueuedUploads;
pub use receipts::{From as ReceiptsFrom, ReceiptClock, ReceiptUpdate, Receipts, Scope as ReceiptScope};
pub use requests::{Endpoint, RequestError, Requests, Service, ServiceError, ServiceRequest};
pub use storage::Storage;
pub use topology::{Difference, TopologyError};
