//! Drills over the real program: producers, a fault injector, and an oracle that says afterwards what was owed.
//!
//! Every accepted event is an obligation. After the faults stop, each must have exactly one current receipt, and the index
//! must hold exactly what the workload says. A run in which a kind of fault never struck proved nothing and fails.

mod acks;
pub mod bites;
pub mod cluster;
pub mod drill;
pub mod expect;
pub mod faults;
pub mod injector;
pub mod measure;
pub mod memory;
pub mod observe;
pub mod oracle;
pub mod pool;
pub mod producer;
pub mod proxy;
pub mod reader;
pub mod reference;
pub mod report;
pub mod scenario;
pub mod suite;
pub mod workload;

pub use drill::{Drill, Run};
pub use oracle::Verdict;
pub use report::{Ended, Report, Summary};
pub use scenario::Scenario;
pub use suite::Suite;
