//! Publishes a workload through whatever happens to the broker, and remembers what it is owed. An event counts as accepted
//! when the broker said so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use heimdex_bus::{Bus, Options};
use heimdex_e2e::client::SOURCE;
use heimdex_schemas::subject::Address;
use heimdex_schemas::{AssetDeleted, AssetUploaded, Content, Envelope, Event as _, OrgPurged, UploadId};
use heimdex_stage::{Blobs as _, Bucket};
use tokio::task::JoinSet;

use crate::pool::Pool;
use crate::workload::{Event, Step, Wish, Workload};

/// Time between two tries of one publish.
const AGAIN: Duration = Duration::from_millis(100);
/// A broker that is away must not hold a producer for long.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long the first connection may take: the broker may be dead at that moment.
const CONNECT: Duration = Duration::from_secs(60);
/// Larger content is put into the originals bucket first.
const INLINE_BYTES: usize = 40 * 1024;
/// The deletion's reason.
const REASON: &str = "a drill";

/// What became of the publishing.
#[derive(Debug, Clone, Default)]
pub struct Produced {
    /// The sequence that the broker gave each job's first confirmed copy.
    pub accepted: BTreeMap<UploadId, u64>,
    /// Publishes that were not confirmed and sent again.
    pub retries: usize,
    /// Publishes of what was published before.
    pub copies: usize,
}

impl Produced {
    fn add(&mut self, other: Self) {
        self.accepted.extend(other.accepted);
        self.retries += other.retries;
        self.copies += other.copies;
    }
}

/// What all producers of a run share.
pub struct Producers {
    pub url: String,
    pub pool: Arc<Pool>,
    pub workload: Arc<Workload>,
    /// Over which the steps are spread.
    pub time: Duration,
}

impl Producers {
    /// Every producer on a connection of its own, each step at its time, or as soon after it as the broker takes it.
    ///
    /// # Errors
    /// When there is no broker for a long time at the beginning.
    pub async fn run(self) -> anyhow::Result<Produced> {
        let this = Arc::new(self);
        let mut running = JoinSet::new();
        for steps in this.workload.producers.clone() {
            let this = Arc::clone(&this);
            running.spawn(async move { Producer::connect(&this).await?.run(steps, this.time).await });
        }
        let mut produced = Produced::default();
        while let Some(ended) = running.join_next().await {
            produced.add(ended??);
        }
        Ok(produced)
    }

    /// Publishes copies of these events, at once.
    ///
    /// # Errors
    /// When there is no broker.
    pub async fn again(self, events: &[usize]) -> anyhow::Result<Produced> {
        let this = Arc::new(self);
        let steps = events.iter().map(|event| Step { at: 0.0, event: *event, is_copy: true });
        Producer::connect(&this).await?.run(steps.collect(), Duration::ZERO).await
    }
}

struct Producer {
    bus: Bus,
    pool: Arc<Pool>,
    workload: Arc<Workload>,
}

impl Producer {
    async fn connect(shared: &Producers) -> anyhow::Result<Self> {
        let options = Options {
            name: "producer".to_owned(),
            request_timeout: TIMEOUT,
            publish_timeout: TIMEOUT,
            publish_attempts: 1,
            ..Options::default()
        };
        let give_up = tokio::time::Instant::now() + CONNECT;
        let bus = loop {
            match Bus::connect(&shared.url, options.clone()).await {
                Ok(bus) => break bus,
                Err(error) if tokio::time::Instant::now() > give_up => return Err(error.into()),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        };
        Ok(Self { bus, pool: Arc::clone(&shared.pool), workload: Arc::clone(&shared.workload) })
    }

    async fn run(self, steps: Vec<Step>, time: Duration) -> anyhow::Result<Produced> {
        let begun = tokio::time::Instant::now();
        let mut produced = Produced::default();
        for step in steps {
            tokio::time::sleep_until(begun + time.mul_f64(step.at)).await;
            let event = self.workload.events.get(step.event).context("a step without event")?;
            let sequence = self.until_accepted(event, step.is_copy, &mut produced).await;
            produced.copies += usize::from(step.is_copy);
            produced.accepted.entry(event.job()).or_insert(sequence);
        }
        Ok(produced)
    }

    async fn until_accepted(&self, event: &Event, is_copy: bool, produced: &mut Produced) -> u64 {
        let mut again = tokio::time::interval(AGAIN);
        loop {
            again.tick().await;
            match self.publish(event, is_copy).await {
                Ok(sequence) => return sequence,
                Err(_) => produced.retries += 1,
            }
        }
    }

    async fn publish(&self, event: &Event, is_copy: bool) -> anyhow::Result<u64> {
        let (name, envelope) = self.envelope(event).await?;
        let envelope = match event.is_numbered {
            true => envelope.with_extension("sequence", &event.rank.to_string()),
            false => envelope,
        };
        let encoded = envelope.encode();
        let msg_id = if is_copy { format!("{}-copy", uuid::Uuid::new_v4()) } else { event.job().to_string() };
        let time = (Utc::now() + TimeDelta::seconds(event.skew)).to_rfc3339();
        let mut headers: Vec<(&str, &str)> =
            encoded.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        headers.extend([("ce-time", time.as_str()), ("Nats-Msg-Id", msg_id.as_str())]);
        let subject = Address::new(name, event.lane, &event.org).subject();
        Ok(self.bus.publish_raw(&subject, &headers, encoded.payload).await?)
    }

    async fn envelope(&self, event: &Event) -> anyhow::Result<(&'static str, Envelope)> {
        let (reason, org) = (Some(REASON.to_owned()), None);
        Ok(match (event.wish, event.asset.clone()) {
            (Wish::Upload(entry), Some(asset_id)) => {
                let content = self.content(event, entry).await?;
                let upload =
                    AssetUploaded { asset_id, content, org, title: None, source: None, model: None, password: None };
                (AssetUploaded::NAME, Envelope::wrap(SOURCE, &event.id, &upload)?)
            }
            (Wish::Delete, Some(asset_id)) => {
                let deletion = AssetDeleted { asset_id, org, reason };
                (AssetDeleted::NAME, Envelope::wrap(SOURCE, &event.id, &deletion)?)
            }
            (_, None) | (Wish::Purge, _) => {
                (OrgPurged::NAME, Envelope::wrap(SOURCE, &event.id, &OrgPurged { org, reason })?)
            }
        })
    }

    async fn content(&self, event: &Event, entry: usize) -> anyhow::Result<Content> {
        let bytes = self.pool.entries.get(entry).context("no such document")?.bytes.clone();
        if bytes.len() <= INLINE_BYTES {
            return Ok(Content::Bytes(bytes));
        }
        let asset = event.asset.as_ref().context("an upload without asset")?;
        let prefix = format!("{}/{}/{}", event.org, asset.hash(), event.job());
        let blob = self.bus.blobs().put(Bucket::Originals, &prefix, Bytes::from(bytes)).await?;
        Ok(Content::Blob { name: blob.name, sha256: blob.sha256, size: blob.size })
    }
}
