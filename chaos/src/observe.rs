//! Looking into a cluster from outside: its queues while it settles, and then all that it left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::StreamExt as _;
use heimdex_bus::{Bus, Options as BusOptions, ReceiptScope, ReceiptsFrom};
use heimdex_e2e::Client;
use heimdex_index::{Index, Options, OrgScoped, Space, State, StoredPoint};
use heimdex_schemas::{Event as _, Receipt, StageName, UploadId};
use heimdex_stage::{Blobs as _, Bucket};
use serde::Deserialize;

use crate::cluster::{Cluster, MODEL};
use crate::workload::ORGS;

/// How often the queues are looked at while they settle.
const LOOK: Duration = Duration::from_millis(200);
/// A look that takes longer counts as this much: a machine that stood still did not have its time.
const STANDSTILL: Duration = Duration::from_secs(5);
/// How long one answer of the broker may take.
const ANSWER: Duration = Duration::from_secs(20);
/// Dead letters of messages without a readable org lie there.
const NO_ORG: &str = "_";

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    pub org: String,
    /// Stands for the asset.
    pub asset_hash: String,
    pub stage: String,
    pub class: String,
    pub code: String,
    pub message: String,
}

/// The state of a settled cluster.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// The current receipt of every job there is one for.
    pub receipts: BTreeMap<UploadId, Receipt>,
    /// Messages in the receipts stream: as many as jobs, or one has two.
    pub receipts_stored: u64,
    pub dead: Vec<Dead>,
    /// As the index lists them, by organization: a point that is there twice is here twice.
    pub points: Vec<StoredPoint>,
    /// The exact count of live points, which must agree with the list.
    pub live_count: u64,
    /// Blobs of uploads of which nothing may be left.
    pub blobs: Vec<String>,
}

/// What still waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queues {
    /// In all stages' streams.
    pub messages: u64,
    /// Those that no consumer will deliver.
    pub orphans: u64,
    /// Queues that could not be looked at.
    pub unknown: Vec<String>,
}

impl Queues {
    #[must_use]
    pub fn are_empty(&self) -> bool {
        self.messages == 0 && self.orphans == 0 && self.unknown.is_empty()
    }
}

/// Looks, past every proxy.
pub struct Observer {
    client: Client,
    bus: Bus,
    index: Index,
    space: Space,
}

impl Observer {
    /// # Errors
    /// When the broker does not answer, or the program does not know its model.
    pub async fn connect(cluster: &Cluster) -> anyhow::Result<Self> {
        let bus = Bus::connect(&cluster.nats_url(), BusOptions::default()).await?;
        let client = Client::connect(&cluster.nats_url()).await;
        let index = Index::connect(&cluster.qdrant_url(), Options::default())?;
        Ok(Self { client, bus, index, space: space(cluster).await? })
    }

    #[must_use]
    pub const fn space(&self) -> &Space {
        &self.space
    }

    #[must_use]
    pub const fn bus(&self) -> &Bus {
        &self.bus
    }

    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// What waits now.
    pub async fn queues(&self) -> Queues {
        let mut queues = Queues::default();
        for stage in StageName::ALL {
            match self.bus.queue_state(*stage).await {
                Ok(state) => {
                    queues.messages += state.messages;
                    queues.orphans += state.orphans();
                }
                Err(error) => queues.unknown.push(format!("{stage}: {error}")),
            }
        }
        queues
    }

    /// The current receipts, complete up to the newest one at this moment.
    ///
    /// # Errors
    /// When the broker does not answer, or one cannot be read.
    pub async fn receipts(&self) -> anyhow::Result<BTreeMap<UploadId, Receipt>> {
        tokio::time::timeout(ANSWER, self.read_receipts()).await.context("the receipts do not come")?
    }

    async fn read_receipts(&self) -> anyhow::Result<BTreeMap<UploadId, Receipt>> {
        let newest = self.bus.receipts().now().await?;
        let mut receipts = BTreeMap::new();
        if newest == 0 {
            return Ok(receipts);
        }
        let mut updates = self.bus.receipts().watch(&ReceiptScope::Everything, ReceiptsFrom::Current).await?;
        loop {
            let update = updates.next().await.context("the receipts ended")??;
            receipts.insert(update.receipt.upload, update.receipt);
            if update.sequence >= newest {
                return Ok(receipts);
            }
        }
    }

