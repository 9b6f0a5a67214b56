//! Dead letters: the raw message, unchanged, with what happened to it in `Heimdex-*` headers.
//!
//! Headers that the broker itself would act on (`Nats-*`) keep their value under `Heimdex-Original-<name>`. A message
//! too large to take our headers along is stored as a blob, and the dead letter names it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_nats::HeaderMap;
use heimdex_schemas::token::hex;
use heimdex_schemas::{AssetId, FailureClass, StageName, subject};
use heimdex_stage::{Blobs, Bucket};
use sha2::{Digest, Sha256};

use crate::blobs::ObjectBlobs;
use crate::delivery::Delivery;
use crate::error::{BusError, PublishError};
use crate::link::Link;
use crate::publish::{Outgoing, Published, Publisher, header_bytes};
use crate::topology::DEAD_LETTER_STREAM;

/// Longest error message kept, in bytes.
const MESSAGE_BYTES: usize = 4096;
/// Headers the broker takes, with room for the two it adds for us.
const HEADER_BYTES: usize = 60 * 1024;
/// Prefix of headers that keep a broker header's original value.
pub const ORIGINAL_PREFIX: &str = "Heimdex-Original-";

/// Why a message is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub stage: StageName,
    pub class: FailureClass,
    /// Stable, snake_case.
    pub code: String,
    pub message: String,
    /// Attempts charged, this one included.
    pub attempts: u32,
}

/// One message to be dead-lettered. `asset` when it could be read.
pub struct DeadLetter<'a> {
    pub delivery: &'a Delivery,
    pub verdict: &'a Verdict,
    pub asset: Option<&'a AssetId>,
    /// How often an operator has replayed the upload.
    pub replay: u32,
}

/// A dead letter as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDeadLetter {
    pub sequence: u64,
    pub subject: String,
    /// First value of each.
    pub headers: BTreeMap<String, String>,
    pub payload: bytes::Bytes,
}

/// Writes and reads dead letters.
#[derive(Clone)]
pub struct DeadLetters {
    link: Link,
    blobs: Arc<ObjectBlobs>,
}

impl DeadLetters {
    pub(crate) const fn new(link: Link, blobs: Arc<ObjectBlobs>) -> Self {
        Self { link, blobs }
    }

    /// Stores the dead letter; durable when it returns. Doing it twice stores it once within the dedupe window.
    ///
    /// # Errors
    /// As [`Publisher::publish`]; the message itself is untouched.
    pub async fn publish(&self, letter: DeadLetter<'_>) -> Result<Published, PublishError> {
        let org = org_token(letter.delivery.subject());
        let subject = subject::dead_letter(letter.verdict.stage, org, letter.asset);
        let context = context_headers(&letter, org);
        let (headers, payload) = self.whole_or_blob(letter.delivery, context).await?;
        let position = letter.delivery.position();
        let msg_id = format!("dlq-{}-{}-{}", letter.delivery.stream(), position.epoch, position.sequence);
        let publisher = Publisher::new(self.link.clone(), Arc::clone(&self.blobs));
        publisher.send(Outgoing { subject, stream: DEAD_LETTER_STREAM, msg_id, headers, payload }).await
    }

    /// The newest dead letter, `None` when there is none.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub async fn newest(&self) -> Result<Option<StoredDeadLetter>, BusError> {
        let unavailable = |reason: String| BusError::Unavailable { what: DEAD_LETTER_STREAM.to_owned(), reason };
        let stream = self.link.jetstream.get_stream_no_info(DEAD_LETTER_STREAM).await;
        let stream = stream.map_err(|e| unavailable(e.to_string()))?;
        let state = stream.get_info().await.map_err(|e| unavailable(e.to_string()))?.state;
        if state.messages == 0 {
            return Ok(None);
        }
        let found = stream.get_raw_message(state.last_sequence).await.map_err(|e| unavailable(e.to_string()))?;
        let first = |(name, values): (&async_nats::HeaderName, &Vec<async_nats::HeaderValue>)| {
            Some((name.to_string(), values.first()?.to_string()))
        };
        Ok(Some(StoredDeadLetter {
            sequence: found.sequence,
            subject: found.subject.to_string(),
            headers: found.headers.iter().filter_map(first).collect(),
            payload: found.payload,
        }))
    }

    async fn whole_or_blob(
        &self,
        delivery: &Delivery,
        context: HeaderMap,
    ) -> Result<(HeaderMap, bytes::Bytes), PublishError> {
        let mut headers = originals(&delivery.headers());
        merge(&mut headers, &context);
        let size = header_bytes(&headers) + delivery.payload().len() + 256;
        if header_bytes(&headers) <= HEADER_BYTES && size <= self.link.client.max_payload() {
            return Ok((headers, delivery.payload().clone()));
        }
        let raw = raw_message(&delivery.headers(), delivery.payload());
        let prefix = format!("{}/_dead/{}", org_token(delivery.subject()), delivery.position().sequence);
        let blob = self.blobs.put(Bucket::Work, &prefix, raw.into()).await?;
        let mut headers = context;
        headers.insert("Heimdex-Raw-Blob", blob.name.as_str());
        headers.insert("Heimdex-Raw-Sha256", blob.sha256.as_str());
        headers.insert("Heimdex-Raw-Size", blob.size.to_string());
        Ok((headers, bytes::Bytes::new()))
    }
}

