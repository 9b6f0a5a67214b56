//! The ledger on a NATS KV bucket, spoken to as the stream it is, so that every read is the leader's.
//!
//! Direct gets, which the client's KV store uses, are answered by any replica and may be stale; here a stale read would
//! let a decided fact be decided again.

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use heimdex_stage::ledger::check_key;
use heimdex_stage::{Ledger, LedgerError, Revision, failpoint};
use serde::{Deserialize, Serialize};

use crate::link::{ApiError, Link};
use crate::scan::{Scan, Scanned, scanned};
use crate::storage;
use crate::topology::LEDGER_BUCKET;

const EXPECTED_REVISION: &str = "Nats-Expected-Last-Subject-Sequence";
/// Marks a deleted key, as NATS KV does (ADR-8).
const OPERATION: &str = "KV-Operation";
const PURGED: &str = "PURGE";
/// How often a key may be created and deleted by others under one create of ours.
const CREATE_ATTEMPTS: u32 = 8;
/// Values of a listing read at the same time.
const LIST_READS: usize = 32;

/// The ledger of the whole installation.
#[derive(Clone)]
pub struct KvLedger {
    link: Link,
}

#[derive(Serialize)]
struct GetLast<'a> {
    last_by_subj: &'a str,
}

#[derive(Deserialize)]
struct Stored {
    message: StoredMessage,
}

#[derive(Deserialize)]
struct StoredMessage {
    seq: u64,
    #[serde(default)]
    data: String,
    /// Base64 of the header block; a KV delete marker has one.
    #[serde(default)]
    hdrs: String,
}

/// The newest message of a key.
enum Last {
    Absent,
    /// Deleted; the marker's sequence.
    Marker(u64),
    Value(Revision, Bytes),
}

/// One key's newest write, as [`KvLedger::changes`] shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: String,
    pub revision: Revision,
    pub written_at: DateTime<Utc>,
    /// The marker of a deletion that was cut short; [`KvLedger::clear_marker`] finishes it.
    pub is_deleted: bool,
    /// Empty when only keys were asked for.
    pub value: Bytes,
}

impl KvLedger {
    pub(crate) const fn new(link: Link) -> Self {
        Self { link }
    }

    async fn write(&self, key: &str, expected: u64, value: Bytes) -> Result<Option<Revision>, LedgerError> {
        check_key(key)?;
        self.write_with(key, expected, HeaderMap::new(), value).await
    }

    async fn write_with(
        &self,
        key: &str,
        expected: u64,
        mut headers: HeaderMap,
        value: Bytes,
    ) -> Result<Option<Revision>, LedgerError> {
        headers.insert(EXPECTED_REVISION, expected.to_string());
        failpoint::before_key(key);
        let sent = self.publish(subject(key), headers, value).await;
        failpoint::after_key(key);
        match sent {
            Ok(sequence) => Ok(Some(Revision(sequence))),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
            Err(error) if storage::is_full(&error) => Err(LedgerError::Full(error.to_string())),
            Err(error) => Err(LedgerError::Unavailable(error.to_string())),
        }
    }

    async fn publish(&self, subject: String, headers: HeaderMap, value: Bytes) -> Result<u64, PublishError> {
        let sent = self.link.jetstream.publish_with_headers(subject, headers, value).await?;
        Ok(sent.await?.sequence)
    }

    async fn last(&self, key: &str) -> Result<Last, LedgerError> {
        let subject = subject(key);
        let call = format!("STREAM.MSG.GET.{}", stream());
        let found: Result<Stored, ApiError> = self.link.api(&call, &GetLast { last_by_subj: &subject }).await;
        match found {
            Ok(Stored { message }) if is_delete_marker(&message) => Ok(Last::Marker(message.seq)),
            Ok(Stored { message }) => Ok(Last::Value(Revision(message.seq), data(&message)?)),
            Err(ApiError::Refused { code: ApiError::NO_MESSAGE, .. }) => Ok(Last::Absent),
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn read(&self, key: &str) -> Result<Option<(Revision, Bytes)>, LedgerError> {
        match self.last(key).await? {
            Last::Value(revision, value) => Ok(Some((revision, value))),
            Last::Absent | Last::Marker(_) => Ok(None),
        }
    }

    /// Keys below `prefix.`, in key order. A deletion that was cut short between its marker and the marker's removal
    /// still shows here, until [`KvLedger::clear_marker`].
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, LedgerError> {
        check_key(prefix)?;
        let subjects = self.link.subjects(&stream(), &subject(&format!("{prefix}.>"))).await;
        let subjects = subjects.map_err(|e| unavailable(&e))?;
        // A sorted map of subjects with one prefix is a sorted list of keys.
        Ok(subjects.into_keys().filter_map(|subject| key_of(&subject).map(str::to_owned)).collect())
    }

    /// The stream that it is.
    #[must_use]
    pub fn stream(&self) -> String {
        stream()
    }

    /// The keys below any of `prefixes` that were written after revision `after`, each once with its newest write, in
    /// the order of these writes; with their values when `values`. Ends after about `limit`: the last change's revision
    /// is where to go on, and none means that there is nothing newer.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn changes(
        &self,
        prefixes: &[&str],
        after: Revision,
        values: bool,
        limit: usize,
    ) -> Result<Vec<Change>, LedgerError> {
        let mut filters = Vec::with_capacity(prefixes.len());
        for prefix in prefixes {
            check_key(prefix)?;
            filters.push(subject(&format!("{prefix}.>")));
        }
        let scan = Scan { stream: stream(), filters, after: after.0, payloads: values, limit };
        let mut changes = Vec::new();
        let seen = self.link.scan(&scan, |message| changes.extend(change(message))).await;
        seen.map_err(|e| LedgerError::Unavailable(e.to_string()))?;
        Ok(changes)
    }

    /// Removes the marker that a deletion cut short has left; a key that was created again is not touched.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn clear_marker(&self, key: &str, marker: Revision) -> Result<(), LedgerError> {
        check_key(key)?;
        self.link.purge(&stream(), &subject(key), Some(marker.0)).await.map(|_| ()).map_err(|e| unavailable(&e))
    }
}