    /// Everything there is, and the blobs that are left of `gone` uploads.
    ///
    /// # Errors
    /// When the broker or the store does not answer.
    pub async fn observe(&self, gone: &BTreeSet<UploadId>) -> anyhow::Result<Observation> {
        let mut seen = Observation { receipts: self.receipts().await?, ..Observation::default() };
        seen.receipts_stored = self.bus.stream_messages(Receipt::STREAM).await?;
        let collection = self.index.collection(&self.space).await?;
        for org in ORGS {
            self.dead_letters(&mut seen, org).await;
            look(&mut seen, &collection.scoped(&org.parse()?)).await?;
        }
        self.dead_letters(&mut seen, NO_ORG).await;
        for bucket in [Bucket::Originals, Bucket::Work] {
            let blobs = self.bus.blobs().list(bucket, "").await?;
            let left = blobs.into_iter().filter(|blob| owner(&blob.name).is_some_and(|upload| gone.contains(&upload)));
            seen.blobs.extend(left.map(|blob| blob.name));
        }
        Ok(seen)
    }

    async fn dead_letters(&self, seen: &mut Observation, org: &str) {
        seen.dead.extend(self.client.dead_letters(org).await.iter().map(|letter| Dead {
            org: org.to_owned(),
            asset_hash: letter.subject.rsplit('.').next().unwrap_or_default().to_owned(),
            stage: letter.header("Heimdex-Stage").to_owned(),
            class: letter.header("Heimdex-Class").to_owned(),
            code: letter.header("Heimdex-Code").to_owned(),
            message: letter.header("Heimdex-Message").to_owned(),
        }));
    }
}

/// The upload in a blob's name `<org>/<asset hash>/<upload>/<sha256>`.
fn owner(name: &str) -> Option<UploadId> {
    name.split('/').nth(2)?.parse().ok()
}

async fn look(seen: &mut Observation, scope: &OrgScoped) -> anyhow::Result<()> {
    seen.points.extend(scope.audit().await?);
    seen.live_count += scope.count_all(State::Live).await?;
    Ok(())
}

/// Waits until nothing moves any more.
pub struct Watch<'a> {
    observer: &'a Observer,
    jobs: &'a [UploadId],
}

/// What had not ended when patience did.
#[derive(Debug, Clone, Default)]
pub struct Unsettled {
    /// Jobs without a receipt.
    pub waiting: Vec<UploadId>,
    pub queues: Queues,
    pub took: Duration,
}

impl Unsettled {
    /// Whether nothing was left.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.queues.are_empty()
    }
}

impl<'a> Watch<'a> {
    #[must_use]
    pub const fn new(observer: &'a Observer, jobs: &'a [UploadId]) -> Self {
        Self { observer, jobs }
    }

    /// Until every job has a receipt and no queue has a message, in two looks one after the other. `tend` runs between
    /// the looks.
    ///
    /// # Errors
    /// Those of `tend`.
    pub async fn quiet(
        &self,
        patience: Duration,
        mut tend: impl AsyncFnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Unsettled> {
        let (begun, mut looked) = (Instant::now(), Instant::now());
        let mut beat = tokio::time::interval(LOOK);
        let (mut was_quiet, mut spent) = (false, Duration::ZERO);
        loop {
            beat.tick().await;
            tend().await?;
            spent += looked.elapsed().min(STANDSTILL);
            looked = Instant::now();
            let queues = self.observer.queues().await;
            // Unknown is not none: a broker that is away has not settled.
            let receipts = self.observer.receipts().await.unwrap_or_default();
            let waiting = self.jobs.iter().filter(|job| !receipts.contains_key(job)).copied().collect();
            let unsettled = Unsettled { waiting, queues, took: begun.elapsed() };
            let is_quiet = unsettled.is_settled();
            if (is_quiet && was_quiet) || spent > patience {
                return Ok(unsettled);
            }
            was_quiet = is_quiet;
        }
    }
}

#[derive(Deserialize)]
struct Model {
    name: String,
    dimension: u32,
    space: String,
}

async fn space(cluster: &Cluster) -> anyhow::Result<Space> {
    let listed = cluster.run(&["models", "ls", "--json"]).await?;
    let models: Vec<Model> = serde_json::from_str(&listed).context("heimdex models ls --json")?;
    let model = models.into_iter().find(|model| model.name == MODEL).context("the model is not installed")?;
    Ok(Space { model: model.name.parse()?, id: model.space, dimension: model.dimension })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_blob_belongs_to_the_upload_in_its_name() {
        let upload = UploadId::new(&"a".parse().unwrap(), "/s", "1");
        assert_eq!(owner(&format!("a/0f/{upload}/00ff")), Some(upload));
        assert_eq!(owner("a/0f"), None);
    }
}
