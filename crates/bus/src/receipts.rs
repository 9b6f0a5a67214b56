//! Receipts: the current one of a job, the stream of them as they change, and the clock that `min_seq` waits for.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::{HeaderMap, jetstream};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use heimdex_schemas::{Envelope, Event, Org, Receipt, UploadId, subject};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::error::BusError;
use crate::link::Link;

/// Pause before the receipts are followed anew after the broker was lost.
const AGAIN: Duration = Duration::from_millis(500);
const EVERY_RECEIPT: &str = "heimdex.receipt.*.*";

/// Which receipts.
#[derive(Debug, Clone)]
pub enum Scope {
    Everything,
    Org(Org),
    Job(Org, UploadId),
}

/// Where to begin.
#[derive(Debug, Clone, Copy)]
pub enum From {
    /// What is published from now on.
    Now,
    /// The current receipt of every job, then what follows.
    Current,
}

/// A receipt and its sequence in the receipts stream, the clock of `min_seq`.
#[derive(Debug, Clone)]
pub struct ReceiptUpdate {
    pub sequence: u64,
    pub receipt: Receipt,
}

/// Receipts as they come. Ends only when dropped.
pub type ReceiptStream = Pin<Box<dyn Stream<Item = Result<ReceiptUpdate, BusError>> + Send>>;

/// Reads receipts.
#[derive(Clone)]
pub struct Receipts {
    link: Link,
}

impl Receipts {
    pub(crate) const fn new(link: Link) -> Self {
        Self { link }
    }

    /// The current receipt of a job, `None` while it is on its way (or unknown, or older than the stream keeps).
    ///
    /// # Errors
    /// [`BusError::Unavailable`], or [`BusError::Malformed`] for a receipt that cannot be read.
    pub async fn current(&self, org: &Org, job: UploadId) -> Result<Option<ReceiptUpdate>, BusError> {
        let stream = self.stream().await?;
        match stream.get_last_raw_message_by_subject(&subject::receipt(org, job)).await {
            Ok(StreamMessage { sequence, headers, payload, .. }) => decode(sequence, &headers, payload).map(Some),
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Receipts of `scope` as they are published, each job's in its order; one that was replaced before it could be
    /// read is skipped. Nothing published after this returns is missed.
    ///
    /// # Errors
    /// [`BusError::Unavailable`]. An item is an error when one receipt cannot be read or the broker is away; the
    /// stream goes on after it.
    pub async fn watch(&self, scope: &Scope, from: From) -> Result<ReceiptStream, BusError> {
        let config = pull::OrderedConfig {
            filter_subject: filter(scope),
            deliver_policy: match from {
                From::Now => DeliverPolicy::New,
                From::Current => DeliverPolicy::LastPerSubject,
            },
            ..pull::OrderedConfig::default()
        };
        let consumer = self.stream().await?.create_consumer(config).await.map_err(|e| unavailable(&e))?;
        let messages = consumer.messages().await.map_err(|e| unavailable(&e))?;
        Ok(Box::pin(messages.map(|message| read(message.map_err(|e| unavailable(&e))?))))
    }

    /// The sequence of the newest receipt, 0 when there is none: the receipts stream's present time.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub async fn now(&self) -> Result<u64, BusError> {
        let info = self.stream().await?.get_info().await.map_err(|e| unavailable(&e))?;
        Ok(info.state.last_sequence)
    }

    /// A clock that follows the receipts from now on, for as long as it or a clone of it lives.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] when the stream cannot be read now; later losses are bridged.
    pub async fn clock(&self) -> Result<ReceiptClock, BusError> {
        let (seen, clock) = watch::channel(self.now().await?);
        let tail = tokio::spawn(tail(self.clone(), seen));
        Ok(ReceiptClock { seen: clock, _tail: Arc::new(AbortOnDropHandle::new(tail)) })
    }

    /// Keeps `seen` at the newest sequence until the broker is lost.
    async fn follow(&self, seen: &watch::Sender<u64>) -> Result<Infallible, BusError> {
        let last = self.now().await?;
        let config = pull::OrderedConfig {
            filter_subject: EVERY_RECEIPT.to_owned(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: last + 1 },
            headers_only: true,
            ..pull::OrderedConfig::default()
        };
        let consumer = self.stream().await?.create_consumer(config).await.map_err(|e| unavailable(&e))?;
        let mut messages = consumer.messages().await.map_err(|e| unavailable(&e))?;
        // Not only upwards: a stream that was made anew begins at 1 again.
        seen.send_replace(last);
        while let Some(message) = messages.next().await {
            let message = message.map_err(|e| unavailable(&e))?;
            let sequence = message.info().map_err(|e| unavailable(&e))?.stream_sequence;
            seen.send_if_modified(|seen| std::mem::replace(seen, sequence.max(*seen)) < sequence);
        }
        Err(unavailable(&"the receipts ended"))
    }

    async fn stream(&self) -> Result<jetstream::stream::Stream<()>, BusError> {
        self.link.jetstream.get_stream_no_info(Receipt::STREAM).await.map_err(|e| unavailable(&e))
    }
}

/// The newest receipt that this process has seen, as a sequence of the receipts stream. Cloning shares it.
///
/// A receipt is published when the points of its upload are live and durable, and the stream orders all receipts. So
/// when the clock shows `n`, a search begun from then on sees the live points of every upload whose receipt has a
/// sequence of at most `n`, unless a later upload or a deletion has taken them out.
#[derive(Debug, Clone)]
pub struct ReceiptClock {
    seen: watch::Receiver<u64>,
    _tail: Arc<AbortOnDropHandle<()>>,
}

impl ReceiptClock {
    /// What it shows.
    #[must_use]
    pub fn now(&self) -> u64 {
        *self.seen.borrow()
    }

