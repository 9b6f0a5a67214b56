//! The client, its JetStream context and its options, shared by everything in this crate.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::BusError;
use crate::options::Options;

/// One connection. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Link {
    pub client: async_nats::Client,
    pub jetstream: jetstream::Context,
    pub options: Arc<Options>,
}

impl Link {
    /// One call of the JetStream API, for example `STREAM.INFO.X`, answered by the stream's leader.
    pub async fn api<T: DeserializeOwned>(&self, call: &str, body: &impl Serialize) -> Result<T, ApiError> {
        let mut payload = serde_json::to_vec(body).map_err(|e| ApiError::Malformed(e.to_string()))?;
        // Calls without parameters take nothing or `{}`; `null`, which is what `()` becomes, is refused.
        if payload == b"null" {
            payload.clear();
        }
        let request = async_nats::Request::new().payload(payload.into()).timeout(Some(self.options.request_timeout));
        let answer = self.client.send_request(format!("$JS.API.{call}"), request).await;
        let message = answer.map_err(|e| ApiError::Unavailable(e.to_string()))?;
        match serde_json::from_slice(&message.payload).map_err(|e| ApiError::Malformed(e.to_string()))? {
            Response::Ok(value) => Ok(value),
            Response::Err { error } => Err(ApiError::Refused { code: error.error_code().0, reason: error.to_string() }),
        }
    }

    pub fn request_timeout(&self) -> Duration {
        self.options.request_timeout
    }
}

/// How one API call ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("no answer: {0}")]
    Unavailable(String),
    #[error("{reason}")]
    Refused { code: u64, reason: String },
    #[error("unreadable: {0}")]
    Malformed(String),
}

impl ApiError {
    pub const STREAM_NOT_FOUND: u64 = 10059;
    pub const CONSUMER_NOT_FOUND: u64 = 10014;
    pub const NO_MESSAGE: u64 = 10037;

    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { code: Self::STREAM_NOT_FOUND | Self::CONSUMER_NOT_FOUND | Self::NO_MESSAGE, .. })
    }

    pub fn into_bus(self, what: impl Into<String>) -> BusError {
        let what = what.into();
        match self {
            Self::Unavailable(reason) => BusError::Unavailable { what, reason },
            Self::Malformed(reason) => BusError::Malformed { what, reason },
            error if error.is_missing() => BusError::Missing { what },
            Self::Refused { reason, .. } => BusError::Refused { what, reason },
        }
    }
}
