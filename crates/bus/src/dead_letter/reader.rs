//! Looking through the dead letters: in pages, one by one, or what is new.

use std::time::Duration;

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use chrono::{DateTime, Utc};
use heimdex_schemas::{Org, StageName};
use serde::Deserialize;

use super::letter::Stored;
use super::raw::RawMessage;
use super::{DeadLetters, Letter, StoredDeadLetter};
use crate::error::BusError;
use crate::link::ApiError;
use crate::scan::{Scan, Scanned};
use crate::topology::DEAD_LETTER_STREAM;
use heimdex_stage::{BlobError, Blobs as _};

/// Letters of one page with their payloads (up to 1 MiB each).
const FULL_PAGE: usize = 32;
/// Letters of one page without.
const HEADERS_PAGE: usize = 2_000;

/// Which letters, as far as the subject `heimdex.dlq.<stage>.<org>.<asset hash>` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    pub stage: Option<StageName>,
    /// `_` stands for an org that could not be read.
    pub org: Option<String>,
    pub asset_hash: Option<String>,
}

impl Address {
    #[must_use]
    pub fn of(org: &Org, asset_hash: Option<&str>) -> Self {
        Self { stage: None, org: Some(org.to_string()), asset_hash: asset_hash.map(str::to_owned) }
    }

    pub(super) fn filter(&self) -> String {
        let stage = self.stage.map_or("*", StageName::as_str);
        let (org, asset) = (self.org.as_deref().unwrap_or("*"), self.asset_hash.as_deref().unwrap_or("*"));
        format!("heimdex.dlq.{stage}.{org}.{asset}")
    }
}

/// How much of each letter is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Everything but the payload.
    Headers,
    Whole,
}

/// The dead-letter stream as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Creation of the stream, Unix seconds.
    pub epoch: u64,
    pub messages: u64,
    pub first_sequence: u64,
    pub last_sequence: u64,
    /// How long the broker keeps a letter.
    pub max_age: Duration,
    /// How many it takes; `None` without a limit.
    pub max_messages: Option<u64>,
}

#[derive(Deserialize)]
struct Info {
    created: String,
    config: InfoConfig,
    state: InfoState,
}

#[derive(Deserialize)]
struct InfoConfig {
    /// Nanoseconds.
    #[serde(default)]
    max_age: u64,
    #[serde(default)]
    max_msgs: i64,
}

#[derive(Deserialize)]
struct InfoState {
    messages: u64,
    first_seq: u64,
    last_seq: u64,
}

fn unavailable(reason: impl ToString) -> BusError {
    BusError::Unavailable { what: DEAD_LETTER_STREAM.to_owned(), reason: reason.to_string() }
}

impl DeadLetters {
    /// How many there are, and how long they stay.
    ///
    /// # Errors
    /// [`BusError::Missing`] or [`BusError::Unavailable`].
    pub async fn state(&self) -> Result<State, BusError> {
        let info: Result<Info, ApiError> = self.link.api(&format!("STREAM.INFO.{DEAD_LETTER_STREAM}"), &()).await;
        let Info { created, config, state } = info.map_err(|e| e.into_bus(DEAD_LETTER_STREAM))?;
        let created = DateTime::parse_from_rfc3339(&created)
            .map_err(|e| BusError::Malformed { what: "creation time".to_owned(), reason: e.to_string() })?;
        Ok(State {
            epoch: u64::try_from(created.timestamp()).unwrap_or_default(),
            messages: state.messages,
            first_sequence: state.first_seq,
            last_sequence: state.last_seq,
            max_age: Duration::from_nanos(config.max_age),
            max_messages: u64::try_from(config.max_msgs).ok(),
        })
    }

    /// The next letters after sequence `after` that match `address`, oldest first; empty at the end.
    ///
    /// # Errors
    /// [`BusError::Unavailable`]; a page is whole or an error.
    pub async fn page(&self, address: &Address, after: u64, depth: Depth) -> Result<Vec<Letter>, BusError> {
        let epoch = self.state().await?.epoch;
        let payloads = depth == Depth::Whole;
        let scan = Scan {
            stream: DEAD_LETTER_STREAM.to_owned(),
            filters: vec![address.filter()],
            after,
            payloads,
            limit: if payloads { FULL_PAGE } else { HEADERS_PAGE },
        };
        let mut letters = Vec::new();
        let visit = |found: Scanned| {
            let stored = Stored {
                epoch,
                sequence: found.sequence,
                stored_at: found.stored_at,
                subject: &found.subject,
                payload: payloads.then_some(found.payload),
            };
            letters.push(Letter::read(stored, &found.headers));
        };
        self.link.scan(&scan, visit).await?;
        Ok(letters)
    }

    /// One letter, whole; `None` when it is not there (any more).
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub async fn get(&self, sequence: u64) -> Result<Option<Letter>, BusError> {
        let epoch = self.state().await?.epoch;
        let found = match self.stream().await?.get_raw_message(sequence).await {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        let stored = Stored {
            epoch,
            sequence,
            stored_at: time(found.time.unix_timestamp_nanos()),
            subject: found.subject.as_str(),
            payload: Some(found.payload),
        };
        Ok(Some(Letter::read(stored, &found.headers)))
    }

    /// The message that `letter` (read whole) keeps, byte by byte.
    ///
    /// # Errors
    /// [`BusError::Missing`] when its blob is gone or only the letter's headers were read, [`BusError::Unavailable`].
    pub async fn message(&self, letter: &Letter) -> Result<RawMessage, BusError> {
        let what = || format!("the message of dead letter {}", letter.sequence);
        let Some(blob) = letter.blob() else {
            let payload = letter.payload.clone().ok_or_else(|| BusError::Missing { what: what() })?;
            return Ok(RawMessage { headers: letter.original_headers(), payload });
        };
        let raw = self.blobs.get(&blob, u64::MAX).await.map_err(|error| match error {
            BlobError::Missing(_) => BusError::Missing { what: what() },
            BlobError::Unavailable(reason) => BusError::Unavailable { what: what(), reason },
            error => BusError::Malformed { what: what(), reason: error.to_string() },
        })?;
        RawMessage::from_bytes(&raw)
    }

    /// The newest dead letter, `None` when there is none.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub async fn newest(&self) -> Result<Option<StoredDeadLetter>, BusError> {
        let state = self.state().await?;
        if state.messages == 0 {
            return Ok(None);
        }
        let Some(letter) = self.get(state.last_sequence).await? else { return Ok(None) };
        let mut headers = std::collections::BTreeMap::new();
        for (name, value) in letter.headers {
            headers.entry(name).or_insert(value);
        }
        let payload = letter.payload.unwrap_or_default();
        Ok(Some(StoredDeadLetter { sequence: letter.sequence, subject: letter.subject, headers, payload }))
    }

    pub(super) async fn stream(&self) -> Result<Stream<()>, BusError> {
        self.link.jetstream.get_stream_no_info(DEAD_LETTER_STREAM).await.map_err(unavailable)
    }
}

fn time(nanos: i128) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(i64::try_from(nanos).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_subject_filters() {
        assert_eq!(Address::default().filter(), "heimdex.dlq.*.*.*");
        let address =
            Address { stage: Some(StageName::Writer), org: Some("acme".to_owned()), asset_hash: Some("ab".to_owned()) };
        assert_eq!(address.filter(), "heimdex.dlq.writer.acme.ab");
    }
}
