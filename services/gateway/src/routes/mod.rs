//! Every route, and what holds for all of them.

mod assets;
mod embed;
mod jobs;
mod search;

use std::time::Instant;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

use crate::metrics::{Answered, Route};
use crate::page;
use crate::problem::Problem;
use crate::{Gateway, Settings};

/// Methods and paths that want a token.
pub const GUARDED: &[(&str, &str)] = &[
    ("POST", "/vectors/search"),
    ("POST", "/vectors/embed"),
    ("POST", "/assets"),
    ("DELETE", "/assets/{*asset_id}"),
    ("GET", "/jobs/{job_id}"),
    ("GET", "/jobs/{job_id}/events"),
];
/// Those that do not, beside health and metrics.
pub const OPEN: &[(&str, &str)] = &[("GET", "/")];

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) fn router(gateway: &Gateway) -> Router {
    let settings = &gateway.inner.settings;
    let json = Router::new()
        .route("/vectors/search", post(search::search))
        .route("/vectors/embed", post(embed::embed))
        .route("/assets/{*asset_id}", delete(assets::delete))
        .route("/jobs/{job_id}", get(jobs::get))
        .layer(DefaultBodyLimit::max(settings.max_json_bytes));
    let uploads =
        Router::new().route("/assets", post(assets::upload)).layer(DefaultBodyLimit::max(settings.max_upload_bytes));
    let timed = json.merge(uploads).layer(from_fn_with_state(gateway.clone(), in_time));
    let streams = Router::new().route("/jobs/{job_id}/events", get(jobs::events));
    timed
        .merge(streams)
        .layer(CompressionLayer::new())
        .route("/", get(page::playground))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(|_| internal()))
        .layer(from_fn_with_state(gateway.clone(), watched))
        .layer(cors(settings))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .with_state(gateway.clone())
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path has other methods")
}

fn internal() -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request could not be handled").into_response()
}

/// Cut off when it takes too long.
async fn in_time(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let timeout = gateway.inner.settings.timeout;
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("the request took longer than {} s", timeout.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail).into_response()
        }
    }
}

/// Counted, timed, and refused when there are too many already.
async fn watched(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = known_method(request.method());
    let path = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let response = match gateway.inner.places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::unavailable("too many requests are in hand").into_response(),
    };
    let metrics = &gateway.inner.metrics;
    let status = response.status().as_u16();
    metrics.requests.get_or_create(&Answered { method, route: path.clone(), status }).inc();
    metrics.seconds.get_or_create(&Route { route: path }).observe(begun.elapsed().as_secs_f64());
    response
}

/// A label of bounded variety.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn cors(settings: &Settings) -> CorsLayer {
    let origins = settings.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("idempotency-key")])
        .expose_headers([REQUEST_ID, header::RETRY_AFTER, header::LOCATION])
}

/// A JSON body, or a problem that says where it is wrong.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned> axum::extract::FromRequest<Gateway> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Problem> {
        use axum::extract::rejection::JsonRejection;
        match Json::<T>::from_request(request, gateway).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "the body must be application/json",
            )),
            Err(JsonRejection::BytesRejection(error)) => Err(body_problem(error.status(), error.body_text())),
            Err(error) => Err(Problem::invalid("$", error.body_text())),
        }
    }
}

/// What a body that cannot be read is called.
pub(crate) fn body_problem(status: StatusCode, reason: String) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "too_large", "the body is over the limit"),
        _ => Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", reason),
    }
}