pub(crate) fn stream() -> String {
    format!("KV_{LEDGER_BUCKET}")
}

/// The change that a message of the ledger's stream is.
pub(crate) fn changed(message: &async_nats::jetstream::Message) -> Option<Change> {
    let info = message.info().ok()?;
    change(scanned(message, info.stream_sequence, info.published.unix_timestamp_nanos()))
}

fn change(message: Scanned) -> Option<Change> {
    Some(Change {
        key: key_of(&message.subject)?.to_owned(),
        revision: Revision(message.sequence),
        written_at: message.stored_at,
        is_deleted: message.headers.get(OPERATION).is_some(),
        value: message.payload,
    })
}

pub(crate) fn subject(key: &str) -> String {
    format!("$KV.{LEDGER_BUCKET}.{key}")
}

fn key_of(subject: &str) -> Option<&str> {
    subject.strip_prefix("$KV.")?.strip_prefix(LEDGER_BUCKET)?.strip_prefix('.')
}

fn unavailable(error: &ApiError) -> LedgerError {
    LedgerError::Unavailable(error.to_string())
}

fn decode(text: &str) -> Result<Bytes, LedgerError> {
    let bytes = STANDARD.decode(text).map_err(|e| LedgerError::Unavailable(format!("unreadable value: {e}")))?;
    Ok(Bytes::from(bytes))
}

fn data(message: &StoredMessage) -> Result<Bytes, LedgerError> {
    decode(&message.data)
}

fn is_delete_marker(message: &StoredMessage) -> bool {
    let headers = STANDARD.decode(&message.hdrs).unwrap_or_default();
    String::from_utf8_lossy(&headers).contains(OPERATION)
}

#[async_trait]
impl Ledger for KvLedger {
    async fn create(&self, key: &str, value: Bytes) -> Result<Option<Revision>, LedgerError> {
        let mut expected = 0;
        for _ in 0..CREATE_ATTEMPTS {
            if let Some(revision) = self.write(key, expected, value.clone()).await? {
                return Ok(Some(revision));
            }
            expected = match self.last(key).await? {
                Last::Value(..) => return Ok(None),
                Last::Marker(sequence) => sequence,
                Last::Absent => 0,
            };
        }
        Err(LedgerError::Unavailable(format!("{key} changed under each of {CREATE_ATTEMPTS} attempts")))
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Revision,
        value: Bytes,
    ) -> Result<Option<Revision>, LedgerError> {
        self.write(key, expected.0, value).await
    }

    async fn get(&self, key: &str) -> Result<Option<(Revision, Bytes)>, LedgerError> {
        check_key(key)?;
        self.read(key).await
    }

    /// The marker decides, because it is written only onto the expected revision. It is removed right after, so that
    /// listings need not tell it from a value.
    async fn delete(&self, key: &str, expected: Revision) -> Result<bool, LedgerError> {
        check_key(key)?;
        let mut headers = HeaderMap::new();
        headers.insert(OPERATION, PURGED);
        match self.write_with(key, expected.0, headers, Bytes::new()).await? {
            None => Ok(false),
            Some(marker) => self.clear_marker(key, marker).await.map(|()| true),
        }
    }

    async fn count(&self, prefix: &str) -> Result<u64, LedgerError> {
        Ok(self.keys(prefix).await?.len() as u64)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, LedgerError> {
        let keys = self.keys(prefix).await?;
        let reads = futures::stream::iter(keys).map(|key| async move {
            let found = self.read(&key).await?;
            Ok::<_, LedgerError>(found.map(|(_, value)| (key, value)))
        });
        let found: Vec<Option<(String, Bytes)>> = reads.buffered(LIST_READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}
