//! One delivered message: its content, its place, and the ways to settle it.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Message;
use bytes::Bytes;
use chrono::DateTime;
use heimdex_schemas::Envelope;
use heimdex_schemas::subject::Address;
use heimdex_stage::{Blobs, Position, failpoint};
use tokio::task::JoinHandle;

use crate::claim;
use crate::error::{AckError, DecodeError};
use crate::link::Link;

const WORK_IN_PROGRESS: &str = "+WPI";

/// A message that this process holds a lease on until it is settled or the lease runs out.
pub struct Delivery {
    link: Link,
    pub(crate) message: async_nats::Message,
    reply: String,
    stream: String,
    consumer: String,
    position: Position,
    delivered: u64,
    pending: u64,
    ack_wait: Duration,
}

/// A delivery decoded: the subject's address and the event, its data in place.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub address: Address,
    pub envelope: Envelope,
}

/// Extends the lease of one delivery until it is dropped.
#[derive(Debug)]
pub struct LeaseGuard(JoinHandle<()>);

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a delivery is read against.
pub(crate) struct Origin {
    pub epoch: u64,
    pub ack_wait: Duration,
}

impl Delivery {
    /// `None` when the message's reply subject is not a JetStream one.
    pub(crate) fn new(link: &Link, message: async_nats::Message, origin: &Origin) -> Option<Self> {
        let message = Message { message, context: link.jetstream.clone() };
        let info = message.info().ok()?;
        let nanos = info.published.unix_timestamp_nanos();
        let stored_at = DateTime::from_timestamp_nanos(i64::try_from(nanos).ok()?);
        Some(Self {
            link: link.clone(),
            reply: message.reply.as_ref()?.to_string(),
            stream: info.stream.to_owned(),
            consumer: info.consumer.to_owned(),
            position: Position { epoch: origin.epoch, sequence: info.stream_sequence, stored_at },
            delivered: u64::try_from(info.delivered).unwrap_or(1),
            pending: info.pending,
            ack_wait: origin.ack_wait,
            message: message.message,
        })
    }

    #[must_use]
    pub fn subject(&self) -> &str {
        self.message.subject.as_str()
    }

    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    #[must_use]
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// How often the broker delivered it, this time included. Not the number of attempts: see the runtime.
    #[must_use]
    pub const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Messages of the same consumer behind this one.
    #[must_use]
    pub const fn pending(&self) -> u64 {
        self.pending
    }

    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.message.payload
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.message.headers.as_ref()?.get(name).map(async_nats::HeaderValue::as_str)
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        self.message.headers.clone().unwrap_or_default()
    }

    /// Reads the subject, the envelope, and data that travels as a blob of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub async fn decode(&self, blobs: &dyn Blobs, limit: u64) -> Result<Incoming, DecodeError> {
        let address: Address = self.subject().parse()?;
        let headers = self.headers();
        let lines = headers.iter().flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(move |value| (name, value.as_str()))
        });
        let envelope = Envelope::decode(lines, self.payload().clone())?;
        let envelope = claim::check_out(blobs, envelope, &address.org, limit).await?;
        Ok(Incoming { address, envelope })
    }

    /// Tells the broker at a third of `ack_wait` that the work goes on, until the guard is dropped.
    #[must_use]
    pub fn keep_alive(&self) -> LeaseGuard {
        let (client, reply, every) = (self.link.client.clone(), self.reply.clone(), self.ack_wait / 3);
        LeaseGuard(tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = client.publish(reply.clone(), WORK_IN_PROGRESS.into()).await {
                    tracing::warn!(%error, "a lease could not be extended");
                }
            }
        }))
    }

    /// Done: the broker confirmed that it will not deliver the message again. On a work queue it is gone.
    ///
    /// # Errors
    /// [`AckError`] when there was no confirmation; the message may come again.
    pub async fn ack(&self) -> Result<(), AckError> {
        self.settle("ack", "+ACK".to_owned()).await
    }

    /// Not now: deliver it again after `delay`.
    ///
    /// # Errors
    /// [`AckError`]; without a confirmation it comes again when the lease runs out.
    pub async fn nak(&self, delay: Duration) -> Result<(), AckError> {
        let body = if delay.is_zero() { "-NAK".to_owned() } else { format!("-NAK {{\"delay\":{}}}", delay.as_nanos()) };
        self.settle("nak", body).await
    }

    /// Never again; `reason` goes into the broker's advisory.
    ///
    /// # Errors
    /// [`AckError`] when there was no confirmation; the message may come again.
    pub async fn term(&self, reason: &str) -> Result<(), AckError> {
        self.settle("term", format!("+TERM {reason}")).await
    }

    /// By request and with a look at the answer: the client's own `double_ack` takes an error reply for success.
    async fn settle(&self, verb: &'static str, body: String) -> Result<(), AckError> {
        let request = async_nats::Request::new().payload(body.into()).timeout(Some(self.link.options.request_timeout));
        let failed =
            |reason: String| AckError { verb, stream: self.stream.clone(), sequence: self.position.sequence, reason };
        let answer = self.link.client.send_request(self.reply.clone(), request).await;
        if failpoint::is_broken("sabotage.trust_double_ack") {
            return Ok(());
        }
        let answer = answer.map_err(|e| failed(e.to_string()))?;
        match answer.status {
            None => Ok(()),
            Some(status) if status.is_success() => Ok(()),
            Some(status) => Err(failed(format!("the broker answered {status}"))),
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Delivery");
        out.field("subject", &self.subject()).field("sequence", &self.position.sequence);
        out.field("delivered", &self.delivered).finish_non_exhaustive()
    }
}
