//! Development only: real servers on free ports, a stage harness without a broker, and polling assertions.
//!
//! Everything here may panic: a panic is how a test says what went wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code reports by panicking")]

pub mod child;
mod eventually;
pub mod harness;
pub mod heimdex;
pub mod nats;

pub use child::Child;
pub use harness::{StageHarness, envelope, lineage};
pub use nats::NatsServer;
