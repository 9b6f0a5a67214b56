//! What a dead letter means for its upload: the part it stood for is published as failed, so that the writer, the only
//! publisher of receipts, can count it and finish the job.

use std::any::Any;

use chrono::{DateTime, Utc};
use heimdex_bus::{Delivery, Incoming, Verdict};
use heimdex_schemas::{
    AssetId, AssetUploaded, ChunksCreated, ChunksEmbedded, DocumentFacts, Event, Failure, Lineage, ModelName, Order,
    Outcome, UploadId,
};
use heimdex_stage::{AcceptError, Context, Stage, accept};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Worker;

/// Which part of which upload a message was.
struct Part {
    lineage: Lineage,
    document: Option<DocumentFacts>,
    part: u32,
    parts: u32,
}

impl<S: Stage> Worker<S> {
    /// Publishes the failed part of a dead message, if its upload is owed a receipt.
    pub(crate) async fn consequence(
        &self,
        delivery: &Delivery,
        (incoming, since): (&Incoming, DateTime<Utc>),
        verdict: &Verdict,
    ) -> Result<(), String> {
        let Some(mut part) = self.part(delivery, incoming).await? else { return Ok(()) };
        part.lineage.trail.push(self.stage_time(delivery, since));
        let failure = Failure {
            stage: verdict.stage,
            class: verdict.class,
            code: verdict.code.clone(),
            message: verdict.message.clone(),
        };
        let event = ChunksEmbedded {
            lineage: part.lineage,
            document: part.document,
            part: part.part,
            parts: part.parts,
            outcome: Outcome::Failed(failure),
        };
        self.publisher.publish_consequence(S::NAME, &event).await.map(|_| ()).map_err(|e| e.to_string())
    }

    async fn part(&self, delivery: &Delivery, incoming: &Incoming) -> Result<Option<Part>, String> {
        if S::In::NAME == AssetUploaded::NAME {
            let context = self.context(delivery, incoming);
            let lineage = upload_lineage(&context, incoming, &self.config.model).await?;
            return Ok(lineage.map(|lineage| Part { lineage, document: None, part: 0, parts: 1 }));
        }
        match incoming.envelope.data_as::<S::In>() {
            Ok(event) if !event.owes_receipt() => Ok(None),
            Ok(event) => Ok(event.lineage().cloned().map(|lineage| Part {
                lineage,
                document: document(&event),
                part: event.ordinal(),
                parts: event.parts(),
            })),
            Err(_) => Ok(partial(incoming)),
        }
    }
}

/// The facts of the document, where the event carries them.
fn document<E: Event>(event: &E) -> Option<DocumentFacts> {
    let any: &dyn Any = event;
    let created = any.downcast_ref::<ChunksCreated>().map(|event| event.document.clone());
    created.or_else(|| any.downcast_ref::<ChunksEmbedded>().and_then(|event| event.document.clone()))
}

/// What can be read of an upload whose data does not fit its schema.
#[derive(Deserialize)]
struct UploadHead {
    asset_id: AssetId,
    #[serde(default)]
    model: Option<ModelName>,
}

/// What can be read of an internal event whose data does not fit its schema.
#[derive(Deserialize)]
struct PartHead {
    lineage: Lineage,
    #[serde(default)]
    part: u32,
    #[serde(default = "one")]
    parts: u32,
}

const fn one() -> u32 {
    1
}

fn head<T: DeserializeOwned>(incoming: &Incoming) -> Option<T> {
    serde_json::from_slice(incoming.envelope.data()).ok()
}

fn partial(incoming: &Incoming) -> Option<Part> {
    let PartHead { lineage, part, parts } = head(incoming)?;
    Some(Part { lineage, document: None, part, parts })
}

/// The lineage of an upload that died before or after acceptance. `None` when its event id already is another asset's
/// job, whose receipt must not be touched.
async fn upload_lineage(
    context: &Context,
    incoming: &Incoming,
    default: &ModelName,
) -> Result<Option<Lineage>, String> {
    let head: Option<UploadHead> = head(incoming);
    let model = head.as_ref().and_then(|head| head.model.clone()).unwrap_or_else(|| default.clone());
    let asset_id = head.map(|head| head.asset_id).or_else(|| incoming.envelope.id().parse().ok());
    let Some(asset_id) = asset_id else { return Ok(None) };
    match accept::accept(context, &asset_id, &model).await {
        Ok(lineage) => Ok(Some(lineage)),
        Err(AcceptError::Reused { .. }) => Ok(None),
        Err(AcceptError::Sequence(_) | AcceptError::Ledger(_)) => Ok(Some(unaccepted(context, asset_id, model))),
        Err(AcceptError::Unavailable(error)) => Err(error.to_string()),
    }
}

/// A failed upload moves no fence, so the order that stands in for an unreadable one decides nothing.
fn unaccepted(context: &Context, asset_id: AssetId, model: ModelName) -> Lineage {
    Lineage {
        org: context.org.clone(),
        asset_id,
        upload: UploadId::new(&context.org, context.envelope.source(), context.envelope.id()),
        order: Order::by_stream(context.position.epoch, context.position.sequence),
        position: Order::by_stream(context.position.epoch, context.position.sequence),
        lane: context.lane,
        model,
        replay: context.envelope.replay(),
        accepted_at: context.position.stored_at,
        title: None,
        source: None,
        traceparent: context.envelope.traceparent().map(str::to_owned),
        trail: Vec::new(),
    }
}
