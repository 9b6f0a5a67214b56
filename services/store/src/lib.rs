//! Qdrant's engine behind Qdrant's own gRPC API, with its own redo log.
//!
//! [`serve`] runs the store on a socket. An answered write is durable: it was appended to the collection's redo log and
//! synced before it was applied. One thread per collection writes, a bounded pool reads, and optimization runs beside
//! both. What a caller asks for and this store does not have is answered UNIMPLEMENTED with its name.

mod collection;
mod config;
mod convert;
mod durable;
mod error;
mod failpoint;
mod redo;
mod registry;
mod retry;
mod search_pool;
mod server;
mod service;
mod store;
mod volume;

pub use config::{Config, ConfigError};
pub use error::Error;
pub use redo::RedoError;
pub use server::serve;

/// What to add to a log filter. Each time the engine looks at its feature flags it warns that its server has not set them,
/// and nobody outside the engine can: the call that does is private. Its defaults are the server's.
pub const LOG_FILTER: &str = "qdrant_edge::common::flags=off";
