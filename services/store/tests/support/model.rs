//! Random writes whose result is known: what each point must be, and what it must be after a request cut short.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::time::Duration;

use ::qdrant_client::qdrant::point_id::PointIdOptions;
use ::qdrant_client::qdrant::*;
use ::qdrant_client::{Payload, Qdrant};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{client, collection, point};

pub const NAME: &str = "chunks";
pub const POINTS: u64 = 2_500;
const WRITERS: u64 = 2;
pub const SIZE: u64 = 64;
const GROUPS: u64 = 40;

/// What a point should be: its vector follows from id and revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    pub revision: u64,
    pub state: String,
}

pub type Model = BTreeMap<u64, Expected>;

#[derive(Debug, Clone)]
pub enum Step {
    Upsert(Vec<u64>, u64),
    Delete(Vec<u64>),
    DeleteGroup(u64),
    Flip(Vec<u64>, String),
    FlipGroup(u64, String),
}

fn group(id: u64) -> u64 {
    (id / WRITERS) % GROUPS
}

fn vector(id: u64, revision: u64) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(id * 1_000_003 + revision);
    (0..SIZE).map(|_| random.random_range(-1.0f32..1.0)).collect()
}

fn stored(id: u64, revision: u64) -> PointStruct {
    let payload = json!({"revision": revision, "state": "staged", "owner": id % WRITERS, "group": group(id)});
    point(id, vector(id, revision), &[(1, 1.0), (1000 + id as u32, 2.0)], payload)
}

impl Step {
    /// A writer's next step, on ids of its own.
    fn random(random: &mut StdRng, owner: u64, model: &Model, revision: u64) -> Self {
        let some_ids: Vec<u64> = (0..random.random_range(1..20u64))
            .map(|_| random.random_range(0..POINTS / WRITERS) * WRITERS + owner)
            .collect();
        let known: Vec<u64> = some_ids.iter().copied().filter(|id| model.contains_key(id)).collect();
        let state = format!("s{revision}");
        match random.random_range(0..10u32) {
            0..4 => Self::Upsert(some_ids, revision),
            4..6 => Self::Delete(some_ids),
            6 => Self::DeleteGroup(random.random_range(0..GROUPS)),
            7 => Self::FlipGroup(random.random_range(0..GROUPS), state),
            _ if known.is_empty() => Self::Upsert(some_ids, revision),
            _ => Self::Flip(known, state),
        }
    }

    fn expect(&self, owner: u64, model: &mut Model) {
        let of_group = |id: &u64, wanted: &u64| id % WRITERS == owner && group(*id) == *wanted;
        match self {
            Self::Upsert(ids, revision) => ids.iter().for_each(|id| {
                model.insert(*id, Expected { revision: *revision, state: "staged".into() });
            }),
            Self::Delete(ids) => model.retain(|id, _| !ids.contains(id)),
            Self::DeleteGroup(wanted) => model.retain(|id, _| !of_group(id, wanted)),
            Self::Flip(ids, state) => {
                model
                    .iter_mut()
                    .filter(|(id, _)| ids.contains(id))
                    .for_each(|(_, point)| point.state.clone_from(state));
            }
            Self::FlipGroup(wanted, state) => {
                let members = model.iter_mut().filter(|(id, _)| of_group(id, wanted));
                members.for_each(|(_, point)| point.state.clone_from(state));
            }
        }
    }

