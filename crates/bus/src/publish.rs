//! Publish and confirm: an event counts as published when the stream's leader said so.
//!
//! A publish that times out may be stored all the same, so it is sent again with the same Msg-Id. The dedupe window
//! is a convenience, not idempotency: whoever reads the event must cope with a second copy.

mod current;

use std::any::Any;
use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError as ClientError, PublishErrorKind};
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;
use heimdex_schemas::subject::Address;
use heimdex_schemas::{AssetUploaded, Envelope, Event, Lane, Lineage, MsgId, Org, StageName, UploadId};

use crate::blobs::ObjectBlobs;
use crate::claim;
use crate::delivery::{Delivery, Incoming};
use crate::error::PublishError;
use crate::link::Link;
use crate::storage;

/// Name of the header that carries the trace of this hop.
pub const TRACEPARENT: &str = "traceparent";
const MSG_ID: &str = "Nats-Msg-Id";
const EXPECTED_STREAM: &str = "Nats-Expected-Stream";

/// Where an event was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub sequence: u64,
    /// The broker already had this Msg-Id; `sequence` is the first copy's.
    pub duplicate: bool,
}

/// Publishes events with a deterministic Msg-Id and awaits their acknowledgement.
#[derive(Clone)]
pub struct Publisher {
    link: Link,
    blobs: Arc<ObjectBlobs>,
}

/// One message on its way, before the broker's headers are added.
pub(crate) struct Outgoing {
    pub subject: String,
    pub stream: &'static str,
    pub msg_id: String,
    pub headers: HeaderMap,
    pub payload: Bytes,
}

impl Publisher {
    pub(crate) const fn new(link: Link, blobs: Arc<ObjectBlobs>) -> Self {
        Self { link, blobs }
    }

    /// Publishes what `stage` made. `trace` is the W3C trace context of this hop. A receipt is not stored where the same
    /// or a later version of it stands; that counts as a duplicate.
    ///
    /// # Errors
    /// See [`PublishError`]; after any but [`PublishError::Unavailable`] the event is not stored.
    pub async fn publish<E: Event>(
        &self,
        stage: StageName,
        event: &E,
        trace: Option<&str>,
    ) -> Result<Published, PublishError> {
        let any: &dyn Any = event;
        if let Some(receipt) = any.downcast_ref() {
            return self.publish_receipt(stage, receipt, trace).await;
        }
        let unaddressed = || PublishError::Unaddressed { ty: heimdex_schemas::events::type_of::<E>() };
        let subject = event.subject().ok_or_else(unaddressed)?;
        let msg_id = event.msg_id(stage).ok_or_else(unaddressed)?;
        self.publish_as(subject, &msg_id, stage, (event, trace)).await
    }

    /// As [`Publisher::publish`] with a Msg-Id of the caller's, where the event's own would be another event's.
    pub(crate) async fn publish_as<E: Event>(
        &self,
        subject: String,
        msg_id: &MsgId,
        stage: StageName,
        (event, trace): (&E, Option<&str>),
    ) -> Result<Published, PublishError> {
        let mut envelope = Envelope::output(stage, msg_id, event)?;
        if let Some(lineage) = event.lineage() {
            let inline = self.link.options.inline_bytes;
            envelope = claim::check_in(self.blobs.as_ref(), envelope, &blob_prefix(lineage), inline).await?;
        }
        let (headers, payload) = encode(&envelope, trace);
        self.send(Outgoing { subject, stream: E::STREAM, msg_id: msg_id.0.clone(), headers, payload }).await
    }

