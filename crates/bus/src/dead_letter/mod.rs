//! Dead letters: the raw message, unchanged, with what happened to it in `Heimdex-*` headers.
//!
//! Headers that the broker would act on (`Nats-*`), and those with a name of ours, keep their value under
//! `Heimdex-Original-<name>`. A message too large to take our headers along is stored as a blob, and the dead letter
//! names it. An error message too long for a header stands whole in the ledger. Which letters to look at, to replay or
//! to remove is decided in `heimdex-redrive`.

mod context;
mod fingerprint;
pub mod header;
mod letter;
mod raw;
mod reader;
mod removal;
mod resend;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_nats::HeaderMap;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, FailureClass, subject};
use heimdex_stage::{Blobs, Bucket, Ledger, LedgerError};
use serde::{Deserialize, Serialize};

use crate::blobs::ObjectBlobs;
use crate::delivery::Delivery;
use crate::error::{BusError, PublishError};
use crate::ledger::KvLedger;
use crate::link::Link;
use crate::publish::{Outgoing, Published, header_bytes};
use crate::topology::DEAD_LETTER_STREAM;

pub use context::{About, DeadLetter, MESSAGE_BYTES, STORY_BYTES, Verdict};
pub use header::ORIGINAL_PREFIX;
pub use letter::{Letter, Origin};
pub use raw::RawMessage;
pub use reader::{Address, Depth, State};
pub use resend::Resend;

use context::{cut, one_line, org_token};

/// Headers the broker takes, with room for the two it adds for us.
const HEADER_BYTES: usize = 60 * 1024;

/// A dead letter as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDeadLetter {
    pub sequence: u64,
    pub subject: String,
    /// First value of each.
    pub headers: BTreeMap<String, String>,
    pub payload: Bytes,
}

/// The whole of an error whose header had no room for it: `letter.<stage>.<epoch>-<seq>` in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    pub code: String,
    pub class: FailureClass,
    /// At most [`STORY_BYTES`].
    pub message: String,
    /// Bytes of the message before it was cut.
    pub length: usize,
    pub at: DateTime<Utc>,
}

/// Writes, reads, sends again and removes dead letters.
#[derive(Clone)]
pub struct DeadLetters {
    link: Link,
    blobs: Arc<ObjectBlobs>,
    ledger: Arc<KvLedger>,
}

impl DeadLetters {
    pub(crate) const fn new(link: Link, blobs: Arc<ObjectBlobs>, ledger: Arc<KvLedger>) -> Self {
        Self { link, blobs, ledger }
    }

    /// Stores the dead letter; durable when it returns. Doing it twice stores it once within the dedupe window.
    ///
    /// # Errors
    /// [`PublishError::StreamFull`] when no more dead letters are taken; otherwise as [`crate::Publisher::publish`].
    /// The message itself is untouched.
    pub async fn publish(&self, letter: DeadLetter<'_>) -> Result<Published, PublishError> {
        let (delivery, about) = (letter.delivery, letter.about());
        let org = org_token(delivery.subject());
        let subject = subject::dead_letter(letter.verdict.stage, org, about.asset.as_ref());
        let mut context = letter.context(&about);
        if let Some(key) = self.tell(&letter).await? {
            context.insert(header::STORY, key);
        }
        let (headers, payload) = self.whole_or_blob(delivery, context, about.asset.as_ref()).await?;
        let position = delivery.position();
        let msg_id = resend::letter_msg_id(delivery.stream(), position.epoch, position.sequence);
        self.publisher().send(Outgoing { subject, stream: DEAD_LETTER_STREAM, msg_id, headers, payload }).await
    }

    /// What the headers of `letter` had no room for; `None` when they say it all.
    ///
    /// # Errors
    /// [`BusError::Unavailable`], or [`BusError::Malformed`] when it cannot be read.
    pub async fn story(&self, letter: &Letter) -> Result<Option<Story>, BusError> {
        let Some(key) = &letter.story else { return Ok(None) };
        let found = self.ledger.get(key).await;
        let found = found.map_err(|e| BusError::Unavailable { what: key.clone(), reason: e.to_string() })?;
        let read = |value: Bytes| {
            serde_json::from_slice(&value).map_err(|e| BusError::Malformed { what: key.clone(), reason: e.to_string() })
        };
        found.map(|(_, value)| read(value)).transpose()
    }

    /// Puts into the ledger what a header has no room for, and returns the key.
    async fn tell(&self, letter: &DeadLetter<'_>) -> Result<Option<String>, PublishError> {
        let verdict = letter.verdict;
        if one_line(&verdict.message) == verdict.message {
            return Ok(None);
        }
        let position = letter.delivery.position();
        let key = format!("letter.{}.{}-{}", verdict.stage, position.epoch, position.sequence);
        let story = Story {
            code: verdict.code.clone(),
            class: verdict.class,
            message: cut(&verdict.message, STORY_BYTES).to_owned(),
            length: verdict.message.len(),
            at: Utc::now(),
        };
        let away = |reason: String| PublishError::Unavailable { subject: key.clone(), reason };
        let value = serde_json::to_vec(&story).map_err(|e| away(e.to_string()))?;
        // One that is there already is from an earlier try at the same dead letter.
        self.ledger.create(&key, value.into()).await.map_err(|error: LedgerError| away(error.to_string()))?;
        Ok(Some(key))
    }

    async fn whole_or_blob(
        &self,
        delivery: &Delivery,
        context: HeaderMap,
        asset: Option<&AssetId>,
    ) -> Result<(HeaderMap, Bytes), PublishError> {
        let mut headers = raw::set_aside(&delivery.headers());
        for (name, value) in raw::pairs(&context) {
            headers.insert(name, value);
        }
        let size = header_bytes(&headers) + delivery.payload().len() + 256;
        if header_bytes(&headers) <= HEADER_BYTES && size <= self.link.client.max_payload() {
            return Ok((headers, delivery.payload().clone()));
        }
        let raw = RawMessage::to_bytes(&delivery.headers(), delivery.payload());
        let blob = self.blobs.put(Bucket::Work, &raw_prefix(delivery, asset), raw.into()).await?;
        let mut headers = context;
        headers.insert(header::RAW_BLOB, blob.name.as_str());
        headers.insert(header::RAW_SHA256, blob.sha256.as_str());
        headers.insert(header::RAW_SIZE, blob.size.to_string());
        Ok((headers, Bytes::new()))
    }
}

/// Below the asset's other blobs, so that who deletes those deletes it.
fn raw_prefix(delivery: &Delivery, asset: Option<&AssetId>) -> String {
    let position = delivery.position();
    let (org, asset) = (org_token(delivery.subject()), asset.map_or_else(|| "_".to_owned(), AssetId::hash));
    format!("{org}/{asset}/_dead/{}-{}-{}", delivery.stream(), position.epoch, position.sequence)
}
