//! What can go wrong between a text and its vector.

use std::path::PathBuf;

/// A failure of a model, its runtime, or one text. `Clone`, because a failing batch fails several callers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The text does not fit the model's window; nothing is ever truncated silently.
    #[error("{tokens} tokens, but the model takes at most {limit}")]
    TooLong {
        /// Tokens of the text, special tokens included.
        tokens: usize,
        /// The model's window.
        limit: usize,
    },
    /// The model answered with a number that is not finite.
    #[error("the model gave a vector that is not finite")]
    NotFinite,
    /// Not even this one text alone fits into memory.
    #[error("out of memory while embedding {tokens} tokens: {message}")]
    OutOfMemory {
        /// Tokens of the text.
        tokens: usize,
        /// What the runtime said.
        message: String,
    },
    /// The runtime failed on this text alone.
    #[error("the runtime failed on this text: {0}")]
    Inference(String),
    /// The session is gone (its thread ended, or the device was lost); it has to be opened again.
    #[error("the embedding session is gone: {0}")]
    ProviderLost(String),
    /// The provider asked for cannot run here.
    #[error("provider {provider} is not available: {reason}")]
    ProviderUnavailable {
        /// The provider.
        provider: &'static str,
        /// Why not.
        reason: String,
    },
    /// A second runtime library was asked for in one process.
    #[error(
        "this process already runs {}; {} needs a process of its own", loaded.display(), wanted.display()
    )]
    OtherLibraryLoaded {
        /// The library in use.
        loaded: PathBuf,
        /// The one that was asked for.
        wanted: PathBuf,
    },
    /// The vectors differ from the stored reference: the model or the provider is not what it claims to be.
    #[error("reference vectors come out at cosine {cosine:.6}, below {bar}")]
    ReferenceMismatch {
        /// The lowest cosine of all reference texts.
        cosine: f32,
        /// What it has to reach.
        bar: f32,
    },
    /// The tokenizer could not be loaded or failed.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The model folder is not usable.
    #[error("model {}: {reason}", path.display())]
    Model {
        /// The folder or file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The folder holds a model that Heimdex does not know how to run.
    #[error("model {}: {what}", path.display())]
    Unsupported {
        /// The folder or file.
        path: PathBuf,
        /// What of it.
        what: Unsupported,
    },
    /// The file system failed.
    #[error("{}: {message}", path.display())]
    Io {
        /// On what.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
}

/// What of a sentence-transformers folder cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// `model_type` of `config.json`.
    #[error("model type {0} is none of bert, roberta, xlm-roberta, camembert, mpnet")]
    Architecture(String),
    /// `hidden_act` of `config.json`.
    #[error("activation {0} is not gelu")]
    Activation(String),
    /// Kind or number of positions.
    #[error("position embeddings {0} are not absolute, or there are none")]
    Positions(String),
    /// Something other than mean or cls.
    #[error("pooling by {0} is neither mean nor cls")]
    Pooling(String),
    /// A module of `modules.json` that changes vectors in a way not known here.
    #[error("module {0} is none of Transformer, Pooling, Normalize")]
    Module(String),
    /// Weights that are not one safetensors file of the architecture's tensors.
    #[error("weights: {0}")]
    Weights(String),
    /// Texts are changed before they are tokenized, or there is no `tokenizer.json`.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
}

impl Unsupported {
    /// The error that names where it was found.
    pub(crate) fn at(self, path: impl Into<PathBuf>) -> Error {
        Error::Unsupported { path: path.into(), what: self }
    }
}

impl Error {
    /// For `map_err` on file operations: names the path.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, message: error.to_string() }
    }

    /// For `map_err` on anything that shows a model folder to be unusable.
    pub(crate) fn model<E: std::fmt::Display>(path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |error| Self::Model { path, reason: error.to_string() }
    }
}