    /// The consequence of a dead letter of `stage`, see [`Publisher::publish`]. Its Msg-Id differs from the one of the
    /// event it stands for, so that both can be published inside one dedupe window.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_consequence<E: Event>(&self, stage: StageName, event: &E) -> Result<Published, PublishError> {
        let unaddressed = || PublishError::Unaddressed { ty: heimdex_schemas::events::type_of::<E>() };
        let subject = event.subject().ok_or_else(unaddressed)?;
        let own = event.msg_id(stage).ok_or_else(unaddressed)?;
        let msg_id = MsgId(format!("{}-failed", own.0));
        self.publish_as(subject, &msg_id, stage, (event, None)).await
    }

    /// Publishes an upload of `org`. The job id to wait for is `UploadId::new(org, envelope.source(), envelope.id())`.
    /// An org that has more interactive uploads waiting than it may goes on in lane bulk; order is not touched by that.
    ///
    /// # Errors
    /// [`PublishError::Full`] when the org has too many uploads waiting, [`PublishError::Encode`] when the envelope
    /// does not hold an `AssetUploaded`, and the rest of [`PublishError`].
    pub async fn publish_asset(&self, org: &Org, lane: Lane, envelope: Envelope) -> Result<Published, PublishError> {
        let event: AssetUploaded = envelope.data_as()?;
        let upload = UploadId::new(org, envelope.source(), envelope.id());
        let prefix = format!("{org}/{}/{upload}", event.asset_id.hash());
        let inline = self.link.options.public_inline_bytes;
        let msg_id = format!("{upload}-{}", envelope.replay());
        let envelope = claim::check_in(self.blobs.as_ref(), envelope, &prefix, inline).await?;
        let (headers, payload) = encode(&envelope, None);
        let lane = self.link.depths.lane(&self.link, org, lane).await;
        let subject = Address::new(AssetUploaded::NAME, lane, org).subject();
        let sent = self.send(Outgoing { subject, stream: AssetUploaded::STREAM, msg_id, headers, payload }).await;
        sent.map_err(|error| match error {
            PublishError::StreamFull { .. } => PublishError::Full { org: org.clone() },
            error => error,
        })
    }

    /// Publishes the deletion of an asset of `org`, or of all that it has. The job id to wait for is made as an upload's.
    ///
    /// # Errors
    /// [`PublishError::Encode`] when the envelope does not hold an `E`, and the rest of [`PublishError`].
    pub async fn publish_wish<E: Event>(
        &self,
        org: &Org,
        lane: Lane,
        envelope: Envelope,
    ) -> Result<Published, PublishError> {
        envelope.data_as::<E>()?;
        let job = UploadId::new(org, envelope.source(), envelope.id());
        let msg_id = format!("{job}-{}", envelope.replay());
        let (headers, payload) = encode(&envelope, None);
        let subject = Address::new(E::NAME, lane, org).subject();
        self.send(Outgoing { subject, stream: E::STREAM, msg_id, headers, payload }).await
    }

    /// Stores an upload that waits in lane interactive once more, unchanged, at the end of its org's lane bulk. The
    /// delivery is untouched.
    ///
    /// # Errors
    /// [`PublishError`]; [`PublishError::StreamFull`] when the org's lane bulk is full.
    pub async fn demote(&self, delivery: &Delivery, incoming: &Incoming) -> Result<Published, PublishError> {
        let Address { event, org, .. } = &incoming.address;
        let upload = UploadId::new(org, incoming.envelope.source(), incoming.envelope.id());
        let mut headers = HeaderMap::new();
        for (name, values) in delivery.headers().iter().filter(|(name, _)| !is_of_the_broker(name)) {
            values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
        }
        let outgoing = Outgoing {
            subject: Address::new(event, Lane::Bulk, org).subject(),
            stream: AssetUploaded::STREAM,
            msg_id: format!("{upload}-{}-{}", incoming.envelope.replay(), Lane::Bulk),
            headers,
            payload: delivery.payload().clone(),
        };
        self.send(outgoing).await
    }

    /// Sends until acknowledged, refused, or out of attempts.
    pub(crate) async fn send(&self, outgoing: Outgoing) -> Result<Published, PublishError> {
        let Outgoing { subject, stream, msg_id, mut headers, payload } = outgoing;
        headers.insert(MSG_ID, msg_id.as_str());
        headers.insert(EXPECTED_STREAM, stream);
        let mut attempt = 1;
        loop {
            match self.send_once(&subject, &headers, &payload).await {
                Ok(ack) => return Ok(Published { sequence: ack.sequence, duplicate: ack.duplicate }),
                Err(error) if is_ambiguous(&error) && attempt < self.link.options.publish_attempts => {
                    tracing::warn!(%error, subject, attempt, "publish not confirmed, sending it again");
                    attempt += 1;
                }
                Err(error) => return Err(self.explain(&subject, &headers, &payload, &error)),
            }
        }
    }

    async fn send_once(&self, subject: &str, headers: &HeaderMap, payload: &Bytes) -> Result<PublishAck, ClientError> {
        let sent =
            self.link.jetstream.publish_with_headers(subject.to_owned(), headers.clone(), payload.clone()).await?;
        sent.await
    }

    fn explain(&self, subject: &str, headers: &HeaderMap, payload: &Bytes, error: &ClientError) -> PublishError {
        let subject = subject.to_owned();
        match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                let size = payload.len() + header_bytes(headers);
                PublishError::TooLarge { subject, size, limit: self.link.client.max_payload() }
            }
            PublishErrorKind::StreamNotFound => PublishError::NoStream { subject },
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe | PublishErrorKind::MaxAckPending => {
                PublishError::Unavailable { subject, reason: error.to_string() }
            }
            PublishErrorKind::Other | PublishErrorKind::WrongLastMessageId | PublishErrorKind::WrongLastSequence => {
                refused(subject, error, payload.len() + header_bytes(headers))
            }
        }
    }
}

