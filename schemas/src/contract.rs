//! The contract files: a JSON Schema and an example for every public shape, generated from the types.

use std::collections::BTreeMap;

use chrono::DateTime;
use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde_json::Value;

use crate::events::type_of;
use crate::{
    AssetDeleted, AssetUploaded, Attachment, Block, BlockKind, Chunk, ChunksCreated, ChunksEmbedded, Content,
    DocumentExtracted, DocumentFacts, EmbeddedChunk, Event, Failure, FailureClass, Lane, Lineage, Order, OrgPurged,
    Outcome, Page, PointId, Progress, Receipt, ReceiptState, Sparse, StageName, StageTime, TokenError, UploadId,
    Vectors,
};

/// Why the contract files could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    #[error("an example does not serialize: {0}")]
    Json(#[from] serde_json::Error),
    #[error("an example has a bad name: {0}")]
    Token(#[from] TokenError),
}

/// File name (relative to the `schemas` package) to content.
pub type Files = BTreeMap<String, String>;

/// Every contract file with the content it must have.
pub fn files() -> Result<Files, ContractError> {
    let mut files = Files::new();
    event(&mut files, &asset_uploaded()?)?;
    event(&mut files, &asset_deleted()?)?;
    event(&mut files, &OrgPurged { org: None, reason: Some("the customer left".to_owned()) })?;
    event(&mut files, &document_extracted()?)?;
    event(&mut files, &chunks_created()?)?;
    event(&mut files, &chunks_embedded(Outcome::Embedded(vectors()?))?)?;
    add(&mut files, "heimdex.chunks.embedded.v1.failed", &chunks_embedded(Outcome::Failed(failure()))?)?;
    event(&mut files, &receipt()?)?;
    add(&mut files, "heimdex.asset.receipt.v1.deleted", &deletion_receipt()?)?;
    shape(&mut files, "heimdex.progress.v1", &progress()?)?;
    Ok(files)
}

fn event<E: Event>(files: &mut Files, example: &E) -> Result<(), ContractError> {
    shape(files, &type_of::<E>(), example)
}

fn shape<T: Serialize + JsonSchema>(files: &mut Files, name: &str, example: &T) -> Result<(), ContractError> {
    let schema = sorted(serde_json::to_value(schema_for!(T))?);
    files.insert(format!("{name}.schema.json"), serde_json::to_string_pretty(&schema)? + "\n");
    add(files, name, example)
}

/// Members in name order, whatever order this build of `serde_json` keeps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let ordered: BTreeMap<String, Value> = members.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn add<T: Serialize>(files: &mut Files, name: &str, example: &T) -> Result<(), ContractError> {
    files.insert(format!("examples/{name}.json"), serde_json::to_string_pretty(example)? + "\n");
    Ok(())
}

fn upload() -> Result<UploadId, TokenError> {
    Ok(UploadId::new(&"acme".parse()?, "/cms", "0001"))
}

