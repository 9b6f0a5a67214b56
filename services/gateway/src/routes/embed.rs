//! `POST /vectors/embed`: an upload whose text is in the request.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use heimdex_schemas::{AssetUploaded, Content, Lane, ModelName, UploadId};
use serde::Deserialize;

use super::Body;
use super::assets::{SOURCE, asset_id, event_id, field, publish};
use crate::Gateway;
use crate::caller::{Caller, Embedding};
use crate::problem::Problem;

/// Between two segments: a blank line, so that no sentence runs over.
const SEGMENT_GAP: &str = "\n\n";

/// Either `text` or `segments`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    text: Option<String>,
    segments: Option<Vec<String>>,
    asset_id: Option<String>,
    title: Option<String>,
    source: Option<String>,
    model: Option<String>,
}

pub(crate) async fn embed(
    State(gateway): State<Gateway>,
    caller: Caller<Embedding>,
    headers: HeaderMap,
    Body(request): Body<Request>,
) -> Result<Response, Problem> {
    let text = match (request.text, request.segments) {
        (Some(text), None) => text,
        (None, Some(segments)) => segments.join(SEGMENT_GAP),
        _ => return Err(Problem::invalid("text", "give either text or segments")),
    };
    if text.trim().is_empty() {
        return Err(Problem::invalid("text", "it is empty"));
    }
    let (id, asset_id) = (event_id(&headers)?, asset_id(request.asset_id)?);
    let model = request.model.map(|name| field::<ModelName>("model", &name)).transpose()?;
    let job = UploadId::new(&caller.org, SOURCE, &id);
    // What fits into the event is told to be text; the bytes of a longer one tell it themselves.
    let content = match gateway.inner.bus.content(&caller.org, &asset_id, job, Bytes::from(text)).await? {
        Content::Bytes(bytes) => {
            String::from_utf8(bytes).map_or_else(|error| Content::Bytes(error.into_bytes()), Content::Text)
        }
        stored => stored,
    };
    let (title, source) = (request.title, request.source);
    let upload = AssetUploaded { asset_id, content, org: None, title, source, model, password: None };
    publish(&gateway, &caller, Lane::Interactive, (&id, &upload)).await
}