/// Where the blobs of one upload lie.
fn blob_prefix(lineage: &Lineage) -> String {
    format!("{}/{}/{}", lineage.org, lineage.asset_id.hash(), lineage.upload)
}

fn encode(envelope: &Envelope, trace: Option<&str>) -> (HeaderMap, Bytes) {
    let encoded = envelope.encode();
    let mut headers: HeaderMap = HeaderMap::new();
    for (name, value) in &encoded.headers {
        headers.insert(name.as_str(), value.as_str());
    }
    if let Some(trace) = trace {
        headers.insert(TRACEPARENT, trace);
    }
    (headers, encoded.payload)
}

/// What a header block takes on the wire: `Name: value\r\n` each.
pub(crate) fn header_bytes(headers: &HeaderMap) -> usize {
    let line = |(name, values): (&async_nats::HeaderName, &Vec<async_nats::HeaderValue>)| {
        values.iter().map(|value| name.to_string().len() + value.as_str().len() + 4).sum::<usize>()
    };
    headers.iter().map(line).sum::<usize>() + 12
}

fn is_of_the_broker(name: &async_nats::HeaderName) -> bool {
    name.to_string().to_ascii_lowercase().starts_with("nats-")
}

fn is_ambiguous(error: &ClientError) -> bool {
    matches!(error.kind(), PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe)
}

fn refused(subject: String, error: &ClientError, size: usize) -> PublishError {
    let reply = std::error::Error::source(error).and_then(|e| e.downcast_ref::<async_nats::jetstream::Error>());
    let Some(reply) = reply else {
        return PublishError::Unavailable { subject, reason: error.to_string() };
    };
    let reason = reply.to_string();
    match reply.error_code() {
        _ if storage::is_full(&reason) => PublishError::StorageFull { subject, reason },
        // One code stands for every failed store; a limit that was reached says "maximum … exceeded".
        ErrorCode::STREAM_STORE_FAILED if reason.contains("maximum") => PublishError::StreamFull { subject, reason },
        ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM => PublishError::TooLarge { subject, size, limit: 64 * 1024 },
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => PublishError::TooLarge { subject, size, limit: 0 },
        _ => PublishError::Refused { subject, reason },
    }
}
