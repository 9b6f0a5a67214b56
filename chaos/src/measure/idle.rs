//! Event to searchable of one small document, the next only when the one before is done.

use serde_json::{Value, json};

use anyhow::ensure;
use heimdex_schemas::{Lane, Org};

use super::traffic::{Traffic, quantile};
use crate::cluster::Placement;

/// Uploads before the first that counts.
const WARM_UP: usize = 5;

pub(super) async fn measure(count: usize, placement: Placement) -> anyhow::Result<Value> {
    let cluster = super::start(placement, &[]).await?;
    let traffic = Traffic::start(&cluster.nats_url()).await?;
    let org: Org = "idle".parse()?;
    let mut times = Vec::new();
    for n in 0..WARM_UP + count {
        let asset = format!("note {n}");
        let sent = traffic.upload(&org, &asset, Lane::Interactive).await?;
        let took = traffic.indexed(sent).await?;
        ensure!(traffic.is_found(&org, &asset).await?, "{asset} has its receipt and is not found");
        if n >= WARM_UP {
            times.push(took);
        }
    }
    let [p50, p95, worst] = [0.5, 0.95, 1.0].map(|q| quantile(&times, q));
    Ok(json!({"measure": "idle", "uploads": count, "p50_ms": p50, "p95_ms": p95, "max_ms": worst}))
}