    async fn send(&self, owner: u64, client: &Qdrant) -> bool {
        let members = |wanted: u64| {
            Filter::must([Condition::matches("owner", owner as i64), Condition::matches("group", wanted as i64)])
        };
        let list = |ids: &[u64]| PointsIdsList { ids: ids.iter().map(|id| (*id).into()).collect() };
        let payload = |state: &str| Payload::try_from(json!({"state": state})).unwrap();
        let answer = match self {
            Self::Upsert(ids, revision) => {
                let points: Vec<_> = ids.iter().map(|id| stored(*id, *revision)).collect();
                client.upsert_points(UpsertPointsBuilder::new(NAME, points).wait(true)).await
            }
            Self::Delete(ids) => {
                client.delete_points(DeletePointsBuilder::new(NAME).points(list(ids)).wait(true)).await
            }
            Self::DeleteGroup(wanted) => {
                client.delete_points(DeletePointsBuilder::new(NAME).points(members(*wanted)).wait(true)).await
            }
            Self::Flip(ids, state) => {
                let set = SetPayloadPointsBuilder::new(NAME, payload(state)).points_selector(list(ids)).wait(true);
                client.set_payload(set).await
            }
            Self::FlipGroup(wanted, state) => {
                let set =
                    SetPayloadPointsBuilder::new(NAME, payload(state)).points_selector(members(*wanted)).wait(true);
                client.set_payload(set).await
            }
        };
        answer.is_ok()
    }
}

/// One writer's acknowledged state, and what it would be if the unanswered request had happened too.
pub struct Written {
    pub acknowledged: Model,
    pub with_last: Model,
}

/// Concurrent writers, each with points of its own, until a request fails.
pub struct Writers {
    tasks: Vec<JoinHandle<Written>>,
    acknowledged: watch::Receiver<u64>,
    stop: watch::Sender<bool>,
}

impl Writers {
    pub fn start(address: &str, model: &Model, seed: u64) -> Self {
        let (progress, acknowledged) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let start = |owner| {
            let own = model.iter().filter(|(id, _)| *id % WRITERS == owner);
            let model = own.map(|(id, point)| (*id, point.clone())).collect();
            let (progress, stopped) = (progress.clone(), stopped.clone());
            tokio::spawn(Writer { client: client(address), owner, seed, model, progress, stopped }.write())
        };
        Self { tasks: (0..WRITERS).map(start).collect(), acknowledged, stop }
    }

    /// Waits for as many more acknowledged requests; false when the writers ended before.
    pub async fn acknowledge(&mut self, more: u64) -> bool {
        let wanted = *self.acknowledged.borrow_and_update() + more;
        self.acknowledged.wait_for(|done| *done >= wanted).await.is_ok()
    }

    /// Waits for an optimization to run while the writers write.
    pub async fn until_optimizing(&mut self, reader: &Qdrant) {
        while !is_optimizing(reader).await {
            assert!(self.acknowledge(1).await, "the writers ended before an optimization began");
        }
    }

    /// Lets every writer end after its request.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// What was written, after a stop or something that has made every writer's request fail.
    pub async fn ended(self) -> Vec<Written> {
        let mut written = Vec::new();
        for task in self.tasks {
            written.push(task.await.unwrap());
        }
        written
    }
}

/// One writer.
struct Writer {
    client: Qdrant,
    owner: u64,
    seed: u64,
    model: Model,
    progress: watch::Sender<u64>,
    stopped: watch::Receiver<bool>,
}

impl Writer {
    /// Writes until a request fails or it is told to stop.
    async fn write(self) -> Written {
        let Self { client, owner, seed, mut model, progress, stopped } = self;
        let mut random = StdRng::seed_from_u64(seed * 31 + owner);
        let mut steps = 0;
        while !*stopped.borrow() {
            steps += 1;
            let step = Step::random(&mut random, owner, &model, seed * 1_000_000 + steps);
            let mut with_last = model.clone();
            step.expect(owner, &mut with_last);
            if !step.send(owner, &client).await {
                return Written { acknowledged: model, with_last };
            }
            model = with_last;
            progress.send_modify(|done| *done += 1);
        }
        Written { acknowledged: model.clone(), with_last: model }
    }
}

pub async fn load(client: &Qdrant) -> Model {
    client.create_collection(collection(NAME, SIZE, 100)).await.unwrap();
    let ids: Vec<u64> = (0..POINTS).collect();
    for chunk in ids.chunks(256) {
        let points: Vec<_> = chunk.iter().map(|id| stored(*id, 0)).collect();
        client.upsert_points(UpsertPointsBuilder::new(NAME, points).wait(true)).await.unwrap();
    }
    ids.into_iter().map(|id| (id, Expected { revision: 0, state: "staged".into() })).collect()
}

