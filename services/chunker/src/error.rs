//! Why a document could not be chunked.

use heimdex_schemas::ModelName;
use heimdex_stage::{Class, Classify};

use crate::tokens::TokenizerError;

/// Chunking failed; no variant is worth a retry of the same input except a lost worker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A single character is more than a whole chunk may hold.
    #[error("the character at byte {at} has {tokens} tokens, a chunk may have {max_tokens}")]
    Indivisible { at: usize, tokens: usize, max_tokens: usize },
    #[error("the document asks for model {asked}, this chunker cuts for {serves}")]
    OtherModel { asked: ModelName, serves: ModelName },
    #[error("the document has {0} chunks, more than can be numbered")]
    TooManyChunks(usize),
    /// The blocking task ended without a result: the process is going down.
    #[error("the chunking task was lost: {0}")]
    Lost(#[from] tokio::task::JoinError),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Tokenizer(_) | Self::Indivisible { .. } | Self::OtherModel { .. } | Self::TooManyChunks(_) => {
                Class::Permanent
            }
            Self::Lost(_) => Class::Transient,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Tokenizer(_) => "tokenizer",
            Self::Indivisible { .. } => "indivisible",
            Self::OtherModel { .. } => "unknown_model",
            Self::TooManyChunks(_) => "too_many_chunks",
            Self::Lost(_) => "task_lost",
        }
    }
}
