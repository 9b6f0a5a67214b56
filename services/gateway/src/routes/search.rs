//! `POST /vectors/search`: the query service's request and answer, untouched.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::Response;

use crate::Gateway;
use crate::caller::{Caller, Searching};
use crate::problem::Problem;

pub(crate) async fn search(
    State(gateway): State<Gateway>,
    caller: Caller<Searching>,
    body: Bytes,
) -> Result<Response, Problem> {
    let subject = format!("heimdex.v1.search.{}", caller.org);
    let timeout = gateway.inner.settings.search_timeout;
    let answer = gateway.inner.bus.requests().request(&subject, &[], body, timeout).await?;
    Ok(caller.answer(([(header::CONTENT_TYPE, "application/json")], answer)))
}
