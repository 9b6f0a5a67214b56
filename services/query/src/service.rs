//! Searches and jobs over NATS request-reply.
//!
//! The subjects are `heimdex.v1.search.<org>` and `heimdex.v1.jobs.get.<org>`: the caller's NATS permissions pin the last
//! token, so nothing in a request can name another organization.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use heimdex_bus::{Bus, BusError, Endpoint, ServiceError, ServiceRequest};
use heimdex_schemas::Org;
use tokio_util::sync::CancellationToken;

use crate::error::{Invalid, SearchError};
use crate::jobs;
use crate::request::SearchRequest;
use crate::search::Search;

/// Where searches are asked; the last token is the organization.
pub const SUBJECT: &str = "heimdex.v1.search.*";
const NAME: &str = "heimdex-query";
const DESCRIPTION: &str = "Searches the documents of one organization, and shows its jobs.";

/// Answers searches until `shutdown`, and then those in hand.
///
/// # Errors
/// [`BusError`] when the service cannot be registered.
pub async fn serve(bus: &Bus, search: Arc<Search>, shutdown: CancellationToken) -> Result<(), BusError> {
    let service = bus.service(NAME, env!("CARGO_PKG_VERSION"), DESCRIPTION).await?;
    let (concurrency, waiting) = (search.options().concurrency, search.options().waiting);
    let endpoint = |name: &str, subject: &str| {
        let (name, subject) = (name.to_owned(), subject.to_owned());
        Endpoint { name, subject, concurrency, waiting }
    };
    let jobs = bus.jobs();
    let looker = move |request| {
        let jobs = jobs.clone();
        async move { jobs::handle(&jobs, request).await.map_err(ServiceError::from) }
    };
    service.serve(endpoint("jobs-get", jobs::SUBJECT), looker).await?;
    let handler = move |request| {
        let search = Arc::clone(&search);
        async move { handle(&search, request).await.map_err(refusal) }
    };
    service.serve(endpoint("search", SUBJECT), handler).await?;
    tracing::info!(subject = SUBJECT, jobs = jobs::SUBJECT, "searches are answered");
    shutdown.cancelled().await;
    service.stop().await;
    Ok(())
}

async fn handle(search: &Search, request: ServiceRequest) -> Result<Bytes, SearchError> {
    let org = org(&request.subject)?;
    let mut asked = SearchRequest::parse(&request.payload)?;
    asked.deadline_ms = sooner(asked.deadline_ms, request.deadline, search.options().max_deadline);
    let answer = search.search(&org, &asked).await?;
    Ok(Bytes::from(serde_json::to_vec(&answer)?))
}

pub(crate) fn org(subject: &str) -> Result<Org, Invalid> {
    let last = subject.rsplit('.').next().unwrap_or_default();
    last.parse().map_err(|error| Invalid::new("org", error))
}

/// Whichever of the body and the header leaves less time. A caller's patience beyond our limit is no error.
fn sooner(body: Option<u64>, header: Option<Duration>, limit: Duration) -> Option<u64> {
    let header = header.map(|patience| u64::try_from(patience.min(limit).as_millis()).unwrap_or(u64::MAX).max(1));
    match (body, header) {
        (Some(body), Some(header)) => Some(body.min(header)),
        (body, header) => body.or(header),
    }
}

fn refusal(error: SearchError) -> ServiceError {
    let code = error.status();
    if code >= 500 {
        tracing::warn!(%error, code, "search failed");
    }
    ServiceError::new(code, error.to_string()).with_details(error.details())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn the_organization_is_the_last_token() {
        assert_eq!(org("heimdex.v1.search.acme").unwrap().as_str(), "acme");
        assert_eq!(org("heimdex.v1.search.").unwrap_err().field, "org");
    }

    #[test]
    fn the_sooner_deadline_holds() {
        let (second, limit) = (Some(Duration::from_secs(1)), Duration::from_secs(60));
        assert_eq!(sooner(Some(200), second, limit), Some(200));
        assert_eq!(sooner(Some(2000), second, limit), Some(1000));
        assert_eq!(sooner(None, second, limit), Some(1000));
        assert_eq!(sooner(None, Some(Duration::from_secs(600)), limit), Some(60_000));
        assert_eq!(sooner(None, None, limit), None);
    }
}
