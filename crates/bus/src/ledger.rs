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
use futures::{StreamExt, TryStreamExt};
use heimdex_stage::ledger::check_key;
use heimdex_stage::{Ledger, LedgerError, Revision};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::link::{ApiError, Link};
use crate::topology::LEDGER_BUCKET;

const EXPECTED_REVISION: &str = "Nats-Expected-Last-Subject-Sequence";
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

impl KvLedger {
    pub(crate) const fn new(link: Link) -> Self {
        Self { link }
    }

    async fn write(&self, key: &str, expected: u64, value: Bytes) -> Result<Option<Revision>, LedgerError> {
        check_key(key)?;
        let mut headers = HeaderMap::new();
        headers.insert(EXPECTED_REVISION, expected.to_string());
        match self.publish(subject(key), headers, value).await {
            Ok(sequence) => Ok(Some(Revision(sequence))),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
            Err(error) => Err(LedgerError::Unavailable(error.to_string())),
        }
    }

    async fn publish(&self, subject: String, headers: HeaderMap, value: Bytes) -> Result<u64, PublishError> {
        let sent = self.link.jetstream.publish_with_headers(subject, headers, value).await?;
        Ok(sent.await?.sequence)
    }

    async fn read(&self, key: &str) -> Result<Option<(Revision, Bytes)>, LedgerError> {
        let subject = subject(key);
        let call = format!("STREAM.MSG.GET.KV_{LEDGER_BUCKET}");
        let found: Result<Stored, ApiError> = self.link.api(&call, &GetLast { last_by_subj: &subject }).await;
        match found {
            Ok(Stored { message }) if !is_delete_marker(&message) => Ok(Some((Revision(message.seq), data(&message)?))),
            Ok(_) => Ok(None),
            Err(ApiError::Refused { code: ApiError::NO_MESSAGE, .. }) => Ok(None),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Keys below `prefix.`, in key order. Deleted keys are not told apart here: nothing deletes keys.
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, LedgerError> {
        check_key(prefix)?;
        let filter = subject(&format!("{prefix}.>"));
        let call = format!("STREAM.INFO.KV_{LEDGER_BUCKET}");
        let mut keys = Vec::new();
        loop {
            let ask = ListSubjects { subjects_filter: &filter, offset: keys.len() };
            let page: Listing = self.link.api(&call, &ask).await.map_err(|e| unavailable(&e))?;
            let subjects = page.state.subjects.unwrap_or_default();
            let got = subjects.len();
            keys.extend(subjects.into_keys().filter_map(|subject| key_of(&subject)));
            if got == 0 || keys.len() >= page.total {
                break;
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }
}

fn subject(key: &str) -> String {
    format!("$KV.{LEDGER_BUCKET}.{key}")
}

fn key_of(subject: &str) -> Option<String> {
    subject.strip_prefix("$KV.")?.strip_prefix(LEDGER_BUCKET)?.strip_prefix('.').map(str::to_owned)
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
    String::from_utf8_lossy(&headers).contains("KV-Operation")
}

#[async_trait]
impl Ledger for KvLedger {
    async fn create(&self, key: &str, value: Bytes) -> Result<Option<Revision>, LedgerError> {
        self.write(key, 0, value).await
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