pub async fn info(client: &Qdrant) -> CollectionInfo {
    client.collection_info(NAME).await.unwrap().result.unwrap()
}

pub async fn is_optimizing(client: &Qdrant) -> bool {
    info(client).await.status() == CollectionStatus::Yellow
}

/// Waits until the collection shows `status`; what it says is wrong then.
pub async fn until(client: &Qdrant, status: CollectionStatus) -> String {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let wait = async {
        loop {
            looks.tick().await;
            let info = info(client).await;
            if info.status() == status {
                return info.optimizer_status.unwrap_or_default().error;
            }
        }
    };
    let shown = tokio::time::timeout(Duration::from_secs(120), wait).await;
    shown.unwrap_or_else(|_| panic!("the collection does not become {status:?}"))
}

fn read_point(point: RetrievedPoint) -> (u64, Expected) {
    let Some(PointIdOptions::Num(id)) = point.id.unwrap().point_id_options else { panic!("an id is not a number") };
    let revision = point.payload["revision"].as_integer().unwrap() as u64;
    let Some(vectors_output::VectorsOptions::Vectors(mut named)) = point.vectors.unwrap().vectors_options else {
        panic!("point {id} has no named vectors")
    };
    let Some(vector_output::Vector::Dense(dense)) = named.vectors.remove("dense").unwrap().vector else { panic!() };
    assert_eq!(dense.data, vector(id, revision), "the vector of point {id} is not that of revision {revision}");
    assert!(named.vectors.contains_key("bm25"), "point {id} lost its sparse vector");
    (id, Expected { revision, state: point.payload["state"].as_str().unwrap().to_string() })
}

async fn read_all(client: &Qdrant) -> Model {
    let request = ScrollPointsBuilder::new(NAME).limit(2 * POINTS as u32).with_payload(true).with_vectors(true);
    let points = client.scroll(request).await.unwrap().result;
    points.into_iter().map(read_point).collect()
}

/// Each point is as acknowledged, or as the request in flight at the kill would have made it.
fn check(found: &Model, written: &[Written], round: &str) -> Model {
    let mut checked = Model::new();
    for id in 0..POINTS {
        let writer = &written[(id % WRITERS) as usize];
        let got = found.get(&id);
        let allowed = [writer.acknowledged.get(&id), writer.with_last.get(&id)];
        assert!(allowed.contains(&got), "{round}: point {id} is {got:?}, expected one of {allowed:?}");
        if let Some(point) = got {
            checked.insert(id, point.clone());
        }
    }
    assert_eq!(found.len(), checked.len(), "{round}: there are points nobody wrote");
    checked
}

/// Every point is what it should be, and none is there twice.
pub async fn check_all(client: &Qdrant, written: &[Written], round: &str) -> Model {
    let model = check(&read_all(client).await, written, round);
    check_reads(client, &model).await;
    model
}

/// No point is held twice, and a search sees what a scroll sees.
async fn check_reads(client: &Qdrant, model: &Model) {
    let exact = client.count(CountPointsBuilder::new(NAME).exact(true)).await.unwrap().result.unwrap().count;
    assert_eq!(exact, model.len() as u64);
    let held = client.collection_info(NAME).await.unwrap().result.unwrap().points_count;
    assert_eq!(held, Some(model.len() as u64), "some point is held twice");
    let (id, point) = model.iter().next().expect("a point is left");
    let params = SearchParamsBuilder::default().exact(true);
    let query = QueryPointsBuilder::new(NAME).query(vector(*id, point.revision)).using("dense").params(params).limit(1);
    let best = client.query(query).await.unwrap().result.pop().unwrap();
    assert_eq!(best.id, Some((*id).into()));
}
