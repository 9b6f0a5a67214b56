//! Reading a stream through, from a sequence to its end: a consumer of our own for one pass, gone afterwards.
//!
//! Not for work queues, whose messages belong to their stage's consumer.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;

use crate::error::BusError;
use crate::link::{ApiError, Link};

/// Messages of one request.
const BATCH: usize = 1000;
/// How long the broker keeps a pass's consumer when we do not come back to remove it.
const ABANDONED: Duration = Duration::from_secs(30);

/// What to read.
pub(crate) struct Scan {
    pub stream: String,
    pub filters: Vec<String>,
    /// Messages up to this sequence are left out.
    pub after: u64,
    /// Whether payloads are wanted.
    pub payloads: bool,
    /// Ends after the request that reaches this many.
    pub limit: usize,
}

/// One stored message.
pub(crate) struct Scanned {
    pub sequence: u64,
    pub subject: String,
    pub stored_at: DateTime<Utc>,
    pub headers: HeaderMap,
    pub payload: Bytes,
}

type Consumer = async_nats::jetstream::consumer::Consumer<pull::Config>;

impl Link {
    /// Hands each message to `visit`, in stream order. Returns how many there were.
    pub async fn scan(&self, scan: &Scan, mut visit: impl FnMut(Scanned)) -> Result<usize, BusError> {
        let consumer = self.scanner(scan).await?;
        let seen = self.pass(scan, &consumer, &mut visit).await;
        let name = &consumer.cached_info().name;
        let removed: Result<serde_json::Value, ApiError> =
            self.api(&format!("CONSUMER.DELETE.{}.{name}", scan.stream), &()).await;
        if let Err(error) = removed {
            tracing::debug!(%error, name, "a scan's consumer is left to the broker");
        }
        seen
    }

    async fn scanner(&self, scan: &Scan) -> Result<Consumer, BusError> {
        let failed = |reason: String| BusError::Unavailable { what: format!("stream {}", scan.stream), reason };
        let stream = self.jetstream.get_stream_no_info(&scan.stream).await.map_err(|e| failed(e.to_string()))?;
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: scan.after.saturating_add(1) },
            ack_policy: AckPolicy::None,
            filter_subjects: scan.filters.clone(),
            headers_only: !scan.payloads,
            inactive_threshold: ABANDONED,
            memory_storage: true,
            ..pull::Config::default()
        };
        stream.create_consumer(config).await.map_err(|e| failed(e.to_string()))
    }

    async fn pass(&self, scan: &Scan, consumer: &Consumer, visit: &mut impl FnMut(Scanned)) -> Result<usize, BusError> {
        let failed = |reason: String| BusError::Unavailable { what: format!("stream {}", scan.stream), reason };
        let mut pending = consumer.cached_info().num_pending;
        let mut seen = 0;
        while pending > 0 && seen < scan.limit {
            let batch = consumer.fetch().max_messages(BATCH.min(scan.limit - seen)).messages().await;
            let mut batch = batch.map_err(|e| failed(e.to_string()))?;
            let before = seen;
            while let Some(message) = self.within_patience(batch.next()).await.map_err(failed)? {
                let message = message.map_err(|e| failed(e.to_string()))?;
                let info = message.info().map_err(|e| failed(e.to_string()))?;
                seen += 1;
                // Nothing is sent twice to a consumer without acknowledgements, so a gap is a loss.
                if info.consumer_sequence != seen as u64 {
                    return Err(failed(format!("message {seen} of the pass was lost")));
                }
                pending = info.pending;
                visit(scanned(&message, info.stream_sequence, info.published.unix_timestamp_nanos()));
            }
            if seen == before {
                return Err(failed("no message came, though some are pending".to_owned()));
            }
        }
        Ok(seen)
    }

    async fn within_patience<T>(&self, wait: impl Future<Output = T>) -> Result<T, String> {
        tokio::time::timeout(self.request_timeout(), wait).await.map_err(|_| "no answer".to_owned())
    }
}

pub(crate) fn scanned(message: &async_nats::jetstream::Message, sequence: u64, nanos: i128) -> Scanned {
    Scanned {
        sequence,
        subject: message.subject.to_string(),
        stored_at: DateTime::from_timestamp_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)),
        headers: message.headers.clone().unwrap_or_default(),
        payload: message.payload.clone(),
    }
}
