//! What a stage author needs: the `Stage` trait, error classes, and the `Context` a stage works with.
//!
//! Knows no broker. Blobs, the ledger and cancellation are traits here; `heimdex-bus` implements them on NATS and
//! `memory` implements the ledger and blobs for stage tests, held to the same conformance suite.

pub mod accept;
pub mod blobs;
pub mod conformance;
pub mod context;
pub mod dead_letters;
pub mod done;
pub mod error;
pub mod failpoint;
pub mod head;
pub mod ledger;
pub mod memory;
pub mod origin;
pub mod tombstone;

pub use accept::{AcceptError, Acceptance};
pub use blobs::{BlobError, BlobInfo, BlobRef, Blobs, Bucket};
pub use context::{Context, Position};
pub use dead_letters::{DeadLetterBin, DeadLettersUnavailable};
pub use done::Done;
pub use error::{Class, Classify, STORAGE_FULL};
pub use head::Head;
pub use heimdex_schemas::{Event, StageName};
pub use ledger::{Ledger, LedgerError, Revision};
pub use origin::{Origin, OriginError};
pub use tombstone::Tombstone;

use std::future::Future;

/// One step of the pipeline. `handle` may run many times for one input and must give the same outputs each time.
pub trait Stage: Send + Sync + 'static {
    type In: Event;
    type Out: Event;
    type Error: Classify;
    /// Durable consumer, metric label, span name.
    const NAME: StageName;

    fn handle(
        &self,
        ctx: &Context,
        input: Self::In,
    ) -> impl Future<Output = Result<Vec<Self::Out>, Self::Error>> + Send;

    /// The outputs that `handle` made for this message are stored for good: what it kept to resume its work may go.
    fn published(&self, _ctx: &Context) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
