//! Exports an encoder of the BERT family from safetensors to ONNX (opset 17, 32-bit or 16-bit floats).
//!
//! Inputs `input_ids` and `attention_mask`, both `int64 [batch, sequence]`; output `last_hidden_state`,
//! `float [batch, sequence, hidden]`, 32-bit always. Pooling and normalization stay outside, in [`crate::pooling`], so
//! that they run in full precision whatever the provider does.

mod blocks;
mod config;
mod encoder;
mod graph;
mod relative;
mod weights;

pub(crate) use blocks::{BLOCK, BLOCKS_SUFFIX, Blocks, SCALES_SUFFIX};
pub use config::{Architecture, EncoderConfig};
pub use encoder::export;
pub use graph::Float;
pub(crate) use weights::WORD_TABLE;
pub use weights::Weights;

/// Name of the token id input.
pub const INPUT_IDS: &str = "input_ids";
/// Name of the mask input: 1 for real tokens, 0 for padding.
pub const ATTENTION_MASK: &str = "attention_mask";
/// Name of the output.
pub const LAST_HIDDEN_STATE: &str = "last_hidden_state";

/// Changes whenever the exported graph does, so that models imported by an older one are exported again.
pub const EXPORT_VERSION: u32 = 2;
