//! Reconciliation: what an org's source says it has, against what the index has.
//!
//! The comparison changes nothing. A repair publishes what an uploader could have published: deletions of what the source
//! does not know, and the kept events of what is not there.

mod compare;
mod examine;
mod manifest;
mod repair;

pub use compare::{Drift, Finding, Report, Tally};
pub use examine::Reconciliation;
pub use manifest::{Entry, Manifest, ManifestError};
pub use repair::{Action, Repair};
