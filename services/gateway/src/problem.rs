//! Errors as problem details (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use heimdex_auth::AuthError;
use heimdex_bus::{BusError, PublishError, RequestError, ServiceError};
use heimdex_stage::BlobError;
use serde_json::{Map, Value, json};

/// An answer that says what is wrong: `type` (`urn:heimdex:problem:<code>`), `title`, `status`, `detail`, `code` (stable,
/// snake_case), and beside them what a program needs to know, such as `field`.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: String,
    detail: String,
    members: Map<String, Value>,
    retry_after: Option<u64>,
}

impl Problem {
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let (code, detail) = (code.to_owned(), detail.into());
        Self(Box::new(Parts { status, code, detail, members: Map::new(), retry_after: None }))
    }

    /// 400, naming the field.
    #[must_use]
    pub fn invalid(field: &str, reason: impl std::fmt::Display) -> Self {
        let problem = Self::new(StatusCode::BAD_REQUEST, "invalid", format!("{field}: {reason}"));
        problem.with("field", field.into())
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 503: it is worth asking again.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(1)
    }

    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.0.members.insert(member.to_owned(), value);
        self
    }

    /// Seconds after which asking again makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Parts { status, code, detail, members: mut body, retry_after } = *self.0;
        body.insert("type".to_owned(), format!("urn:heimdex:problem:{code}").into());
        body.insert("title".to_owned(), status.canonical_reason().unwrap_or_default().into());
        body.insert("status".to_owned(), status.as_u16().into());
        body.insert("code".to_owned(), code.into());
        body.insert("detail".to_owned(), detail.into());
        let mut response = (status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"heimdex\""));
        }
        response
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let status = StatusCode::from_u16(error.code).ok().filter(|status| status.as_u16() >= 400);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = error.details.get("code").and_then(Value::as_str).unwrap_or("service").to_owned();
        let mut members = match error.details {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        members.remove("code");
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self(Box::new(Parts { status, code, detail: error.message, members, retry_after }))
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Service(error) => error.into(),
            RequestError::NobodyServes(_) => Self::unavailable("no query service is running"),
            RequestError::TimedOut(_) => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "deadline", "the query service did not answer in time")
            }
            RequestError::Failed { .. } => {
                tracing::warn!(%error, "a request could not be passed on");
                Self::unavailable("the broker cannot be reached")
            }
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Full { .. } => {
                let detail = "this org has too many uploads waiting; send this one again later";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_waiting", detail).retry_after(5)
            }
            error => {
                tracing::warn!(%error, "an event could not be published");
                Self::unavailable("the event could not be stored; send it again with the same idempotency key")
            }
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        tracing::warn!(%error, "an upload could not be stored");
        Self::unavailable("the upload could not be stored; send it again with the same idempotency key")
    }
}

impl From<BusError> for Problem {
    fn from(error: BusError) -> Self {
        tracing::warn!(%error, "the broker could not be asked");
        Self::unavailable("the broker cannot be asked")
    }
}

/// The job that an accepted request became.
pub(crate) fn accepted(job: &str, asset: Option<&str>) -> Response {
    let location = format!("/jobs/{job}");
    let body = json!({"job_id": job, "asset_id": asset, "status_url": location});
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
