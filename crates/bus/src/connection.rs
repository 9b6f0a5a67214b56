//! The connection, and the doors from it to everything else in this crate.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectOptions, Event};
use heimdex_schemas::{Lane, Progress, StageName, subject};
use rand::RngExt as _;

use crate::blobs::ObjectBlobs;
use crate::dead_letter::DeadLetters;
use crate::depth::Depths;
use crate::durability::{self, Durability};
use crate::error::BusError;
use crate::jobs::Jobs;
use crate::ledger::KvLedger;
use crate::link::Link;
use crate::options::Options;
use crate::publish::Publisher;
use crate::pull::LanePuller;
use crate::receipts::Receipts;
use crate::requests::{Requests, Service};
use crate::storage::{self, Storage};
use crate::topology;

/// A connection to the broker. Cloning shares it; it reconnects by itself for as long as it lives.
#[derive(Clone)]
pub struct Bus {
    link: Link,
    blobs: Arc<ObjectBlobs>,
    ledger: Arc<KvLedger>,
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
            .reconnect_delay_callback(reconnect_delay)
            .event_callback(|event| async move { log_event(&event) });
        let failed = |reason: String| BusError::Connect { url: url.to_owned(), reason };
        let client = connect.connect(url).await.map_err(|e| failed(e.to_string()))?;
        let jetstream = ContextBuilder::new()
            .timeout(options.request_timeout)
            .ack_timeout(options.publish_timeout)
            .build(client.clone());
        let depths = Arc::new(Depths::default());
        let link = Link { client, jetstream, options: Arc::new(options), depths };
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

    /// What became of uploads and deletions, or where they are.
    #[must_use]
    pub fn jobs(&self) -> Jobs {
        Jobs::new(self.link.clone(), Arc::clone(&self.ledger), self.receipts(), self.dead_letters())
    }

    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.link.clone(), Arc::clone(&self.blobs), Arc::clone(&self.ledger))
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

    /// Whether the broker syncs every write to disk, asked at its monitoring port.
    pub async fn durability(&self) -> Durability {
        durability::ask(self.link.options.monitor.as_deref(), self.link.request_timeout()).await
    }

    /// Whether the broker has room for what is published, asked at its monitoring port.
    pub async fn storage(&self) -> Storage {
        storage::ask(self.link.options.monitor.as_deref(), self.link.request_timeout()).await
    }

    /// Says where a job is; best effort, nothing waits for it.
    pub async fn progress(&self, progress: &Progress) {
        let subject = subject::progress(&progress.org, progress.upload, progress.stage, progress.part);
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

/// Up to a second, of which between half and all at random: a broker that comes back meets its clients one by one.
fn reconnect_delay(attempt: usize) -> Duration {
    let full = Duration::from_millis(50 * attempt.clamp(1, 20) as u64);
    full.mul_f64(rand::rng().random_range(0.5..=1.0))
}

fn log_event(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to the broker"),
        Event::Disconnected => tracing::warn!("lost the broker, reconnecting"),
        event => tracing::info!(%event, "broker connection"),
    }
}
