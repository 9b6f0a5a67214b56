//! `POST /assets` and `DELETE /assets/{asset_id}`.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use heimdex_schemas::{AssetDeleted, AssetId, AssetUploaded, Envelope, Lane, ModelName, UploadId};
use serde::Deserialize;
use uuid::Uuid;

use super::body_problem;
use crate::Gateway;
use crate::caller::{Caller, Uploading};
use crate::problem::{Problem, accepted};

/// The CloudEvents source of what comes by HTTP.
pub(super) const SOURCE: &str = "/heimdex/http";
/// Longest idempotency key, in bytes.
const MAX_KEY: usize = 200;

/// What an upload may say of itself beside its body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    /// A new one when absent.
    asset_id: Option<String>,
    title: Option<String>,
    /// A file name or URL, shown with hits.
    source: Option<String>,
    model: Option<String>,
    lane: Option<String>,
}

pub(crate) async fn upload(
    State(gateway): State<Gateway>,
    caller: Caller<Uploading>,
    Query(about): Query<About>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|error| body_problem(error.status(), error.body_text()))?;
    if body.is_empty() {
        return Err(Problem::invalid("$", "the body is empty"));
    }
    let id = event_id(&headers)?;
    let asset_id = asset_id(about.asset_id)?;
    let model = about.model.map(|name| field::<ModelName>("model", &name)).transpose()?;
    let lane = about.lane.map_or(Ok(Lane::Interactive), |lane| field("lane", &lane))?;
    let job = UploadId::new(&caller.org, SOURCE, &id);
    let content = gateway.inner.bus.content(&caller.org, &asset_id, job, body).await?;
    let upload = AssetUploaded {
        asset_id: asset_id.clone(),
        content,
        org: None,
        title: about.title,
        source: about.source,
        model,
        password: None,
    };
    publish(&gateway, &caller, lane, (&id, &upload)).await
}

pub(crate) async fn delete(
    State(gateway): State<Gateway>,
    caller: Caller<Uploading>,
    Path(asset): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, asset_id) = (event_id(&headers)?, field::<AssetId>("asset_id", &asset)?);
    let event = AssetDeleted { asset_id, org: None, reason: None };
    let envelope = envelope(&id, &event)?;
    gateway.inner.bus.publisher().publish_wish::<AssetDeleted>(&caller.org, Lane::Interactive, envelope).await?;
    let job = UploadId::new(&caller.org, SOURCE, &id).to_string();
    Ok(caller.answer(accepted(&job, Some(event.asset_id.as_str()))))
}

/// Publishes an upload and answers with its job.
pub(super) async fn publish<N>(
    gateway: &Gateway,
    caller: &Caller<N>,
    lane: Lane,
    (id, upload): (&str, &AssetUploaded),
) -> Result<Response, Problem> {
    gateway.inner.bus.publisher().publish_asset(&caller.org, lane, envelope(id, upload)?).await?;
    let job = UploadId::new(&caller.org, SOURCE, id).to_string();
    Ok(caller.answer(accepted(&job, Some(upload.asset_id.as_str()))))
}

fn envelope<E: heimdex_schemas::Event>(id: &str, event: &E) -> Result<Envelope, Problem> {
    Envelope::wrap(SOURCE, id, event).map_err(|error| Problem::invalid("idempotency-key", error))
}

/// The caller's `Idempotency-Key`, so that a request sent twice is one upload; a new id when there is none.
pub(super) fn event_id(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(Uuid::now_v7().to_string()) };
    let key = key.to_str().ok().filter(|key| (1..=MAX_KEY).contains(&key.len()));
    let wrong = || Problem::invalid("idempotency-key", format!("it must be 1 to {MAX_KEY} visible ASCII characters"));
    key.map(str::to_owned).ok_or_else(wrong)
}

pub(super) fn asset_id(given: Option<String>) -> Result<AssetId, Problem> {
    field("asset_id", &given.unwrap_or_else(|| Uuid::now_v7().to_string()))
}

pub(super) fn field<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::invalid(name, error))
}