    /// Waits until it shows at least `sequence`, however long that takes; returns what it shows then.
    pub async fn reached(&self, sequence: u64) -> u64 {
        let mut clock = self.seen.clone();
        // Copied out at once: the guard must not be held across another wait.
        let reached = clock.wait_for(|seen| *seen >= sequence).await.map(|seen| *seen);
        match reached {
            Ok(seen) => seen,
            // The tail ends with the runtime only.
            Err(_) => std::future::pending().await,
        }
    }
}

async fn tail(receipts: Receipts, seen: watch::Sender<u64>) {
    loop {
        let Err(error) = receipts.follow(&seen).await;
        tracing::warn!(%error, "the receipts cannot be followed, trying again");
        tokio::time::sleep(AGAIN).await;
    }
}

fn filter(scope: &Scope) -> String {
    match scope {
        Scope::Everything => EVERY_RECEIPT.to_owned(),
        Scope::Org(org) => format!("heimdex.receipt.{org}.*"),
        Scope::Job(org, job) => subject::receipt(org, *job),
    }
}

fn unavailable(error: &impl std::fmt::Display) -> BusError {
    BusError::Unavailable { what: format!("stream {}", Receipt::STREAM), reason: error.to_string() }
}

pub(crate) fn read(message: jetstream::Message) -> Result<ReceiptUpdate, BusError> {
    let sequence = message.info().map_err(|e| unavailable(&e))?.stream_sequence;
    let headers = message.headers.clone().unwrap_or_default();
    decode(sequence, &headers, message.payload.clone())
}

pub(crate) fn decode(sequence: u64, headers: &HeaderMap, payload: Bytes) -> Result<ReceiptUpdate, BusError> {
    let lines = headers.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values.iter().map(move |value| (name, value.as_str()))
    });
    let receipt = Envelope::decode(lines, payload).and_then(|envelope| envelope.data_as());
    let receipt =
        receipt.map_err(|e| BusError::Malformed { what: format!("receipt #{sequence}"), reason: e.to_string() })?;
    Ok(ReceiptUpdate { sequence, receipt })
}
