//! A collection like Heimdex's at a chosen size: what its life costs, and that nothing is lost on the way.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ::qdrant_client::qdrant::*;
use ::qdrant_client::{Payload, Qdrant};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use super::{Spawned, client, point};

const NAME: &str = "chunks";
const SIZE: u64 = 384;
const BATCH: u64 = 256;
/// Searches of each kind that are timed, where there are points enough for them to mean something.
const QUERIES: usize = 1_000;
/// Points of an upload, of which each asset has one.
const UPLOAD: u64 = 50;
const ORGS: u64 = 10;
const SETTINGS: [(&str, &str); 1] = [("HEIMDEX_LOG", "warn,qdrant_edge=error")];

/// The collection with the settings and field indexes that Heimdex gives it.
async fn create(client: &Qdrant) {
    let int8 = ScalarQuantizationBuilder::default().r#type(QuantizationType::Int8.into()).always_ram(true);
    let dense = VectorParamsBuilder::new(SIZE, Distance::Cosine).on_disk(true).quantization_config(int8);
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params("dense", dense);
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params("bm25", SparseVectorParamsBuilder::default().modifier(Modifier::Idf));
    let collection = CreateCollectionBuilder::new(NAME).vectors_config(vectors).sparse_vectors_config(sparse);
    client.create_collection(collection.on_disk_payload(true)).await.unwrap();
    for field in ["org_id", "asset_id", "upload", "state", "language"] {
        let keyword = KeywordIndexParamsBuilder::default().enable_hnsw(false).is_tenant(field == "org_id");
        let index = CreateFieldIndexCollectionBuilder::new(NAME, field, FieldType::Keyword);
        client.create_field_index(index.field_index_params(keyword)).await.unwrap();
    }
    let pages = IntegerIndexParamsBuilder::new(true, true).enable_hnsw(false);
    let index = CreateFieldIndexCollectionBuilder::new(NAME, "pages", FieldType::Integer);
    client.create_field_index(index.field_index_params(pages)).await.unwrap();
}

fn vector(random: &mut StdRng) -> Vec<f32> {
    let values: Vec<f32> = (0..SIZE).map(|_| random.random_range(-1.0f32..1.0)).collect();
    let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    values.into_iter().map(|v| v / norm).collect()
}

fn upload(id: u64) -> String {
    uuid::Uuid::from_u128(u128::from(id / UPLOAD)).to_string()
}

fn org(id: u64) -> String {
    format!("org-{}", (id / UPLOAD) % ORGS)
}

fn chunk(random: &mut StdRng, id: u64) -> PointStruct {
    let mut terms: Vec<(u32, f32)> = (0..60).map(|_| (random.random_range(0..30_000u32), 1.0)).collect();
    terms.sort_by_key(|(index, _)| *index);
    terms.dedup_by_key(|(index, _)| *index);
    let text = "the quick brown fox jumps over the lazy dog ".repeat(20);
    let payload = json!({
        "org_id": org(id), "asset_id": format!("asset-{}", id / UPLOAD), "upload": upload(id), "state": "live",
        "language": "en", "pages": [id % 300], "order": {"epoch": 0, "sequence": id / UPLOAD}, "segment": id % UPLOAD,
        "text": text, "title": "A title of some length", "content_hash": format!("{id:064x}"), "model": "minilm",
    });
    let mut point = point(0, vector(random), &terms, payload);
    point.id = Some(uuid::Uuid::from_u128(u128::from(id) << 64 | 7).to_string().into());
    point
}

async fn upsert_all(client: &Qdrant, points: u64) -> f64 {
    let mut random = StdRng::seed_from_u64(1);
    let mut spent = Duration::ZERO;
    for first in (0..points).step_by(BATCH as usize) {
        let batch: Vec<_> = (first..(first + BATCH).min(points)).map(|id| chunk(&mut random, id)).collect();
        let started = Instant::now();
        client.upsert_points(UpsertPointsBuilder::new(NAME, batch).wait(true)).await.unwrap();
        spent += started.elapsed();
    }
    points as f64 / spent.as_secs_f64()
}

/// Waits until nothing is left to optimize; how long that took.
async fn until_idle(client: &Qdrant) -> Duration {
    let started = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    let mut green_since = None;
    loop {
        looks.tick().await;
        let info = client.collection_info(NAME).await.unwrap().result.unwrap();
        green_since = (info.status() == CollectionStatus::Green).then(|| green_since.unwrap_or_else(Instant::now));
        // Longer than the quiet time after which work begins.
        if green_since.is_some_and(|since: Instant| since.elapsed() > Duration::from_secs(3)) {
            return started.elapsed() - Duration::from_secs(3);
        }
    }
}

async fn latencies(client: &Qdrant, points: u64, query: impl Fn(Vec<f32>) -> QueryPointsBuilder) -> (f64, f64) {
    let mut random = StdRng::seed_from_u64(2);
    let queries = QUERIES.min(points as usize / 20);
    let mut spent = Vec::with_capacity(queries);
    for _ in 0..queries {
        let request = query(vector(&mut random));
        let started = Instant::now();
        client.query(request).await.unwrap();
        spent.push(started.elapsed().as_secs_f64() * 1e3);
    }
    spent.sort_by(f64::total_cmp);
    (spent[queries / 2], spent[queries * 95 / 100])
}

fn nearest(vector: Vec<f32>) -> QueryPointsBuilder {
    QueryPointsBuilder::new(NAME).query(vector).using("dense").limit(10).with_payload(true)
}