/// The last token of `heimdex.<noun>.<verb>.<lane>.<org>`, not yet checked.
fn org_token(subject: &str) -> &str {
    subject.rsplit('.').next().filter(|org| org.parse::<heimdex_schemas::Org>().is_ok()).unwrap_or("_")
}

fn originals(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, values) in headers.iter() {
        let name = name.to_string();
        let is_brokers = name.to_ascii_lowercase().starts_with("nats-");
        let name = if is_brokers { format!("{ORIGINAL_PREFIX}{name}") } else { name };
        for value in values {
            kept.append(name.as_str(), value.as_str());
        }
    }
    kept
}

fn merge(headers: &mut HeaderMap, more: &HeaderMap) {
    for (name, values) in more.iter() {
        for value in values {
            headers.insert(name.clone(), value.clone());
        }
    }
}

fn context_headers(letter: &DeadLetter<'_>, org: &str) -> HeaderMap {
    let (delivery, verdict) = (letter.delivery, letter.verdict);
    let mut headers = HeaderMap::new();
    headers.insert("Heimdex-Stream", delivery.stream());
    headers.insert("Heimdex-Subject", delivery.subject());
    headers.insert("Heimdex-Sequence", delivery.position().sequence.to_string());
    headers.insert("Heimdex-Epoch", delivery.position().epoch.to_string());
    headers.insert("Heimdex-Consumer", delivery.consumer());
    if let Some(msg_id) = delivery.header("Nats-Msg-Id") {
        headers.insert("Heimdex-Msg-Id", msg_id);
    }
    headers.insert("Heimdex-Deliveries", delivery.delivered().to_string());
    headers.insert("Heimdex-Attempts", verdict.attempts.to_string());
    headers.insert("Heimdex-Stage", verdict.stage.as_str());
    headers.insert("Heimdex-Class", class_name(verdict.class));
    headers.insert("Heimdex-Code", verdict.code.as_str());
    headers.insert("Heimdex-Message", one_line(&verdict.message).as_str());
    headers.insert("Heimdex-Fingerprint", fingerprint(verdict).as_str());
    headers.insert("Heimdex-Build", env!("CARGO_PKG_VERSION"));
    headers.insert("Heimdex-Org", org);
    headers.insert("Heimdex-Replay", letter.replay.to_string());
    headers
}

const fn class_name(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Rejected => "rejected",
        FailureClass::Exhausted => "exhausted",
        FailureClass::Poison => "poison",
    }
}

/// Groups dead letters of one cause: stage, class, code, and the message without its digits.
fn fingerprint(verdict: &Verdict) -> String {
    let shape: String = verdict.message.chars().filter(|c| !c.is_ascii_digit()).take(256).collect();
    let text = format!("{}\n{}\n{}\n{shape}", verdict.stage, class_name(verdict.class), verdict.code);
    hex(&Sha256::digest(text.as_bytes())).chars().take(16).collect()
}

/// Header values are one line; cut to fit on a character boundary.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = (0..=MESSAGE_BYTES.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    line.truncate(end);
    line
}

/// Header lines, an empty line, the payload.
fn raw_message(headers: &HeaderMap, payload: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(payload.len() + header_bytes(headers));
    for (name, values) in headers.iter() {
        for value in values {
            raw.extend_from_slice(format!("{name}: {}\r\n", value.as_str()).as_bytes());
        }
    }
    raw.extend_from_slice(b"\r\n");
    raw.extend_from_slice(payload);
    raw
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    fn verdict(message: &str) -> Verdict {
        Verdict {
            stage: StageName::Extractor,
            class: FailureClass::Rejected,
            code: "corrupt".to_owned(),
            message: message.to_owned(),
            attempts: 1,
        }
    }

    #[test]
    fn one_cause_has_one_fingerprint() {
        assert_eq!(fingerprint(&verdict("bad xref at 17")), fingerprint(&verdict("bad xref at 99120")));
        assert_ne!(fingerprint(&verdict("bad xref")), fingerprint(&verdict("no trailer")));
    }

    #[test]
    fn messages_are_one_line_cut_on_a_character() {
        let line = one_line(&format!("first\nsecond {}", "ä".repeat(MESSAGE_BYTES)));
        assert!(line.starts_with("first second ä"));
        assert!(line.len() <= MESSAGE_BYTES && line.len() > MESSAGE_BYTES - 2);
    }

    #[test]
    fn broker_headers_are_kept_aside() {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", "m");
        headers.insert("ce-id", "i");
        let kept = originals(&headers);
        assert!(kept.get("Nats-Msg-Id").is_none());
        assert_eq!(kept.get("Heimdex-Original-Nats-Msg-Id").unwrap().as_str(), "m");
        assert_eq!(kept.get("ce-id").unwrap().as_str(), "i");
    }

    #[test]
    fn the_org_of_a_strange_subject_is_not_taken_over() {
        assert_eq!(org_token("heimdex.asset.uploaded.bulk.acme"), "acme");
        assert_eq!(org_token("heimdex.asset.uploaded.bulk.ac*me"), "_");
    }
}
