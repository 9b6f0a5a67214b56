//! Models, their ONNX export, execution providers, the tokenizer and the batcher.
//!
//! [`Embedder::open`] opens a model folder on the best provider of this machine; [`catalogue`] provides the folders of
//! the models known by name. The chunker needs only [`tokenizer`]. Nothing here knows the pipeline, the broker or the index.

pub mod batcher;
pub mod bench;
pub mod catalogue;
pub mod export;
pub mod import;
pub mod model;
pub mod provider;
pub mod reference;
pub mod tokenizer;

mod embedder;
mod error;
mod opening;
mod pooling;
mod runtime;

pub use batcher::{Lane, Limits, Vector};
pub use catalogue::{DEFAULT_MODEL, default_model, located_default_model};
pub use embedder::{Embedder, Kind, Options};
pub use error::{Error, Unsupported};
pub use model::{Model, Numerics, Space};
pub use provider::{Libraries, Precision, Provider};
pub use tokenizer::{Tokenizer, Tokens};
