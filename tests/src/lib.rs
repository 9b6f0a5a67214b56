//! What scenarios over the real program share: a client as a user would write one, and documents good and bad.
//!
//! Everything here may panic: a panic is how a scenario says what went wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "scenarios report by panicking")]

pub mod client;
pub mod dead_letters;
pub mod deletion;
pub mod documents;

pub use client::{Client, Upload};
pub use dead_letters::DeadLetter;
