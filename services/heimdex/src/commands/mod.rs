//! One module per command; each parses nothing and decides nothing that a library crate could.

pub mod bench;
pub mod chunk;
pub mod delete;
pub mod demo;
pub mod dlq;
pub mod doctor;
pub mod eval;
pub mod extract;
pub mod ingest;
pub mod jobs;
pub mod models;
pub mod provision;
pub mod reconcile;
pub mod search;
pub mod store;
pub mod token;
pub mod up;
