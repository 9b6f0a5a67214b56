//! Adds dense and sparse vectors to chunks.
//!
//! The dense vector is the model's, batched with all other work of the process; the sparse one is BM25 over the same
//! text. A chunk that cannot be embedded is listed as missing and never fails its neighbours. A chunk that the asset's
//! current upload has, too, keeps its dense vector.

mod error;
mod known;
mod stage;

pub use error::EmbedderError;
pub use known::Known;
pub use stage::EmbedderStage;
