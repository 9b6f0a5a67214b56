//! Models, their ONNX export, execution providers, the tokenizer and the batcher.

pub mod tokenizer;

mod error;

pub use error::Error;
