//! Why a whole part could not be embedded, and the codes of chunks that could not.

use heimdex_embedding::Error;
use heimdex_schemas::ModelName;
use heimdex_stage::{Class, Classify};

/// A failure of the stage, of all chunks of a part at once.
#[derive(Debug, thiserror::Error)]
pub enum EmbedderError {
    /// The session ended; the part is as good as before.
    #[error("the model {model} is away: {source}")]
    Lost { model: ModelName, source: Error },
    /// The chunks were cut for a model that this service was not given.
    #[error("the model {asked} is not served here; served are {served}")]
    UnknownModel { asked: ModelName, served: String },
    /// The model's vectors are longer than an event can say.
    #[error("the model {0} has more dimensions than fit an event")]
    Dimension(ModelName),
}

impl Classify for EmbedderError {
    fn class(&self) -> Class {
        match self {
            Self::Lost { .. } => Class::Unavailable,
            Self::UnknownModel { .. } | Self::Dimension(_) => Class::Permanent,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Lost { .. } => "provider_lost",
            Self::UnknownModel { .. } => "unknown_model",
            Self::Dimension(_) => "bad_dimension",
        }
    }
}

/// What one text's failure says: `Some` code of a chunk that will not embed, `None` when the session is to blame.
pub(crate) fn chunk_code(error: &Error) -> Option<&'static str> {
    match error {
        Error::TooLong { .. } => Some("too_long"),
        Error::NotFinite => Some("not_finite"),
        Error::OutOfMemory { .. } => Some("out_of_memory"),
        Error::Inference(_) => Some("inference_failed"),
        Error::Tokenizer(_) => Some("tokenizer_failed"),
        Error::ProviderLost(_)
        | Error::ProviderUnavailable { .. }
        | Error::OtherLibraryLoaded { .. }
        | Error::ReferenceMismatch { .. }
        | Error::Model { .. }
        | Error::Unsupported { .. }
        | Error::Io { .. } => None,
    }
}
