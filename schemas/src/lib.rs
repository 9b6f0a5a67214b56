//! The contracts of Heimdex: every event type, the CloudEvents envelope, subjects, lanes and ids.
//!
//! What lives here is pure data and pure functions. No I/O, no broker, no clock except where a caller passes one in.
//! The JSON Schemas (`*.schema.json`) and `examples/*.json` beside the sources are generated from these types;
//! `contract::files` is the generator and a test keeps the files equal to it.

pub mod contract;
pub mod envelope;
pub mod events;
pub mod ids;
pub mod subject;
pub mod token;

pub use envelope::{Envelope, EnvelopeError};
pub use events::{
    AssetDeleted, AssetUploaded, Attachment, Block, BlockKind, Chunk, ChunksCreated, ChunksEmbedded, Content,
    DocumentExtracted, DocumentFacts, EmbeddedChunk, Event, Failure, FailureClass, Lineage, MissingChunk, OrgPurged,
    Outcome, Page, Password, Progress, Receipt, ReceiptState, Sparse, StageTime, Vectors, Warning,
};
pub use ids::{MsgId, Order, PointId, UploadId};
pub use token::{AssetId, DEFAULT_MODEL, Lane, ModelName, Org, StageName, TokenError};
