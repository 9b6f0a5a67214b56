//! What a case left behind, without what differs from organization to organization.

use std::collections::{BTreeMap, BTreeSet};

use heimdex_e2e::Client;
use heimdex_index::{Index, Options, Space, State};
use heimdex_schemas::{Org, Receipt, ReceiptState, StageName, UploadId};
use serde::Deserialize;

use crate::triggers::Jobs;

/// The small one: what is tried here has nothing to do with the model.
pub const MODEL: &str = "all-minilm-l6-v2";

/// Compared as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Each job by its event id.
    receipts: BTreeMap<&'static str, Outcome>,
    /// Searchable points: asset, event id, ordinal of how many, text.
    live: Vec<(String, String, u32, u32, String)>,
    /// Points that no receipt tells of.
    staged: usize,
    /// Stage, class and code of each dead letter.
    dead: Vec<(String, String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    state: ReceiptState,
    chunks: u32,
    /// How far it came is left to chance where it was deleted on its way.
    way: Option<Way>,
    failures: BTreeSet<(StageName, String)>,
    by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    pages: u32,
    /// Stages on the receipt; one that died on the way shows once.
    passed: BTreeSet<StageName>,
}

/// Reads what is there, as soon as nothing moves any more.
pub struct Observer {
    pub client: Client,
    index: Index,
    space: Space,
}

impl Observer {
    pub async fn connect(nats: &str, qdrant: &str, models: &[u8]) -> Self {
        let index = Index::connect(qdrant, Options::default()).unwrap();
        Self { client: Client::connect(nats).await, index, space: space(models) }
    }

    /// Whether every job has its receipt and no stage has anything left to do.
    pub async fn is_settled(&self, org: &Org, jobs: &Jobs) -> bool {
        for stage in StageName::ALL {
            if !self.client.bus().queue_state(*stage).await.is_ok_and(|queue| queue.messages == 0) {
                return false;
            }
        }
        for (_, job) in jobs {
            if !matches!(self.client.bus().receipts().current(org, *job).await, Ok(Some(_))) {
                return false;
            }
        }
        true
    }

    pub async fn look(&self, org: &Org, jobs: &Jobs) -> Observation {
        let mut receipts = BTreeMap::new();
        for (event, job) in jobs {
            let found = self.client.bus().receipts().current(org, *job).await.unwrap().unwrap().receipt;
            receipts.insert(*event, outcome(&found, jobs));
        }
        let (live, staged) = self.points(org, jobs).await;
        Observation { receipts, live, staged, dead: self.dead(org).await }
    }

    async fn points(&self, org: &Org, jobs: &Jobs) -> (Vec<(String, String, u32, u32, String)>, usize) {
        let collection = self.index.collection(&self.space).await.unwrap();
        let points = collection.scoped(org).audit().await.unwrap();
        let in_state =
            |state: State| points.iter().map(|found| &found.point.document).filter(move |d| d.state == state);
        let mut live: Vec<_> = in_state(State::Live)
            .map(|d| {
                let asset = d.asset_id.as_str().to_owned();
                (asset, label(jobs, d.upload), d.ordinal, d.total, d.text.clone())
            })
            .collect();
        live.sort_unstable();
        (live, in_state(State::Staged).count())
    }

    async fn dead(&self, org: &Org) -> Vec<(String, String, String)> {
        let letters = self.client.dead_letters(org.as_str()).await;
        let header = |letter: &heimdex_e2e::DeadLetter, name: &str| letter.header(name).to_owned();
        let mut dead: Vec<_> = letters
            .iter()
            .map(|l| (header(l, "Heimdex-Stage"), header(l, "Heimdex-Class"), header(l, "Heimdex-Code")))
            .collect();
        dead.sort_unstable();
        dead
    }
}

fn outcome(receipt: &Receipt, jobs: &Jobs) -> Outcome {
    let passed = receipt.stages.iter().map(|passed| passed.stage).collect();
    Outcome {
        state: receipt.state,
        chunks: receipt.chunks,
        way: (receipt.state != ReceiptState::Deleted).then_some(Way { pages: receipt.pages, passed }),
        failures: receipt.failures.iter().map(|failure| (failure.stage, failure.code.clone())).collect(),
        by: receipt.superseded_by.map(|by| label(jobs, by)),
    }
}

fn label(jobs: &Jobs, id: UploadId) -> String {
    let known = jobs.iter().find(|(_, job)| *job == id);
    known.map_or_else(|| format!("unknown {id}"), |(event, _)| (*event).to_owned())
}

#[derive(Deserialize)]
struct Model {
    name: String,
    dimension: u32,
    space: String,
}

/// From what `heimdex models ls --json` printed.
fn space(models: &[u8]) -> Space {
    let models: Vec<Model> = serde_json::from_slice(models).expect("heimdex models ls --json");
    let model = models.into_iter().find(|model| model.name == MODEL).expect("the model is installed");
    Space { model: model.name.parse().unwrap(), id: model.space, dimension: model.dimension }
}
