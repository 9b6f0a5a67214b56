//! What a run left behind: current receipts, dead letters, and every point with its vectors.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures::StreamExt as _;
use heimdex_bus::{ReceiptScope, ReceiptsFrom};
use heimdex_e2e::Client;
use heimdex_index::{Index, Options, OrgScoped, Space, State, StoredPoint};
use heimdex_schemas::{Receipt, UploadId};
use heimdex_testkit::heimdex::Cluster;
use serde::Deserialize;

use crate::documents::ORGS;

const MODEL: &str = "all-minilm-l6-v2";

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    /// Stands for the asset.
    pub asset_hash: String,
    pub stage: String,
    pub code: String,
    pub message: String,
}

/// The state of a settled cluster.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// The current receipt of every job there is one for.
    pub receipts: BTreeMap<UploadId, Receipt>,
    pub dead: Vec<Dead>,
    /// As the index lists them, by organization: a point that is there twice is here twice.
    pub points: Vec<StoredPoint>,
    /// The exact count of live points, which must agree with the list.
    pub live_count: u64,
}

/// Looks at everything.
///
/// # Errors
/// When the broker or the store does not answer.
pub async fn observe(client: &Client, cluster: &Cluster) -> anyhow::Result<Observation> {
    let mut observation = Observation { receipts: receipts(client).await?, ..Observation::default() };
    let index = Index::connect(cluster.qdrant_url(), Options::default())?;
    let collection = index.collection(&space(cluster)?).await?;
    for org in ORGS {
        observation.dead.extend(client.dead_letters(org).await.iter().map(dead));
        look(&mut observation, &collection.scoped(&org.parse()?)).await?;
    }
    Ok(observation)
}

async fn look(observation: &mut Observation, scope: &OrgScoped) -> anyhow::Result<()> {
    observation.points.extend(scope.audit().await?);
    observation.live_count += scope.count_all(State::Live).await?;
    Ok(())
}

fn dead(letter: &heimdex_e2e::DeadLetter) -> Dead {
    Dead {
        asset_hash: letter.subject.rsplit('.').next().unwrap_or_default().to_owned(),
        stage: letter.header("Heimdex-Stage").to_owned(),
        code: letter.header("Heimdex-Code").to_owned(),
        message: letter.header("Heimdex-Message").to_owned(),
    }
}

/// Reads until the receipt that is the newest now; the list is complete then.
async fn receipts(client: &Client) -> anyhow::Result<BTreeMap<UploadId, Receipt>> {
    let newest = client.bus().receipts().now().await?;
    let mut receipts = BTreeMap::new();
    if newest == 0 {
        return Ok(receipts);
    }
    let mut updates = client.bus().receipts().watch(&ReceiptScope::Everything, ReceiptsFrom::Current).await?;
    loop {
        let update = updates.next().await.context("the receipts ended")??;
        receipts.insert(update.receipt.upload, update.receipt);
        if update.sequence >= newest {
            return Ok(receipts);
        }
    }
}

#[derive(Deserialize)]
struct Model {
    name: String,
    dimension: u32,
    space: String,
}

fn space(cluster: &Cluster) -> anyhow::Result<Space> {
    let listed = cluster.run(&["models", "ls", "--json"]);
    let models: Vec<Model> = serde_json::from_slice(&listed.stdout).context("heimdex models ls --json")?;
    let model = models.into_iter().find(|model| model.name == MODEL).context("the default model is not installed")?;
    Ok(Space { model: model.name.parse()?, id: model.space, dimension: model.dimension })
}
