//! Writes vectors to the index, decides which upload of an asset is current, and makes its receipt.
//!
//! A part is upserted as staged points, durably, and then gets its key in the ledger. Whoever completes the last part
//! takes the asset's head (a compare-and-set by order), makes the head's points live, retires older ones, and records
//! the receipt. Each step can run any number of times, in any process: a crash anywhere is finished by the redelivery,
//! and until the new points are live the old ones serve. Physical deletion of dead points is not done here.

mod done;
mod error;
mod head;
mod parts;
mod points;
mod receipt;
mod record;
mod stage;

pub use error::WriterError;
pub use head::Head;
pub use parts::{Part, PartOutcome};
pub use points::{Place, Points};
pub use stage::Writer;
