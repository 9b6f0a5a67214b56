//! The promise of the redo log: the program is killed while an optimization runs and acknowledged writes stream in;
//! after the restart the collection is exactly what was acknowledged. The request in flight may have happened or not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod support;

use std::collections::BTreeMap;

use ::qdrant_client::qdrant::point_id::PointIdOptions;
use ::qdrant_client::qdrant::*;
use ::qdrant_client::{Payload, Qdrant};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use support::{Spawned, client, collection, point};
use tokio::sync::watch;

const NAME: &str = "chunks";
const SIZE: u64 = 96;
const POINTS: u64 = 6_000;
const ROUNDS: u64 = 6;
const WRITERS: u64 = 2;
const GROUPS: u64 = 40;
const SETTINGS: [(&str, &str); 4] = [
    ("HEIMDEX_STORE_OPTIMIZE_EVERY_POINTS", "2000"),
    ("HEIMDEX_STORE_OPTIMIZER_THREADS", "1"),
    ("HEIMDEX_STORE_IDLE_MS", "50"),
    ("HEIMDEX_STORE_REDO_SEGMENT_BYTES", "4000000"),
];

/// What a point should be: its vector follows from id and revision.
#[derive(Debug, Clone, PartialEq)]
struct Expected {
    revision: u64,
    state: String,
}

type Model = BTreeMap<u64, Expected>;

#[derive(Debug, Clone)]
enum Step {
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
struct Written {
    acknowledged: Model,
    with_last: Model,
}

/// Writes until the store is gone.
async fn write(client: Qdrant, owner: u64, seed: u64, mut model: Model, progress: watch::Sender<u64>) -> Written {
    let mut random = StdRng::seed_from_u64(seed * 31 + owner);
    let mut steps = 0;
    loop {
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
}

async fn load(client: &Qdrant) -> Model {
    client.create_collection(collection(NAME, SIZE, 100)).await.unwrap();
    let ids: Vec<u64> = (0..POINTS).collect();
    for chunk in ids.chunks(256) {
        let points: Vec<_> = chunk.iter().map(|id| stored(*id, 0)).collect();
        client.upsert_points(UpsertPointsBuilder::new(NAME, points).wait(true)).await.unwrap();
    }
    ids.into_iter().map(|id| (id, Expected { revision: 0, state: "staged".into() })).collect()
}

async fn is_optimizing(client: &Qdrant) -> bool {
    let info = client.collection_info(NAME).await.unwrap().result.unwrap();
    info.status() == CollectionStatus::Yellow
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
fn check(found: &Model, written: &[Written], round: u64) -> Model {
    let mut checked = Model::new();
    for id in 0..POINTS {
        let writer = &written[(id % WRITERS) as usize];
        let got = found.get(&id);
        let allowed = [writer.acknowledged.get(&id), writer.with_last.get(&id)];
        assert!(allowed.contains(&got), "round {round}: point {id} is {got:?}, expected one of {allowed:?}");
        if let Some(point) = got {
            checked.insert(id, point.clone());
        }
    }
    assert_eq!(found.len(), checked.len(), "round {round}: there are points nobody wrote");
    checked
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_an_optimization_loses_nothing_acknowledged() {
    let seed: u64 = std::env::var("HEIMDEX_STORE_CRASH_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let data = tempfile::tempdir().unwrap();
    let mut store = Spawned::start(data.path(), &SETTINGS);
    let mut model = load(&client(&store.address)).await;
    let mut killed_while_optimizing = 0;
    for round in 0..ROUNDS {
        let reader = client(&store.address);
        let (progress, mut acknowledged) = watch::channel(0);
        let writers: Vec<_> = (0..WRITERS)
            .map(|owner| {
                let own =
                    model.iter().filter(|(id, _)| *id % WRITERS == owner).map(|(id, p)| (*id, p.clone())).collect();
                tokio::spawn(write(client(&store.address), owner, seed + round, own, progress.clone()))
            })
            .collect();
        let mut random = StdRng::seed_from_u64(seed + round);
        while !is_optimizing(&reader).await {
            acknowledged.changed().await.unwrap();
        }
        let more = *acknowledged.borrow_and_update() + random.random_range(1..150u64);
        acknowledged.wait_for(|done| *done >= more).await.unwrap();
        killed_while_optimizing += u64::from(is_optimizing(&reader).await);
        store.kill();
        drop(progress);
        let mut written = Vec::new();
        for writer in writers {
            written.push(writer.await.unwrap());
        }
        store = Spawned::start(data.path(), &SETTINGS);
        let reader = client(&store.address);
        model = check(&read_all(&reader).await, &written, round);
        check_reads(&reader, &model).await;
        println!("round {round}: {} steps, {} points", *acknowledged.borrow(), model.len());
    }
    assert!(killed_while_optimizing > 0, "no kill hit an optimization: nothing was tested");
    assert!(store.terminate());
}