fn lineage() -> Result<Lineage, TokenError> {
    Ok(Lineage {
        org: "acme".parse()?,
        asset_id: "handbook/travel".parse()?,
        upload: upload()?,
        order: Order::by_stream(1_790_000_000, 42),
        position: Order::by_stream(1_790_000_000, 42),
        lane: Lane::Interactive,
        model: "all-minilm-l6-v2".parse()?,
        replay: 0,
        accepted_at: DateTime::UNIX_EPOCH,
        title: Some("Travel policy".to_owned()),
        source: Some("travel-policy.pdf".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        trail: vec![stage_time(StageName::Extractor)],
    })
}

fn stage_time(stage: StageName) -> StageTime {
    let at = DateTime::UNIX_EPOCH;
    StageTime { stage, queued_at: at, started_at: at, finished_at: at, messages: 1 }
}

fn asset_deleted() -> Result<AssetDeleted, TokenError> {
    let reason = Some("withdrawn by its author".to_owned());
    Ok(AssetDeleted { asset_id: "handbook/travel".parse()?, org: None, reason })
}

fn asset_uploaded() -> Result<AssetUploaded, TokenError> {
    Ok(AssetUploaded {
        asset_id: "handbook/travel".parse()?,
        content: Content::Text("Flights are booked through the travel desk.".to_owned()),
        org: None,
        title: Some("Travel policy".to_owned()),
        source: Some("travel-policy.txt".to_owned()),
        model: None,
        password: None,
    })
}

fn document_extracted() -> Result<DocumentExtracted, TokenError> {
    Ok(DocumentExtracted {
        lineage: lineage()?,
        format: "pdf".to_owned(),
        language: Some("en".to_owned()),
        pages: vec![Page {
            label: Some("1".to_owned()),
            language: Some("en".to_owned()),
            blocks: vec![Block { kind: BlockKind::Paragraph, span: [0, 43] }],
            ..Page::plain(1, "Flights are booked through the travel desk.")
        }],
        metadata: [("author".to_owned(), "The travel desk".to_owned())].into(),
        attachments: vec![Attachment { name: "rates.csv".to_owned(), bytes: Some(1_024) }],
        warnings: Vec::new(),
    })
}

fn facts() -> DocumentFacts {
    DocumentFacts {
        format: "pdf".to_owned(),
        language: Some("en".to_owned()),
        pages: 1,
        chunks: 1,
        warnings: Vec::new(),
    }
}

fn chunk() -> Chunk {
    Chunk {
        ordinal: 0,
        text: "Flights are booked through the travel desk.".to_owned(),
        tokens: 9,
        pages: vec![1],
        page_starts: vec![0],
        span: [0, 43],
        content_hash: "5d41402abc4b2a76b9719d911017c592ae2c0e3b6e4f0a7f1b0f5d1c2a3b4c5d".to_owned(),
        ..Chunk::default()
    }
}

fn chunks_created() -> Result<ChunksCreated, TokenError> {
    Ok(ChunksCreated { lineage: lineage()?, document: facts(), part: 0, parts: 1, chunks: vec![chunk()] })
}

fn vectors() -> Result<Vectors, TokenError> {
    let space = "all-minilm-l6-v2-1a2b3c4d".to_owned();
    let embedded = EmbeddedChunk {
        point_id: PointId::new(upload()?, &space, 0),
        chunk: chunk(),
        dense: vec![0.6, 0.8],
        sparse: Sparse { indices: vec![7, 19], values: vec![1.2, 0.9] },
    };
    let numerics = "openvino/bf16/onnxruntime-1.24.1".to_owned();
    Ok(Vectors { space, dimension: 2, numerics, chunks: vec![embedded], missing: Vec::new(), reused: 0 })
}

fn failure() -> Failure {
    Failure {
        stage: StageName::Extractor,
        class: FailureClass::Rejected,
        code: "encrypted".to_owned(),
        message: "the PDF needs a password".to_owned(),
    }
}

fn chunks_embedded(outcome: Outcome) -> Result<ChunksEmbedded, TokenError> {
    Ok(ChunksEmbedded { lineage: lineage()?, document: Some(facts()), part: 0, parts: 1, outcome })
}

fn receipt() -> Result<Receipt, TokenError> {
    Ok(Receipt {
        org: "acme".parse()?,
        asset_id: Some("handbook/travel".parse()?),
        upload: upload()?,
        state: ReceiptState::Indexed,
        version: 0,
        order: Order::by_stream(1_790_000_000, 42),
        model: Some("all-minilm-l6-v2".parse()?),
        chunks: 1,
        pages: 1,
        format: Some("pdf".to_owned()),
        language: Some("en".to_owned()),
        warnings: Vec::new(),
        missing: Vec::new(),
        failures: Vec::new(),
        reused: 0,
        truncated_tokens: 0,
        removed: 0,
        stages: vec![stage_time(StageName::Extractor)],
        superseded_by: None,
        accepted_at: DateTime::UNIX_EPOCH,
        completed_at: DateTime::UNIX_EPOCH,
    })
}

fn deletion_receipt() -> Result<Receipt, TokenError> {
    Ok(Receipt {
        upload: UploadId::new(&"acme".parse()?, "/cms", "0002"),
        state: ReceiptState::Deleted,
        model: None,
        chunks: 0,
        pages: 0,
        format: None,
        language: None,
        removed: 1,
        stages: vec![stage_time(StageName::Eraser)],
        ..receipt()?
    })
}

fn progress() -> Result<Progress, TokenError> {
    Ok(Progress {
        org: "acme".parse()?,
        upload: upload()?,
        stage: StageName::Embedder,
        part: 0,
        parts: 1,
        outputs: 1,
        sequence: Some(42),
        at: DateTime::UNIX_EPOCH,
    })
}
