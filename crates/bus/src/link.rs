//! The client, its JetStream context and its options, shared by everything in this crate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::depth::Depths;
use crate::error::BusError;
use crate::options::Options;

/// One connection. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Link {
    pub client: async_nats::Client,
    pub jetstream: jetstream::Context,
    pub options: Arc<Options>,
    pub depths: Arc<Depths>,
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

    /// The subjects of a stream that match `filter`, each with its number of messages.
    pub async fn subjects(&self, stream: &str, filter: &str) -> Result<BTreeMap<String, u64>, ApiError> {
        let mut found = BTreeMap::new();
        let mut offset = 0;
        loop {
            let ask = ListSubjects { subjects_filter: filter, offset };
            let page: Listing = self.api(&format!("STREAM.INFO.{stream}"), &ask).await?;
            let subjects = page.state.subjects.unwrap_or_default();
            let got = subjects.len();
            offset += got;
            found.extend(subjects);
            if got == 0 || offset >= page.total {
                return Ok(found);
            }
        }
    }

    /// Removes the messages of a stream whose subject matches `filter`, those after sequence `up_to` excepted. Returns
    /// how many.
    pub async fn purge(&self, stream: &str, filter: &str, up_to: Option<u64>) -> Result<u64, ApiError> {
        let ask = Purge { filter, seq: up_to.map(|sequence| sequence.saturating_add(1)) };
        let purged: Purged = self.api(&format!("STREAM.PURGE.{stream}"), &ask).await?;
        if purged.success { Ok(purged.purged) } else { Err(ApiError::Malformed("not purged".to_owned())) }
    }

    pub fn request_timeout(&self) -> Duration {
        self.options.request_timeout
    }
}

#[derive(Serialize)]
struct ListSubjects<'a> {
    subjects_filter: &'a str,
    offset: usize,
}

#[derive(Deserialize)]
struct Listing {
    state: ListingState,
    #[serde(default)]
    total: usize,
}

#[derive(Deserialize)]
struct ListingState {
    #[serde(default)]
    subjects: Option<BTreeMap<String, u64>>,
}

#[derive(Serialize)]
struct Purge<'a> {
    filter: &'a str,
    /// Messages before this one are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

#[derive(Deserialize)]
struct Purged {
    success: bool,
    #[serde(default)]
    purged: u64,
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
