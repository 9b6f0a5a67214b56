//! Sending a dead message again, and putting a dead letter back that was taken out.

use async_nats::HeaderMap;
use chrono::SecondsFormat;
use heimdex_stage::{Blobs as _, Bucket};

use super::{DeadLetters, Letter, RawMessage, header};
use crate::error::{BusError, PublishError};
use crate::link::ApiError;
use crate::publish::{Outgoing, Published, Publisher, header_bytes};
use crate::topology::{self, DEAD_LETTER_STREAM};

/// Room for what the publisher adds.
const OVERHEAD: usize = 256;

/// One dead message on its way back.
#[derive(Debug)]
pub struct Resend<'a> {
    pub letter: &'a Letter,
    /// The message, see [`DeadLetters::message`].
    pub message: RawMessage,
    /// Where to: a subject of the flow, mostly [`super::Origin::subject`].
    pub subject: String,
    pub msg_id: String,
    /// How often the message has been replayed then, this time included.
    pub replay: u32,
}

impl DeadLetters {
    /// Publishes a dead message again, payload and headers as they were, except that the broker's headers are new and
    /// ours say that it is a replay. The dead letter stays.
    ///
    /// # Errors
    /// [`PublishError::NoStream`] for a subject outside of the flow, and as [`Publisher::publish`].
    pub async fn resend(&self, resend: Resend<'_>) -> Result<Published, PublishError> {
        let Resend { letter, message, subject, msg_id, replay } = resend;
        let no_stream = || PublishError::NoStream { subject: subject.clone() };
        let stream = topology::stage_of(&subject).map(topology::input_stream).ok_or_else(no_stream)?;
        let mut headers = HeaderMap::new();
        for (name, value) in message.headers.iter().filter(|(name, _)| !is_replaced(name)) {
            headers.append(name.as_str(), value.as_str());
        }
        headers.insert(header::REPLAY, replay.to_string());
        let mut traced = headers.clone();
        let first = letter.first_failed_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        traced.insert(header::FIRST_FAILED_AT, first);
        traced.insert(header::REPLAYED_FROM, letter.id());
        let (epoch, sequence) = letter.first_position();
        traced.insert(header::FIRST_POSITION, format!("{epoch}-{sequence}"));
        // A message that just fits is replayed without its history rather than not at all.
        let size = header_bytes(&traced) + message.payload.len() + OVERHEAD;
        let headers = if size <= self.link.client.max_payload() { traced } else { headers };
        self.publisher().send(Outgoing { subject, stream, msg_id, headers, payload: message.payload }).await
    }

    /// Stores a letter that was read elsewhere, headers and payload as they were. `raw` is the blob's content where the
    /// letter names one. Within the dedupe window a letter is stored once for each `batch`, so that one that was there
    /// and was removed is no duplicate.
    ///
    /// # Errors
    /// As [`Publisher::publish`]; [`PublishError::NoStream`] when it is no dead letter.
    pub async fn restore(
        &self,
        letter: &Letter,
        raw: Option<bytes::Bytes>,
        batch: u64,
    ) -> Result<Published, PublishError> {
        let subject = letter.subject.clone();
        if !subject.starts_with("heimdex.dlq.") {
            return Err(PublishError::NoStream { subject });
        }
        if let (Some(blob), Some(raw)) = (letter.blob(), raw) {
            let prefix = blob.name.strip_suffix(&format!("/{}", blob.sha256)).unwrap_or(&blob.name).to_owned();
            self.blobs.put(Bucket::Work, &prefix, raw).await?;
        }
        let mut headers = HeaderMap::new();
        for (name, value) in letter.headers.iter().filter(|(name, _)| !header::is_brokers(name)) {
            headers.append(name.as_str(), value.as_str());
        }
        let origin = &letter.origin;
        let msg_id = format!("{}-{batch}", letter_msg_id(&origin.stream, origin.epoch, origin.sequence));
        let payload = letter.payload.clone().unwrap_or_default();
        self.publisher().send(Outgoing { subject, stream: DEAD_LETTER_STREAM, msg_id, headers, payload }).await
    }

    /// Whether the message at `sequence` of the stream of `subject` has not been handled yet.
    ///
    /// # Errors
    /// [`BusError::Missing`] for a subject outside of the flow, [`BusError::Unavailable`].
    pub async fn is_queued(&self, subject: &str, sequence: u64) -> Result<bool, BusError> {
        let stream = topology::stage_of(subject).map(topology::input_stream);
        let stream = stream.ok_or_else(|| BusError::Missing { what: format!("a stream for {subject}") })?;
        let found: Result<serde_json::Value, ApiError> =
            self.link.api(&format!("STREAM.MSG.GET.{stream}"), &serde_json::json!({"seq": sequence})).await;
        match found {
            Ok(_) => Ok(true),
            Err(ApiError::Refused { code: ApiError::NO_MESSAGE, .. }) => Ok(false),
            Err(error) => Err(error.into_bus(stream)),
        }
    }

    pub(super) fn publisher(&self) -> Publisher {
        Publisher::new(self.link.clone(), std::sync::Arc::clone(&self.blobs))
    }
}

/// The Msg-Id of the dead letter of a message.
pub(super) fn letter_msg_id(stream: &str, epoch: u64, sequence: u64) -> String {
    format!("dlq-{stream}-{epoch}-{sequence}")
}

fn is_replaced(name: &str) -> bool {
    let ours = [header::REPLAY, header::FIRST_FAILED_AT, header::FIRST_POSITION, header::REPLAYED_FROM];
    header::is_brokers(name) || ours.iter().any(|own| name.eq_ignore_ascii_case(own))
}
