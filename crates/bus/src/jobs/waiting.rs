//! Jobs that no stage has seen yet: they exist only as messages of the uploads stream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_schemas::subject::Address;
use heimdex_schemas::{AssetId, AssetUploaded, Envelope, Event, Lane, Org, UploadId};
use serde::{Deserialize, Serialize};

use crate::error::BusError;
use crate::link::{ApiError, Link};

/// An upload or a deletion that waits to be accepted.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub org: Org,
    pub job: UploadId,
    pub lane: Lane,
    /// Where the data is inline.
    pub asset_id: Option<AssetId>,
    pub sequence: u64,
    pub stored_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct GetNext<'a> {
    seq: u64,
    next_by_subj: &'a str,
}

#[derive(Deserialize)]
struct Stored {
    message: StoredMessage,
}

#[derive(Deserialize)]
struct StoredMessage {
    subject: String,
    seq: u64,
    time: DateTime<Utc>,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct AssetOnly {
    asset_id: AssetId,
}

/// Looks through at most `limit` waiting messages of `org` (of every org for `None`), oldest first, until `wanted` says
/// enough. A work queue's messages can be looked at one by one only.
pub(super) async fn scan(
    link: &Link,
    org: Option<&Org>,
    limit: usize,
    mut wanted: impl FnMut(Waiting) -> bool,
) -> Result<(), BusError> {
    let filter = org.map_or_else(|| "heimdex.>".to_owned(), |org| format!("heimdex.*.*.*.{org}"));
    let mut next = 1;
    for _ in 0..limit {
        let Some(message) = message(link, next, &filter).await? else { return Ok(()) };
        next = message.seq + 1;
        if read(message).is_some_and(&mut wanted) {
            return Ok(());
        }
    }
    Ok(())
}

async fn message(link: &Link, seq: u64, filter: &str) -> Result<Option<StoredMessage>, BusError> {
    let stream = AssetUploaded::STREAM;
    let call = format!("STREAM.MSG.GET.{stream}");
    let found: Result<Stored, ApiError> = link.api(&call, &GetNext { seq, next_by_subj: filter }).await;
    match found {
        Ok(found) => Ok(Some(found.message)),
        Err(ApiError::Refused { code: ApiError::NO_MESSAGE, .. }) => Ok(None),
        Err(error) => Err(error.into_bus(format!("stream {stream}"))),
    }
}

/// `None` for what no job can come of: it will be dead-lettered.
fn read(message: StoredMessage) -> Option<Waiting> {
    let Address { lane, org, .. } = message.subject.parse().ok()?;
    let headers = String::from_utf8(STANDARD.decode(&message.hdrs).ok()?).ok()?;
    let lines = headers.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()));
    let payload = Bytes::from(STANDARD.decode(&message.data).ok()?);
    let envelope = Envelope::decode(lines, payload).ok()?;
    let asset: Option<AssetOnly> = serde_json::from_slice(envelope.data()).ok();
    Some(Waiting {
        job: UploadId::new(&org, envelope.source(), envelope.id()),
        org,
        lane,
        asset_id: asset.map(|asset| asset.asset_id),
        sequence: message.seq,
        stored_at: message.time,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    fn stored(headers: &str, data: &str) -> StoredMessage {
        StoredMessage {
            subject: "heimdex.asset.uploaded.bulk.acme".to_owned(),
            seq: 7,
            time: DateTime::UNIX_EPOCH,
            hdrs: STANDARD.encode(headers),
            data: STANDARD.encode(data),
        }
    }

    #[test]
    fn a_waiting_upload_is_known_by_its_event() {
        let headers = "NATS/1.0\r\nce-specversion: 1.0\r\nce-type: heimdex.asset.uploaded.v1\r\nce-source: /cms\r\n\
                       ce-id: 0001\r\ncontent-type: application/json\r\n\r\n";
        let waiting = read(stored(headers, r#"{"asset_id":"a:b/c","content":{"text":"x"}}"#)).unwrap();
        assert_eq!(waiting.job, UploadId::new(&"acme".parse().unwrap(), "/cms", "0001"));
        assert_eq!((waiting.lane, waiting.asset_id.unwrap().as_str()), (Lane::Bulk, "a:b/c"));
        assert!(read(stored("NATS/1.0\r\n\r\n", "nonsense")).is_none());
    }
}