/// Starts the program; how long it took to its first search answer.
async fn restart(data: &Path) -> (Spawned, Duration) {
    let started = Instant::now();
    let store = Spawned::start(data, &SETTINGS);
    client(&store.address).query(nearest(vector(&mut StdRng::seed_from_u64(3)))).await.unwrap();
    (store, started.elapsed())
}

/// Drops the data from the page cache, so that the next start reads the disk.
fn forget(data: &Path) {
    for entry in fs::read_dir(data).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            forget(&entry.path());
        } else {
            let file = fs::File::open(entry.path()).unwrap();
            file.sync_all().unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
    }
}

fn matching(field: &str, value: String) -> Filter {
    Filter::must([Condition::matches(field, value)])
}

async fn count(client: &Qdrant, filter: Filter) -> u64 {
    let count = CountPointsBuilder::new(NAME).filter(filter).exact(true);
    client.count(count).await.unwrap().result.unwrap().count
}

async fn flip(client: &Qdrant, filter: Filter, state: &str) -> Duration {
    let started = Instant::now();
    let state = Payload::try_from(json!({"state": state})).unwrap();
    let request = SetPayloadPointsBuilder::new(NAME, state).points_selector(filter).wait(true);
    client.set_payload(request).await.unwrap();
    started.elapsed()
}

async fn delete(client: &Qdrant, filter: Filter) -> Duration {
    let started = Instant::now();
    client.delete_points(DeletePointsBuilder::new(NAME).points(filter).wait(true)).await.unwrap();
    started.elapsed()
}

/// Loads, kills, restarts, changes in bulk and stops a collection of so many points; prints what each costs.
pub async fn measure(points: u64) {
    let data = tempfile::tempdir().unwrap();
    let store = Spawned::start(data.path(), &SETTINGS);
    let first = client(&store.address);
    create(&first).await;
    let rate = upsert_all(&first, points).await;
    println!("upsert of {points}: {rate:.0} points/s in batches of {BATCH}, wait=true");
    println!("optimizations end {:.1?} later; memory {}", until_idle(&first).await, store.memory());
    store.kill();
    let (store, spent) = restart(data.path()).await;
    println!("restart after a kill when idle: {spent:.2?} to the first search; memory {}", store.memory());
    search(&client(&store.address), points).await;
    let started = Instant::now();
    assert!(store.terminate());
    println!("orderly stop: {:.2?}", started.elapsed());
    forget(data.path());
    let (store, spent) = restart(data.path()).await;
    println!("restart with a cold page cache: {spent:.2?}");
    assert!(store.terminate());
    let (store, spent) = restart(data.path()).await;
    println!("restart with a warm page cache: {spent:.2?}");
    change(store, data.path(), points).await;
}

async fn search(client: &Qdrant, points: u64) {
    let (p50, p95) = latencies(client, points, nearest).await;
    println!("search, top 10 with payload: p50 {p50:.2} ms, p95 {p95:.2} ms");
    let (p50, p95) = latencies(client, points, |vector| nearest(vector).filter(matching("org_id", org(0)))).await;
    println!("search within one org: p50 {p50:.2} ms, p95 {p95:.2} ms");
    let (p50, p95) = latencies(client, points, |vector| nearest(vector).filter(matching("upload", upload(0)))).await;
    println!("search within one upload: p50 {p50:.2} ms, p95 {p95:.2} ms");
}

/// Changes by filter, of an upload, an org and everything, each there after a kill that follows its answer at once.
async fn change(store: Spawned, data: &Path, points: u64) {
    let first = client(&store.address);
    let of_org = count(&first, matching("org_id", org(0))).await;
    println!("retire an upload of {UPLOAD}: {:.1?}", flip(&first, matching("upload", upload(0)), "dead").await);
    println!("retire an org of {of_org}: {:.2?}", flip(&first, matching("org_id", org(0)), "dead").await);
    store.kill();
    let (store, spent) = restart(data).await;
    println!("restart after a kill right behind it: {spent:.2?}");
    let second = client(&store.address);
    assert_eq!(count(&second, matching("state", "dead".into())).await, of_org);
    assert_eq!(count(&second, matching("state", "live".into())).await, points - of_org);
    println!("delete an upload of {UPLOAD}: {:.1?}", delete(&second, matching("upload", upload(UPLOAD))).await);
    println!("delete an org of {of_org}: {:.2?}", delete(&second, matching("org_id", org(0))).await);
    store.kill();
    let (store, spent) = restart(data).await;
    println!("restart after a kill right behind it: {spent:.2?}");
    let third = client(&store.address);
    assert_eq!(count(&third, Filter::default()).await, points - of_org - UPLOAD);
    assert_eq!(count(&third, matching("state", "dead".into())).await, 0);
    let all = flip(&third, matching("state", "live".into()), "dead").await;
    println!("retire everything ({}): {all:.1?}; memory {}", points - of_org - UPLOAD, store.memory());
    store.kill();
    let (store, spent) = restart(data).await;
    println!("restart after a kill right behind it: {spent:.2?}; memory {}", store.memory());
    let fourth = client(&store.address);
    assert_eq!(count(&fourth, matching("state", "dead".into())).await, points - of_org - UPLOAD);
    println!("delete everything: {:.2?}", delete(&fourth, Filter::default()).await);
    assert_eq!(count(&fourth, Filter::default()).await, 0);
    assert!(store.terminate());
}
