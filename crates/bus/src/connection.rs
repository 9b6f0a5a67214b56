//! The connection, and the doors from it to everything else in this crate.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectOptions, Event};
use heimdex_schemas::{Lane, Progress, StageName, subject};
use serde::Deserialize;

use crate::blobs::ObjectBlobs;
use crate::dead_letter::DeadLetters;
use crate::durability::{self, Durability};
use crate::error::BusError;
use crate::ledger::KvLedger;
use crate::link::{ApiError, Link};
use crate::options::Options;
use crate::publish::Publisher;
use crate::pull::LanePuller;
use crate::receipts::Receipts;
use crate::requests::{Requests, Service};
use crate::topology;

/// A connection to the broker. Cloning shares it; it reconnects by itself for as long as it lives.
#[derive(Clone)]
pub struct Bus {
    link: Link,
    blobs: Arc<ObjectBlobs>,
    ledger: Arc<KvLedger>,
}

/// What waits in one stage's queue, all lanes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Messages of the stream.
    pub messages: u64,
    /// Not delivered yet.
    pub pending: u64,
    /// Delivered, not acknowledged.
    pub ack_pending: u64,
}

impl QueueState {
    /// Messages that no consumer will ever deliver. Must stay 0; taken from several answers, so only a value that
    /// stays is meaningful.
    #[must_use]
    pub const fn orphans(self) -> u64 {
        self.messages.saturating_sub(self.pending.saturating_add(self.ack_pending))
    }
}

#[derive(Deserialize)]
struct StreamInfo {
    state: StreamState,
}

#[derive(Deserialize)]
struct StreamState {
    messages: u64,
}

#[derive(Deserialize)]
struct ConsumerInfo {
    num_pending: u64,
    num_ack_pending: u64,
}

impl Bus {
    /// Connects, for example to `nats://127.0.0.1:4222`.
    ///
    /// # Errors
    /// [`BusError::Connect`] when the server cannot be reached or refuses; later losses are bridged by reconnecting.
    pub async fn connect(url: &str, options: Options) -> Result<Self, BusError> {
        let connect = ConnectOptions::new()
            .name(&options.name)
            .request_timeout(Some(options.request_timeout))
            .reconnect_delay_callback(|attempt| Duration::from_millis(50 * attempt.min(20) as u64))
            .event_callback(|event| async move { log_event(&event) });
        let failed = |reason: String| BusError::Connect { url: url.to_owned(), reason };
        let client = connect.connect(url).await.map_err(|e| failed(e.to_string()))?;
        let jetstream = ContextBuilder::new()
            .timeout(options.request_timeout)
            .ack_timeout(options.publish_timeout)
            .build(client.clone());
        let link = Link { client, jetstream, options: Arc::new(options) };
        let blobs = Arc::new(ObjectBlobs::new(link.clone()));
        let ledger = Arc::new(KvLedger::new(link.clone()));
        Ok(Self { link, blobs, ledger })
    }

    /// Creates what is missing of the topology and checks the rest.
    ///
    /// # Errors
    /// [`BusError::Topology`] names every setting that differs from ours.
    pub async fn ensure(&self) -> Result<(), BusError> {
        topology::ensure(&self.link).await
    }

    pub(crate) const fn link(&self) -> &Link {
        &self.link
    }

    #[must_use]
    pub fn options(&self) -> &Options {
        &self.link.options
    }

    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.client.connection_state() == State::Connected
    }

    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(self.link.clone(), Arc::clone(&self.blobs))
    }

    #[must_use]
    pub fn blobs(&self) -> Arc<ObjectBlobs> {
        Arc::clone(&self.blobs)
    }

    #[must_use]
    pub fn ledger(&self) -> Arc<KvLedger> {
        Arc::clone(&self.ledger)
    }

    #[must_use]
    pub fn receipts(&self) -> Receipts {
        Receipts::new(self.link.clone())
    }

    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.link.clone(), Arc::clone(&self.blobs))
    }

    /// The client side of request-reply.
    #[must_use]
    pub fn requests(&self) -> Requests {
        Requests::new(self.link.clone())
    }

    /// A NATS micro service (`$SRV.PING|INFO|STATS`) that endpoints are added to.
    ///
    /// # Errors
    /// [`BusError::Refused`] when the name or the version is not valid.
    pub async fn service(&self, name: &str, version: &str, description: &str) -> Result<Service, BusError> {
        Service::start(&self.link, name, version, description).await
    }

    /// One slot's reader of a stage's queue in one lane.
    ///
    /// # Errors
    /// [`BusError::Missing`] when the stream or the consumer does not exist.
    pub async fn puller(&self, stage: StageName, lane: Lane) -> Result<LanePuller, BusError> {
        LanePuller::open(self.link.clone(), stage, lane).await
    }

    /// Messages waiting in `stream`.
    ///
    /// # Errors
    /// [`BusError::Missing`] or [`BusError::Unavailable`].
    pub async fn stream_messages(&self, stream: &str) -> Result<u64, BusError> {
        let info: Result<StreamInfo, ApiError> = self.link.api(&format!("STREAM.INFO.{stream}"), &()).await;
        Ok(info.map_err(|e| e.into_bus(format!("stream {stream}")))?.state.messages)
    }

    /// What waits for `stage`.
    ///
    /// # Errors
    /// As [`Bus::stream_messages`].
    pub async fn queue_state(&self, stage: StageName) -> Result<QueueState, BusError> {
        let stream = topology::input_stream(stage);
        let mut state = QueueState { messages: self.stream_messages(stream).await?, ..QueueState::default() };
        for lane in Lane::ALL {
            let name = topology::consumer_name(stage, *lane);
            let info: Result<ConsumerInfo, ApiError> =
                self.link.api(&format!("CONSUMER.INFO.{stream}.{name}"), &()).await;
            let info = info.map_err(|e| e.into_bus(format!("consumer {name}")))?;
            state.pending += info.num_pending;
            state.ack_pending += info.num_ack_pending;
        }
        // What was acknowledged or stored between the answers must not look like an orphan.
        state.messages = state.messages.min(self.stream_messages(stream).await?);
        Ok(state)
    }

    /// Whether the broker syncs every write to disk, asked at its monitoring port.
    pub async fn durability(&self) -> Durability {
        durability::ask(self.link.options.monitor.as_deref(), self.link.request_timeout()).await
    }

    /// Says where a job is; best effort, nothing waits for it.
    pub async fn progress(&self, progress: &Progress) {
        let subject = subject::progress(&progress.org, progress.upload, progress.stage);
        let Ok(payload) = serde_json::to_vec(progress) else { return };
        if let Err(error) = self.link.client.publish(subject, payload.into()).await {
            tracing::debug!(%error, "progress was not sent");
        }
    }

    /// Waits until everything handed to the client is on the wire.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] when that takes longer than the request timeout.
    pub async fn flush(&self) -> Result<(), BusError> {
        let unavailable = |reason: String| BusError::Unavailable { what: "flush".to_owned(), reason };
        match tokio::time::timeout(self.link.request_timeout(), self.link.client.flush()).await {
            Ok(done) => done.map_err(|e| unavailable(e.to_string())),
            Err(_) => Err(unavailable("timed out".to_owned())),
        }
    }
}

fn log_event(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to the broker"),
        Event::Disconnected => tracing::warn!("lost the broker, reconnecting"),
        event => tracing::info!(%event, "broker connection"),
    }
}
