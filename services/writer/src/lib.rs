//! Writes vectors to the index, decides which upload of an asset is current, deletes assets, and makes receipts.
//!
//! A part is upserted as staged points, durably, and then gets its key in the ledger. Whoever completes the last part
//! takes the asset's head (a compare-and-set by order), makes the head's points live, retires older ones, supersedes
//! their receipts and records its own. A deletion puts up a tombstone, then removes what it covers. Each step can run any
//! number of times, in any process: a crash anywhere is finished by the redelivery, and until new points are live the
//! old ones serve. Points that were replaced, not deleted, are removed from disk elsewhere.

mod conclude;
mod done;
mod erase;
mod error;
mod fence;
mod job;
mod parts;
mod points;
mod receipt;
mod record;
mod remains;
mod stage;
mod times;
mod tombstones;

pub use erase::{Eraser, Purger};
pub use error::WriterError;
pub use parts::{Part, PartOutcome};
pub use points::{Place, Points};
pub use stage::Writer;
