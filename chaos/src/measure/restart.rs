//! How long searches and uploads are away when the store, or everything, is killed or stopped with many points on disk.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::Utc;
use heimdex_index::{Index, Options, OrgScoped};
use heimdex_schemas::{
    Chunk, DocumentFacts, EmbeddedChunk, Lane, Lineage, Order, Org, PointId, Sparse, UploadId, Vectors,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::traffic::Traffic;
use crate::cluster::{Cluster, Part, Placement};
use crate::observe::Observer;

/// Points of one made-up document.
const CHUNKS: u32 = 250;
/// Term numbers of a made-up sparse vector.
const TERMS: u32 = 30;
/// How long a search is tried again.
const PATIENCE: Duration = Duration::from_secs(300);
const AGAIN: Duration = Duration::from_millis(20);
/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(60);
const ASSET: &str = "probe";

pub(super) async fn measure(count: usize, placement: Placement) -> anyhow::Result<Value> {
    let mut cluster = super::start(placement, &[]).await?;
    let traffic = Traffic::start(&cluster.nats_url()).await?;
    let org: Org = "restart".parse()?;
    traffic.indexed(traffic.upload(&org, ASSET, Lane::Interactive).await?).await?;
    let begun = Instant::now();
    let documents = fill(&cluster, &org, count).await?;
    let filled = begun.elapsed();
    let points = u64::from(CHUNKS) * documents;
    let store_killed = store_killed(&cluster, &traffic, &org).await?;
    let all_killed = all_ended(&mut cluster, &traffic, &org, false).await?;
    let all_stopped = all_ended(&mut cluster, &traffic, &org, true).await?;
    Ok(json!({
        "measure": "restart", "points": points, "written_directly_in_s": filled.as_secs_f64(),
        "store_killed_to_first_answer_s": store_killed.as_secs_f64(),
        "all_killed": all_killed, "all_stopped": all_stopped,
    }))
}

/// Made-up vectors: what a start reads is their number and size, not their meaning.
async fn fill(cluster: &Cluster, org: &Org, count: usize) -> anyhow::Result<u64> {
    let space = Observer::connect(cluster).await?.space().clone();
    let index = Index::connect(&cluster.qdrant_url(), Options::default())?;
    let scope = index.collection(&space).await?.scoped(org);
    let documents = (count as u64).div_ceil(u64::from(CHUNKS));
    let mut random = StdRng::seed_from_u64(1);
    for n in 0..documents {
        write(&scope, n, &mut random).await?;
    }
    Ok(documents)
}

async fn write(scope: &OrgScoped, n: u64, random: &mut StdRng) -> anyhow::Result<()> {
    let space = scope.collection().space().clone();
    let lineage = Lineage {
        org: scope.org().clone(),
        asset_id: format!("filler {n}").parse()?,
        upload: UploadId::new(scope.org(), "/filler", &n.to_string()),
        order: Order::by_stream(1, n),
        position: Order::by_stream(1, n),
        lane: Lane::Bulk,
        model: space.model.clone(),
        replay: 0,
        accepted_at: Utc::now(),
        title: None,
        source: None,
        traceparent: None,
        trail: Vec::new(),
    };
    let facts =
        DocumentFacts { format: "text".to_owned(), language: None, pages: 1, chunks: CHUNKS, warnings: Vec::new() };
    let chunks = (0..CHUNKS).map(|ordinal| chunk(&lineage, (&space.id, space.dimension), ordinal, random)).collect();
    let (id, dimension, numerics) = (space.id.clone(), space.dimension, "made up".to_owned());
    let part = Vectors { space: id, dimension, numerics, chunks, missing: Vec::new(), reused: 0 };
    scope.upsert_staged(&lineage, &facts, &part).await?;
    scope.make_live(lineage.upload).await?;
    Ok(())
}

fn chunk(lineage: &Lineage, (space, dimension): (&str, u32), ordinal: u32, random: &mut StdRng) -> EmbeddedChunk {
    let indices: Vec<u32> = (0..TERMS).map(|term| term * 1_000_003 + random.random_range(0..1_000_000)).collect();
    let values = indices.iter().map(|_| random.random_range(0.5..2.0)).collect();
    let text = format!("made up {ordinal}: {}", "words that nobody searches for ".repeat(20));
    let chunk = Chunk {
        ordinal,
        text,
        tokens: 120,
        pages: vec![1],
        page_starts: vec![0],
        span: [0, 600],
        content_hash: format!("{ordinal:064x}"),
        ..Chunk::default()
    };
    EmbeddedChunk {
        point_id: PointId::new(lineage.upload, space, ordinal),
        chunk,
        dense: (0..dimension).map(|_| random.random_range(-1.0..1.0)).collect(),
        sparse: Sparse { indices, values },
    }
}

async fn store_killed(cluster: &Cluster, traffic: &Traffic, org: &Org) -> anyhow::Result<Duration> {
    let pid = cluster.server_pid(Part::Store).context("no store")?;
    let begun = Instant::now();
    heimdex_testkit::heimdex::tree::signal(pid, libc::SIGKILL);
    answered(traffic, org).await?;
    Ok(begun.elapsed())
}

/// Everything ends and starts again: times from the end to ready, to the first answer and to the first new receipt.
async fn all_ended(cluster: &mut Cluster, traffic: &Traffic, org: &Org, gently: bool) -> anyhow::Result<Value> {
    let begun = Instant::now();
    for process in cluster.processes.iter_mut().rev() {
        if gently {
            let status = process.terminate(DRAIN).await?;
            ensure!(status.success(), "{} ended with {status}", process.name());
        } else {
            process.kill9().await?;
        }
    }
    let ended = begun.elapsed();
    let begun = Instant::now();
    for process in &mut cluster.processes {
        process.revive()?;
        process.wait_ready().await?;
    }
    let ready = begun.elapsed();
    answered(traffic, org).await?;
    let answered = begun.elapsed();
    let sent = traffic.upload(org, &format!("{ASSET} after {gently}"), Lane::Interactive).await?;
    traffic.indexed(sent).await?;
    Ok(json!({
        "end_s": ended.as_secs_f64(), "ready_s": ready.as_secs_f64(), "first_answer_s": answered.as_secs_f64(),
        "first_receipt_s": begun.elapsed().as_secs_f64(),
    }))
}

async fn answered(traffic: &Traffic, org: &Org) -> anyhow::Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while !traffic.is_found(org, ASSET).await.unwrap_or(false) {
        ensure!(Instant::now() < give_up, "no answer within {PATIENCE:?}");
        tokio::time::sleep(AGAIN).await;
    }
    Ok(())
}
