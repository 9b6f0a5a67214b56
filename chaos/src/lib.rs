//! Drills over the real program: a producer, a fault injector, and an oracle that says afterwards what was owed.
//!
//! Every accepted upload is an obligation. After the faults stop, each must have exactly one current receipt, and the
//! index must hold exactly what a run without faults leaves there. A drill that did not strike every kind of fault
//! proved nothing and fails.

pub mod documents;
pub mod drill;
pub mod faults;
pub mod logs;
pub mod observe;
pub mod oracle;
pub mod producer;
pub mod report;
pub mod settings;

pub use drill::{Run, disturbed, undisturbed};
pub use faults::Fault;
pub use observe::Observation;
pub use oracle::Verdict;
pub use report::Report;
pub use settings::Settings;
