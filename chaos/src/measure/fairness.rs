//! One org publishes a backfill, then another a few documents, then a third one at a time.

use std::time::{Duration, Instant};

use heimdex_bus::Bus;
use heimdex_schemas::{Lane, Org, StageName};
use serde_json::{Value, json};

use super::traffic::{Traffic, quantile};
use crate::cluster::Placement;

/// Uploads of the small org.
const FEW: usize = 20;
/// Single uploads while the backfill lasts, at least.
const SINGLES: usize = 20;
/// Between two of them.
const EVERY: Duration = Duration::from_millis(300);
const WARM_UP: usize = 5;

pub(super) async fn measure(count: usize, placement: Placement) -> anyhow::Result<Value> {
    let alone = few(&warm(placement).await?.1).await?;
    let (_cluster, traffic) = warm(placement).await?;
    let begun = Instant::now();
    let backfill = traffic.upload_all(&"backfill".parse()?, count, Lane::Interactive).await?;
    let published = begun.elapsed();
    let behind = few(&traffic).await?;
    let left = waiting(traffic.bus()).await;
    let (singles, beside) = singles(&traffic).await?;
    let mut last = Duration::ZERO;
    for sent in backfill {
        last = last.max(traffic.indexed(sent).await?);
    }
    let [p50, p95, worst] = [0.5, 0.95, 1.0].map(|q| quantile(&singles, q));
    let ratio = behind.as_secs_f64() / alone.as_secs_f64();
    Ok(json!({
        "measure": "fairness", "backfill": count, "backfill_published_s": published.as_secs_f64(),
        "backfill_done_s": last.as_secs_f64(), "few": FEW, "few_alone_s": alone.as_secs_f64(),
        "few_behind_s": behind.as_secs_f64(), "ratio": ratio, "waiting_after_few": left,
        "singles": singles.len(), "singles_beside_backfill": beside,
        "single_p50_ms": p50, "single_p95_ms": p95, "single_max_ms": worst,
    }))
}

async fn warm(placement: Placement) -> anyhow::Result<(crate::cluster::Cluster, Traffic)> {
    let cluster = super::start(placement, &[]).await?;
    let traffic = Traffic::start(&cluster.nats_url()).await?;
    let org: Org = "warm".parse()?;
    for sent in traffic.upload_all(&org, WARM_UP, Lane::Interactive).await? {
        traffic.indexed(sent).await?;
    }
    Ok((cluster, traffic))
}

/// From the first publish to the last receipt.
async fn few(traffic: &Traffic) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    for sent in traffic.upload_all(&"few".parse()?, FEW, Lane::Interactive).await? {
        traffic.indexed(sent).await?;
    }
    Ok(begun.elapsed())
}

/// One upload after the other as long as the backfill lasts, and how many of them were beside it from begin to end.
async fn singles(traffic: &Traffic) -> anyhow::Result<(Vec<Duration>, usize)> {
    let org: Org = "single".parse()?;
    let (mut times, mut beside) = (Vec::new(), 0);
    let mut beat = tokio::time::interval(EVERY);
    while times.len() < SINGLES || waiting(traffic.bus()).await > 0 {
        beat.tick().await;
        let sent = traffic.upload(&org, &format!("single {}", times.len()), Lane::Interactive).await?;
        times.push(traffic.indexed(sent).await?);
        beside += usize::from(waiting(traffic.bus()).await > 0);
        if beside == 0 && times.len() >= SINGLES {
            break;
        }
    }
    Ok((times, beside))
}

/// Messages in all queues.
async fn waiting(bus: &Bus) -> u64 {
    let mut waiting = 0;
    for stage in StageName::ALL {
        waiting += bus.queue_state(*stage).await.map_or(0, |state| state.messages);
    }
    waiting
}
