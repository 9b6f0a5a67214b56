//! Reading streams as records of what happened: the newest messages, and how many there were of late.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use heimdex_schemas::{Progress, StageName};
use serde::Deserialize;

use crate::error::BusError;
use crate::link::{ApiError, Link};
use crate::topology::PROGRESS_STREAM;

/// How long the broker keeps a reader of ours that nobody uses any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(5);
/// A stage's rate is taken from this much of its past.
const RATE_WINDOW: Duration = Duration::from_secs(60);
/// Fewer messages than this make no rate.
const RATE_MESSAGES: u64 = 2;
/// Each step back into a stream is this much longer than the one before.
const STRIDE: u64 = 4;

#[derive(Deserialize)]
struct StreamInfo {
    state: StreamState,
}

#[derive(Deserialize)]
struct StreamState {
    first_seq: u64,
    last_seq: u64,
}

fn unavailable(stream: &str, error: &impl std::fmt::Display) -> BusError {
    BusError::Unavailable { what: format!("stream {stream}"), reason: error.to_string() }
}

async fn state(link: &Link, stream: &str) -> Result<StreamState, BusError> {
    let info: Result<StreamInfo, ApiError> = link.api(&format!("STREAM.INFO.{stream}"), &()).await;
    Ok(info.map_err(|e| e.into_bus(format!("stream {stream}")))?.state)
}

/// A short-lived reader of `filter`. What it has before it stands in its `num_pending`.
async fn reader(
    link: &Link,
    stream: &str,
    filter: &str,
    from: DeliverPolicy,
) -> Result<Consumer<pull::Config>, BusError> {
    let config = pull::Config {
        deliver_policy: from,
        ack_policy: AckPolicy::None,
        filter_subject: filter.to_owned(),
        inactive_threshold: FORGOTTEN_AFTER,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    };
    let found = link.jetstream.get_stream_no_info(stream).await.map_err(|e| unavailable(stream, &e))?;
    found.create_consumer(config).await.map_err(|e| unavailable(stream, &e))
}

async fn fetch(reader: &Consumer<pull::Config>, stream: &str, count: u64) -> Result<Vec<jetstream::Message>, BusError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let messages = reader.fetch().max_messages(count).messages().await.map_err(|e| unavailable(stream, &e))?;
    messages.try_collect().await.map_err(|e| unavailable(stream, &e))
}

/// At least the newest `want` messages of `stream` on `filter`, oldest first; fewer when there are no more.
///
/// A stream can only be read forwards, so this starts a little before its end and goes further back until enough is
/// between there and the end.
pub(super) async fn newest(
    link: &Link,
    stream: &str,
    filter: &str,
    want: u64,
) -> Result<Vec<jetstream::Message>, BusError> {
    let StreamState { first_seq, last_seq } = state(link, stream).await?;
    let mut back = want;
    loop {
        let start = (last_seq + 1).saturating_sub(back).max(first_seq).max(1);
        let reader = reader(link, stream, filter, DeliverPolicy::ByStartSequence { start_sequence: start }).await?;
        let found = reader.cached_info().num_pending;
        if found >= want || start <= first_seq.max(1) {
            return fetch(&reader, stream, found).await;
        }
        back = back.saturating_mul(STRIDE);
    }
}

/// Messages a second that `stage` handled in its last minute; `None` when they were too few to tell.
pub(super) async fn rate(link: &Link, stage: StageName) -> Result<Option<f64>, BusError> {
    let now = Utc::now();
    let since = now - RATE_WINDOW;
    let nanos = i128::from(since.timestamp_nanos_opt().unwrap_or_default());
    let start_time = async_nats::datetime::from_nanos(nanos).map_err(|e| unavailable(PROGRESS_STREAM, &e))?;
    let filter = format!("heimdex.progress.*.*.{stage}.*");
    let reader = reader(link, PROGRESS_STREAM, &filter, DeliverPolicy::ByStartTime { start_time }).await?;
    let handled = reader.cached_info().num_pending;
    if handled < RATE_MESSAGES {
        return Ok(None);
    }
    let first = fetch(&reader, PROGRESS_STREAM, 1).await?.first().and_then(progress);
    let Some(first) = first else { return Ok(None) };
    Ok(Some(per_second(handled, first.at, now)))
}

fn per_second(handled: u64, first: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    // Not from less than a second: a burst says nothing of a rate.
    let elapsed = now.signed_duration_since(first).as_seconds_f64().max(1.0);
    handled as f64 / elapsed
}

pub(super) fn progress(message: &jetstream::Message) -> Option<Progress> {
    serde_json::from_slice(&message.payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_taken_from_the_time_there_was_work() {
        let now = Utc::now();
        assert!((per_second(30, now - Duration::from_secs(10), now) - 3.0).abs() < 1e-6);
        assert!((per_second(30, now, now) - 30.0).abs() < 1e-6);
    }
}
