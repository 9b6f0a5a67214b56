//! Request-reply: NATS micro services (ADR-32) and their callers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::client::RequestErrorKind;
use async_nats::service::{self, ServiceExt};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::BusError;
use crate::link::Link;

/// Header with the milliseconds the caller still waits.
pub const DEADLINE: &str = "Heimdex-Deadline-Ms";
const ERROR_TEXT: &str = "Nats-Service-Error";
const ERROR_CODE: &str = "Nats-Service-Error-Code";
/// Header with [`ServiceError::details`], one JSON object.
pub const ERROR_DETAILS: &str = "Heimdex-Error";

/// How a service refuses: an HTTP-like code, a sentence, and what a program needs to know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ServiceError {
    pub code: u16,
    pub message: String,
    /// Begins with `code`, stable and snake_case; `null` where nobody said more.
    pub details: Value,
}

impl ServiceError {
    /// A refusal that its sentence explains.
    #[must_use]
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Value::Null }
    }

    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}

/// One request as a handler sees it.
#[derive(Debug, Clone)]
pub struct ServiceRequest {
    pub subject: String,
    /// Lower-case names, last value of each.
    pub headers: BTreeMap<String, String>,
    pub payload: Bytes,
    /// How long the caller still waits, when it said so.
    pub deadline: Option<Duration>,
}

/// How one endpoint is served.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// For example `search`.
    pub name: String,
    /// For example `heimdex.v1.search`.
    pub subject: String,
    /// Requests handled at the same time; the rest wait.
    pub concurrency: usize,
    /// Requests that may wait; beyond that they are refused with 503.
    pub waiting: usize,
}

/// A running micro service. Dropping it stops taking requests.
pub struct Service {
    service: service::Service,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Service {
    pub(crate) async fn start(link: &Link, name: &str, version: &str, description: &str) -> Result<Self, BusError> {
        let builder = link.client.service_builder().description(description);
        let service = builder.start(name, version).await;
        let service =
            service.map_err(|e| BusError::Refused { what: format!("service {name}"), reason: e.to_string() })?;
        Ok(Self { service, tasks: TaskTracker::new(), stop: CancellationToken::new() })
    }

    /// Serves `endpoint` until the service stops. Instances of one service share its requests.
    ///
    /// # Errors
    /// [`BusError::Refused`] for a bad subject or name.
    pub async fn serve<H, F>(&self, endpoint: Endpoint, handler: H) -> Result<(), BusError>
    where
        H: Fn(ServiceRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Bytes, ServiceError>> + Send + 'static,
    {
        let builder = self.service.endpoint_builder().name(&endpoint.name);
        let requests = builder.add(&endpoint.subject).await;
        let requests =
            requests.map_err(|e| BusError::Refused { what: endpoint.subject.clone(), reason: e.to_string() })?;
        let serving = Serving {
            handler: Arc::new(handler),
            permits: Arc::new(Semaphore::new(endpoint.concurrency)),
            queue: Arc::new(Semaphore::new(endpoint.concurrency + endpoint.waiting)),
            tasks: self.tasks.clone(),
        };
        self.tasks.spawn(serving.run(requests, self.stop.clone()));
        Ok(())
    }

    /// Stops taking requests and waits until those in hand are answered.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Err(error) = self.service.stop().await {
            tracing::debug!(%error, "service stop");
        }
    }
}

struct Serving<H> {
    handler: Arc<H>,
    permits: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl<H, F> Serving<H>
where
    H: Fn(ServiceRequest) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Bytes, ServiceError>> + Send + 'static,
{
    async fn run(self, mut requests: service::endpoint::Endpoint, stop: CancellationToken) {
        loop {
            let request = tokio::select! {
                () = stop.cancelled() => break,
                request = requests.next() => match request {
                    Some(request) => request,
                    None => break,
                },
            };
            self.admit(request);
        }
        if let Err(error) = requests.stop().await {
            tracing::debug!(%error, "endpoint stop");
        }
    }

    fn admit(&self, request: service::Request) {
        let Ok(place) = Arc::clone(&self.queue).try_acquire_owned() else {
            self.tasks.spawn(async move {
                let busy = ServiceError::new(503, "too many requests are waiting");
                respond(&request, Err(busy)).await;
            });
            return;
        };
        let (permits, handler) = (Arc::clone(&self.permits), Arc::clone(&self.handler));
        self.tasks.spawn(async move {
            let _place = place;
            let Ok(_permit) = permits.acquire_owned().await else { return };
            let answer = handler(read(&request)).await;
            respond(&request, answer).await;
        });
    }
}

fn read(request: &service::Request) -> ServiceRequest {
    let message = &request.message;
    let mut headers = BTreeMap::new();
    for (name, values) in message.headers.iter().flat_map(HeaderMap::iter) {
        if let Some(value) = values.last() {
            headers.insert(name.to_string().to_ascii_lowercase(), value.as_str().to_owned());
        }
    }
    let deadline =
        headers.get(&DEADLINE.to_ascii_lowercase()).and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    ServiceRequest { subject: message.subject.to_string(), headers, payload: message.payload.clone(), deadline }
}

async fn respond(request: &service::Request, answer: Result<Bytes, ServiceError>) {
    let mut headers = HeaderMap::new();
    let answer = answer.map_err(|error| {
        if !error.details.is_null() {
            headers.insert(ERROR_DETAILS, error.details.to_string());
        }
        service::error::Error { status: one_line(&error.message), code: usize::from(error.code) }
    });
    if let Err(error) = request.respond_with_headers(answer, headers).await {
        tracing::debug!(%error, "an answer could not be sent");
    }
}

/// A header's value ends where its line ends.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Why a request has no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The service answered with an error.
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("nobody serves {0}")]
    NobodyServes(String),
    #[error("{0} did not answer in time")]
    TimedOut(String),
    #[error("{subject}: {reason}")]
    Failed { subject: String, reason: String },
}

/// The client side.
#[derive(Clone)]
pub struct Requests {
    link: Link,
}

impl Requests {
    pub(crate) const fn new(link: Link) -> Self {
        Self { link }
    }

    /// Asks `subject` and waits at most `timeout`, which the service is told in [`DEADLINE`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn request(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        map.insert(DEADLINE, timeout.as_millis().to_string());
        let request = async_nats::Request::new().headers(map).payload(payload).timeout(Some(timeout));
        let answer = self.link.client.send_request(subject.to_owned(), request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => RequestError::NobodyServes(subject.to_owned()),
            RequestErrorKind::TimedOut => RequestError::TimedOut(subject.to_owned()),
            _ => RequestError::Failed { subject: subject.to_owned(), reason: error.to_string() },
        })?;
        match service_error(answer.headers.as_ref()) {
            Some(error) => Err(error.into()),
            None => Ok(answer.payload),
        }
    }
}

fn service_error(headers: Option<&HeaderMap>) -> Option<ServiceError> {
    let headers = headers?;
    let code = headers.get(ERROR_CODE)?.as_str().parse().unwrap_or(500);
    let message = headers.get(ERROR_TEXT).map_or_else(String::new, |text| text.as_str().to_owned());
    let details = headers.get(ERROR_DETAILS).and_then(|json| serde_json::from_str(json.as_str()).ok());
    Some(ServiceError { code, message, details: details.unwrap_or_default() })
}
