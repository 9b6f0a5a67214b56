//! Many dead letters are replayed under a rate limit while somebody uploads.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use heimdex_schemas::{Lane, Org, ReceiptState};
use serde::Deserialize;
use serde_json::{Value, json};

use super::traffic::{Sent, Traffic, quantile};
use crate::cluster::{Cluster, Part, Placement};
use crate::observe::Observer;

/// Between two uploads of the live traffic.
const EVERY: Duration = Duration::from_millis(250);
/// Live uploads with nothing else going on.
const QUIET: usize = 100;
/// Dead letters replayed in a second.
const RATE: u32 = 50;
/// While everything is refused: no document is that small.
const REFUSE: (&str, &str) = ("HEIMDEX_EXTRACT_MAX_BYTES", "16");
const DRAIN: Duration = Duration::from_secs(60);
/// Between two looks at the receipts of what was replayed.
const LOOK: Duration = Duration::from_secs(3);
/// Without another one indexed for so long, no more will be.
const STANDSTILL: Duration = Duration::from_secs(60);

pub(super) async fn measure(count: usize, placement: Placement) -> anyhow::Result<Value> {
    let mut cluster = super::start(placement, &[REFUSE]).await?;
    let traffic = Traffic::start(&cluster.nats_url()).await?;
    let (dead, live): (Org, Org) = ("dead".parse()?, "live".parse()?);
    let begun = Instant::now();
    let refused = traffic.upload_all(&dead, count, Lane::Bulk).await?;
    for sent in &refused {
        let (_, state) = traffic.arrival(sent.job).await;
        ensure!(state == ReceiptState::Failed, "{} was to be refused and is {state:?}", sent.job);
    }
    let died = begun.elapsed();
    restart_without_refusal(&mut cluster).await?;
    let without = live_traffic(&traffic, &live, async || Ok(()), QUIET).await?.0;
    let planned = named(&cluster.run(&["dlq", "replay", "--org", "dead", "--dry-run", "--json"]).await?)?;
    let begun = Instant::now();
    let rate = RATE.to_string();
    let replay = async || cluster.run(&["dlq", "replay", "--org", "dead", "--rate", &rate, "--json"]).await;
    let (with, told) = live_traffic(&traffic, &live, replay, 0).await?;
    let replayed = begun.elapsed();
    let done = named(&told)?;
    let ended = ended(&cluster, &refused).await?;
    let p99 = |times: &[Duration]| quantile(times, 0.99);
    Ok(json!({
        "measure": "replay", "dead_letters": count, "died_in_s": died.as_secs_f64(), "rate": RATE,
        "planned": planned.len(), "replayed": done.len(), "dry_run_names_the_same": planned == done,
        "replayed_in_s": replayed.as_secs_f64(), "indexed": ended,
        "live_without": without.len(), "live_p99_without_ms": p99(&without),
        "live_with": with.len(), "live_p99_with_ms": p99(&with), "ratio": p99(&with) / p99(&without),
    }))
}

/// What was refused works now, as after a fix.
async fn restart_without_refusal(cluster: &mut Cluster) -> anyhow::Result<()> {
    for process in cluster.processes.iter_mut().filter(|process| process.runs(Part::Extractor)) {
        process.terminate(DRAIN).await?;
        process.forget_variable(REFUSE.0);
        process.revive()?;
        process.wait_ready().await?;
    }
    Ok(())
}

/// One upload after the other, at least so many, as long as `meanwhile` lasts.
async fn live_traffic<T: Default>(
    traffic: &Traffic,
    org: &Org,
    meanwhile: impl AsyncFnOnce() -> anyhow::Result<T>,
    at_least: usize,
) -> anyhow::Result<(Vec<Duration>, T)> {
    let mut sent: Vec<Sent> = Vec::new();
    let mut beat = tokio::time::interval(EVERY);
    let mut meanwhile = std::pin::pin!(meanwhile());
    let mut outcome = None;
    while outcome.is_none() || sent.len() < at_least {
        tokio::select! {
            ended = &mut meanwhile, if outcome.is_none() => outcome = Some(ended?),
            _ = beat.tick() => {
                let asset = format!("live {at_least} {}", sent.len());
                sent.push(traffic.upload(org, &asset, Lane::Interactive).await?);
            }
        }
    }
    let mut times = Vec::new();
    for sent in sent {
        times.push(traffic.indexed(sent).await?);
    }
    Ok((times, outcome.unwrap_or_default()))
}

/// The letters that a plan or a replay sends, each with where it goes and under which name.
fn named(told: &str) -> anyhow::Result<BTreeSet<(u64, String, String)>> {
    let told: Report = serde_json::from_str(told).context("heimdex dlq replay --json")?;
    let sent = told.letters.into_iter().filter(|letter| ["planned", "sent"].contains(&letter.result.result.as_str()));
    Ok(sent.map(|letter| (letter.sequence, letter.subject, letter.msg_id)).collect())
}

/// How many of the replayed are indexed, once all are or nothing more happens for a while.
async fn ended(cluster: &Cluster, refused: &[Sent]) -> anyhow::Result<usize> {
    let observer = Observer::connect(cluster).await?;
    let (mut before, mut moved) = (0, Instant::now());
    loop {
        let receipts = observer.receipts().await?;
        let state = |sent: &&Sent| receipts.get(&sent.job).map(|receipt| receipt.state);
        let indexed = refused.iter().filter(|sent| state(sent) == Some(ReceiptState::Indexed)).count();
        if indexed > before {
            (before, moved) = (indexed, Instant::now());
        }
        if indexed == refused.len() || moved.elapsed() > STANDSTILL {
            return Ok(indexed);
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[derive(Deserialize)]
struct Report {
    letters: Vec<Letter>,
}

#[derive(Deserialize)]
struct Letter {
    sequence: u64,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    msg_id: String,
    result: LetterResult,
}

#[derive(Deserialize)]
struct LetterResult {
    result: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_plan_and_a_replay_name_the_same_whatever_was_left_alone() {
        let letter = |result: Value| json!({"sequence": 3, "subject": "s", "msg_id": "m", "result": result});
        let told = |result: Value| json!({"letters": [letter(result), {"sequence": 4, "result": {"result": "skipped", "reason": "r"}}]});
        let planned = named(&told(json!({"result": "planned"})).to_string()).unwrap();
        let sent = named(&told(json!({"result": "sent", "sequence": 9, "duplicate": false})).to_string()).unwrap();
        assert_eq!(planned, sent);
        assert_eq!(planned.len(), 1);
    }
}
