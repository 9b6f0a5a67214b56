//! Connections of the commands that talk to running services.

use std::time::Duration;

use bytes::Bytes;
use heimdex_bus::{Bus, Options, RequestError};
use heimdex_schemas::Org;
use serde_json::Value;

use crate::exit::Failure;

/// How long a search may take before the caller gives up.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(30);

/// The broker at `url`; exit code 4 with what to do when it is not there.
pub async fn bus(url: &str) -> Result<Bus, Failure> {
    let options = Options { name: "heimdex-cli".to_owned(), ..Options::default() };
    Bus::connect(url, options).await.map_err(|error| {
        Failure::unreachable(anyhow::anyhow!(
            "{error}; is `heimdex up` running? --nats or HEIMDEX_NATS_URL names another server"
        ))
    })
}

/// Asks the query service on behalf of `org`.
pub async fn search(bus: &Bus, org: &Org, request: &Value) -> Result<Value, Failure> {
    let subject = format!("heimdex.v1.search.{org}");
    let payload = Bytes::from(serde_json::to_vec(request)?);
    match bus.requests().request(&subject, &[], payload, SEARCH_TIMEOUT).await {
        Ok(answer) => Ok(serde_json::from_slice(&answer)?),
        Err(RequestError::Service(error)) if (400..500).contains(&error.code) => Err(Failure::input(error)),
        Err(RequestError::Service(error)) if error.code != 503 => Err(error.into()),
        Err(error) => Err(Failure::unreachable(error)),
    }
}
