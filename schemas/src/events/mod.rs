//! The events of the pipeline. Each holds all that the next stage needs, inline or by reference.

mod asset;
mod chunks;
mod document;
mod lineage;
mod outcome;

pub use asset::{AssetDeleted, AssetUploaded, Content, OrgPurged, Password};
pub use chunks::{Chunk, ChunksCreated, ChunksEmbedded, EmbeddedChunk, MissingChunk, Outcome, Sparse, Vectors};
pub use document::{Attachment, Block, BlockKind, DocumentExtracted, DocumentFacts, Page, Warning};
pub use lineage::{Lineage, StageTime};
pub use outcome::{Failure, FailureClass, Progress, Receipt, ReceiptState};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ids::MsgId;
use crate::subject::{self, Address};
use crate::token::StageName;

/// One event type: its name on the wire, where it travels, and what its failure means for its upload.
pub trait Event: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// CloudEvents `type` without the major version, equal to the first three subject tokens: `heimdex.asset.uploaded`.
    const NAME: &'static str;
    /// Major version of the shape; `type` is `<NAME>.v<MAJOR>`.
    const MAJOR: u32 = 1;
    /// The stream that carries it.
    const STREAM: &'static str;

    /// What this event says of its upload; `None` for what a stranger published and no stage has accepted yet.
    fn lineage(&self) -> Option<&Lineage>;

    /// The lineage, for the consume loop to stamp its stage's times on.
    fn lineage_mut(&mut self) -> Option<&mut Lineage> {
        None
    }

    /// Which of its upload's events of this type it is: the part number, 0 where there is one.
    fn ordinal(&self) -> u32 {
        0
    }

    /// How many events of this type the upload has.
    fn parts(&self) -> u32 {
        1
    }

    /// Whether a dead letter of this event still owes its upload a receipt. `false` only for what already is the
    /// consequence of a failure, so that failures end.
    fn owes_receipt(&self) -> bool {
        true
    }

    /// The subject to publish on, when the event knows its lineage.
    fn subject(&self) -> Option<String> {
        self.lineage().map(|l| Address::new(Self::NAME, l.lane, &l.org).subject())
    }

    /// The dedupe key when `stage` publishes it.
    fn msg_id(&self, stage: StageName) -> Option<MsgId> {
        self.lineage().map(|l| MsgId::new(l.upload, stage, self.ordinal(), l.replay))
    }
}

/// `heimdex.asset.uploaded.v1`
#[must_use]
pub fn type_of<E: Event>() -> String {
    format!("{}.v{}", E::NAME, E::MAJOR)
}

impl Event for AssetUploaded {
    const NAME: &'static str = "heimdex.asset.uploaded";
    const STREAM: &'static str = "HEIMDEX_ASSETS";
    fn lineage(&self) -> Option<&Lineage> {
        None
    }
}

impl Event for AssetDeleted {
    const NAME: &'static str = "heimdex.asset.deleted";
    const STREAM: &'static str = "HEIMDEX_ASSETS";
    fn lineage(&self) -> Option<&Lineage> {
        None
    }
}

impl Event for OrgPurged {
    const NAME: &'static str = "heimdex.org.purged";
    const STREAM: &'static str = "HEIMDEX_ASSETS";
    fn lineage(&self) -> Option<&Lineage> {
        None
    }
}

impl Event for DocumentExtracted {
    const NAME: &'static str = "heimdex.document.extracted";
    const STREAM: &'static str = "HEIMDEX_DOCUMENTS";
    fn lineage(&self) -> Option<&Lineage> {
        Some(&self.lineage)
    }
    fn lineage_mut(&mut self) -> Option<&mut Lineage> {
        Some(&mut self.lineage)
    }
}

impl Event for ChunksCreated {
    const NAME: &'static str = "heimdex.chunks.created";
    const STREAM: &'static str = "HEIMDEX_CHUNKS";
    fn lineage(&self) -> Option<&Lineage> {
        Some(&self.lineage)
    }
    fn lineage_mut(&mut self) -> Option<&mut Lineage> {
        Some(&mut self.lineage)
    }
    fn ordinal(&self) -> u32 {
        self.part
    }
    fn parts(&self) -> u32 {
        self.parts
    }
}

impl Event for ChunksEmbedded {
    const NAME: &'static str = "heimdex.chunks.embedded";
    const STREAM: &'static str = "HEIMDEX_VECTORS";
    fn lineage(&self) -> Option<&Lineage> {
        Some(&self.lineage)
    }
    fn lineage_mut(&mut self) -> Option<&mut Lineage> {
        Some(&mut self.lineage)
    }
    fn ordinal(&self) -> u32 {
        self.part
    }
    fn parts(&self) -> u32 {
        self.parts
    }
    fn owes_receipt(&self) -> bool {
        matches!(self.outcome, Outcome::Embedded(_))
    }
}

impl Event for Receipt {
    const NAME: &'static str = "heimdex.asset.receipt";
    const STREAM: &'static str = "HEIMDEX_RECEIPTS";
    fn lineage(&self) -> Option<&Lineage> {
        None
    }
    fn subject(&self) -> Option<String> {
        Some(subject::receipt(&self.org, self.upload))
    }
    fn msg_id(&self, stage: StageName) -> Option<MsgId> {
        Some(MsgId::new(self.upload, stage, self.version, 0))
    }
}
