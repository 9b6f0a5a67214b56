//! `GET /jobs/{job_id}` and its events.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt as _};
use heimdex_bus::jobs::{JobUpdate, JobUpdates};
use heimdex_bus::{BusError, Job};
use heimdex_schemas::{Org, UploadId};
use serde_json::json;

use crate::Gateway;
use crate::caller::{Caller, Watching};
use crate::problem::Problem;

pub(crate) async fn get(
    State(gateway): State<Gateway>,
    caller: Caller<Watching>,
    Path(job): Path<String>,
) -> Result<Response, Problem> {
    let job = known(&gateway, &caller.org, &job).await?;
    Ok(caller.answer(Json(job)))
}

/// `progress` for each step of a stage, `receipt` at the end, which closes the stream.
pub(crate) async fn events(
    State(gateway): State<Gateway>,
    caller: Caller<Watching>,
    Path(job): Path<String>,
) -> Result<Response, Problem> {
    let job = known(&gateway, &caller.org, &job).await?;
    let updates = gateway.inner.bus.jobs().watch(&caller.org, Some(job.job_id)).await?;
    let stream = Sse::new(until_receipt(updates)).keep_alive(KeepAlive::default());
    Ok(caller.answer(stream))
}

async fn known(gateway: &Gateway, org: &Org, job: &str) -> Result<Job, Problem> {
    let job: UploadId = job.parse().map_err(|error| Problem::invalid("job_id", error))?;
    let found = gateway.inner.bus.jobs().get(org, job).await?;
    let gone = "there is no such job: it is older than receipts are kept, was never published, or is another org's";
    found.ok_or_else(|| Problem::not_found(gone))
}

/// Ends behind the receipt; the updates themselves never end.
fn until_receipt(updates: JobUpdates) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    futures::stream::unfold(Some(updates), |updates| async {
        let mut updates = updates?;
        let update = updates.next().await?;
        let is_over = matches!(update, Ok(JobUpdate::Receipt(_)));
        Some((Ok(event(update)), (!is_over).then_some(updates)))
    })
}

fn event(update: Result<JobUpdate, BusError>) -> Event {
    let (name, data) = match update {
        Ok(JobUpdate::Progress(progress)) => ("progress", serde_json::to_value(progress)),
        Ok(JobUpdate::Receipt(update)) => {
            ("receipt", Ok(json!({"sequence": update.sequence, "receipt": update.receipt})))
        }
        Err(error) => ("error", Ok(json!({"detail": error.to_string()}))),
    };
    Event::default().event(name).data(data.unwrap_or_default().to_string())
}
