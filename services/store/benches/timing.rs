//! `cargo bench -p heimdex-store`: upserts per second, search latency and restart time of the real program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed measurement should stop")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use ::qdrant_client::Qdrant;
use ::qdrant_client::qdrant::*;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use support::{Spawned, client, collection, point};

const NAME: &str = "chunks";
const SIZE: u64 = 384;
const BATCH: u64 = 256;
const QUERIES: usize = 1_000;

fn vector(random: &mut StdRng) -> Vec<f32> {
    let values: Vec<f32> = (0..SIZE).map(|_| random.random_range(-1.0f32..1.0)).collect();
    let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    values.into_iter().map(|v| v / norm).collect()
}

fn chunk(random: &mut StdRng, id: u64) -> PointStruct {
    let mut terms: Vec<(u32, f32)> = (0..60).map(|_| (random.random_range(0..30_000u32), 1.0)).collect();
    terms.sort_by_key(|(index, _)| *index);
    terms.dedup_by_key(|(index, _)| *index);
    let text = "the quick brown fox jumps over the lazy dog ".repeat(20);
    point(id, vector(random), &terms, json!({"org_id": id % 10, "asset_id": id / 50, "state": "live", "text": text}))
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

async fn until_indexed(client: &Qdrant, points: u64) -> Duration {
    let started = Instant::now();
    loop {
        let info = client.collection_info(NAME).await.unwrap().result.unwrap();
        if info.status() == CollectionStatus::Green && info.indexed_vectors_count.unwrap_or(0) >= points / 2 {
            return started.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn latencies(client: &Qdrant, query: impl Fn(Vec<f32>) -> QueryPointsBuilder) -> (f64, f64) {
    let mut random = StdRng::seed_from_u64(2);
    let mut spent = Vec::with_capacity(QUERIES);
    for _ in 0..QUERIES {
        let request = query(vector(&mut random));
        let started = Instant::now();
        client.query(request).await.unwrap();
        spent.push(started.elapsed().as_secs_f64() * 1e3);
    }
    spent.sort_by(f64::total_cmp);
    (spent[QUERIES / 2], spent[QUERIES * 95 / 100])
}

async fn restart(data: &std::path::Path) -> (Spawned, Duration) {
    let started = Instant::now();
    let store = Spawned::start(data, &[]);
    client(&store.address).health_check().await.unwrap();
    (store, started.elapsed())
}

#[tokio::main]
async fn main() {
    let points: u64 = std::env::var("HEIMDEX_BENCH_POINTS").map_or(20_000, |n| n.parse().unwrap());
    let data = tempfile::tempdir().unwrap();
    let (store, _) = restart(data.path()).await;
    let first = client(&store.address);
    first.create_collection(collection(NAME, SIZE, 10_000)).await.unwrap();
    let asset = CreateFieldIndexCollectionBuilder::new(NAME, "asset_id", FieldType::Integer);
    first.create_field_index(asset).await.unwrap();
    let rate = upsert_all(&first, points).await;
    println!("upsert: {rate:.0} points/s in batches of {BATCH}, wait=true");
    store.kill();
    let (store, replay) = restart(data.path()).await;
    println!("restart after a kill, with replay: {replay:.2?}");
    let second = client(&store.address);
    println!("indexed after another {:.1?}", until_indexed(&second, points).await);
    let dense = |vector| QueryPointsBuilder::new(NAME).query(vector).using("dense").limit(10).with_payload(true);
    let (p50, p95) = latencies(&second, dense).await;
    println!("search, top 10 with payload: p50 {p50:.2} ms, p95 {p95:.2} ms");
    let asset = |vector| dense(vector).filter(Filter::must([Condition::matches("asset_id", 3i64)]));
    let (p50, p95) = latencies(&second, asset).await;
    println!("search within one asset: p50 {p50:.2} ms, p95 {p95:.2} ms");
    let started = Instant::now();
    assert!(store.terminate());
    println!("orderly stop: {:.2?}", started.elapsed());
    let (_store, clean) = restart(data.path()).await;
    println!("restart after an orderly stop: {clean:.2?}");
}
