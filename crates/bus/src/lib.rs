//! NATS JetStream: topology, publish-and-confirm, deliveries, dead letters, blobs, ledger, receipts, request-reply.
//!
//! The only crate that names `async_nats`. Callers see typed events, typed errors and the traits of `heimdex-stage`;
//! what to do with a message that failed is decided in `heimdex-runtime`, not here.

pub mod blobs;
mod claim;
pub mod connection;
pub mod dead_letter;
pub mod delivery;
pub mod durability;
pub mod error;
pub mod ledger;
mod link;
pub mod operator;
pub mod options;
pub mod publish;
pub mod pull;
pub mod receipts;
pub mod requests;
pub mod topology;

pub use blobs::ObjectBlobs;
pub use connection::{Bus, QueueState};
pub use dead_letter::{DeadLetter, DeadLetters, StoredDeadLetter, Verdict};
pub use delivery::{Delivery, Incoming, LeaseGuard};
pub use durability::Durability;
pub use error::{AckError, BusError, DecodeError, PublishError};
pub use ledger::KvLedger;
pub use options::{Limits, Options};
pub use publish::{Published, Publisher};
pub use pull::{LanePuller, Pulled, Wait};
pub use receipts::{From as ReceiptsFrom, ReceiptUpdate, Receipts, Scope as ReceiptScope};
pub use requests::{Endpoint, RequestError, Requests, Service, ServiceError, ServiceRequest};
pub use topology::{Difference, TopologyError};
