//! Receipts: the current one of a job, and the stream of them as they change.

use std::pin::Pin;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::{HeaderMap, jetstream};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use heimdex_schemas::{Envelope, Event, Org, Receipt, UploadId, subject};

use crate::error::BusError;
use crate::link::Link;

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

    async fn stream(&self) -> Result<jetstream::stream::Stream<()>, BusError> {
        self.link.jetstream.get_stream_no_info(Receipt::STREAM).await.map_err(|e| unavailable(&e))
    }
}

fn filter(scope: &Scope) -> String {
    match scope {
        Scope::Everything => "heimdex.receipt.*.*".to_owned(),
        Scope::Org(org) => format!("heimdex.receipt.{org}.*"),
        Scope::Job(org, job) => subject::receipt(org, *job),
    }
}

fn unavailable(error: &impl std::fmt::Display) -> BusError {
    BusError::Unavailable { what: format!("stream {}", Receipt::STREAM), reason: error.to_string() }
}

fn read(message: jetstream::Message) -> Result<ReceiptUpdate, BusError> {
    let sequence = message.info().map_err(|e| unavailable(&e))?.stream_sequence;
    let headers = message.headers.clone().unwrap_or_default();
    decode(sequence, &headers, message.payload.clone())
}

fn decode(sequence: u64, headers: &HeaderMap, payload: Bytes) -> Result<ReceiptUpdate, BusError> {
    let lines = headers.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values.iter().map(move |value| (name, value.as_str()))
    });
    let receipt = Envelope::decode(lines, payload).and_then(|envelope| envelope.data_as());
    let receipt =
        receipt.map_err(|e| BusError::Malformed { what: format!("receipt #{sequence}"), reason: e.to_string() })?;
    Ok(ReceiptUpdate { sequence, receipt })
}
