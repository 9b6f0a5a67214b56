//! `heimdex eval DIR`: ingests a judged collection into a stack of its own, searches every query, scores.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use heimdex_bus::Bus;
use heimdex_schemas::{Lane, Org};
use serde::Serialize;
use serde_json::{Value, json};

use super::ingest::ingest;
use crate::cli::Eval;
use crate::eval::beir::{self, Dataset, Judgements};
use crate::eval::measures::{confidence_95, mean, ndcg, percentile, recall, reciprocal_rank};
use crate::exit::{Failure, Outcome};
use crate::stack::{Stack, StackConfig};
use crate::upload::{Body, Plan, Upload};
use crate::{connect, output};

/// Documents looked at per query, and so the depth of recall.
const DEPTH: usize = 100;
/// Chunk hits asked for; several may be of one document.
const LIMIT: usize = 100;
/// Uploads without a receipt at once.
const IN_FLIGHT: usize = 512;
const PATIENCE: Duration = Duration::from_secs(600);

/// What `--json` prints for each mode.
#[derive(Debug, Serialize)]
struct Score {
    dataset: String,
    mode: String,
    model: String,
    queries: usize,
    #[serde(rename = "ndcg@10")]
    ndcg: f64,
    ci95: [f64; 2],
    #[serde(rename = "mrr@10")]
    mrr: f64,
    #[serde(rename = "recall@100")]
    recall: f64,
    p95_ms: f64,
}

pub async fn run(command: Eval) -> Outcome {
    let mut dataset = beir::load(&command.dir).map_err(Failure::input)?;
    dataset.queries.truncate(command.queries.unwrap_or(usize::MAX));
    let data = tempfile::tempdir()?;
    let stack = Stack::start(StackConfig::private(data.path(), command.model.clone())).await?;
    let bus = connect::bus(&stack.nats_url()).await?;
    let org: Org = "eval".parse()?;
    ingest_corpus(&bus, &org, &dataset).await?;
    let mut scores = Vec::new();
    for mode in &command.mode {
        scores.push(score(&bus, &org, &dataset, &command, mode).await?);
    }
    drop(bus);
    stack.stop().await;
    show(&scores, command.json)
}

fn show(scores: &[Score], as_json: bool) -> Outcome {
    match (as_json, scores) {
        (true, [one]) => output::json(one),
        (true, many) => output::json(&many),
        (false, many) => many.iter().try_for_each(|s| {
            output::text(format_args!(
                "{} {:6} {} queries: nDCG@10 {:.4} [{:.4}, {:.4}], MRR@10 {:.4}, recall@100 {:.4}, p95 {:.1} ms",
                s.dataset, s.mode, s.queries, s.ndcg, s.ci95[0], s.ci95[1], s.mrr, s.recall, s.p95_ms
            ))
        }),
    }
}

async fn ingest_corpus(bus: &Bus, org: &Org, dataset: &Dataset) -> Outcome {
    let uploads = dataset.corpus.iter().map(upload).collect::<Result<Vec<_>, Failure>>()?;
    let (documents, started) = (uploads.len(), Instant::now());
    let plan = Plan { org: org.clone(), lane: Lane::Bulk, in_flight: IN_FLIGHT, patience: PATIENCE };
    let failed = ingest(bus, &plan, uploads, |line, bar| {
        if let Some(error) = line.error.as_ref().filter(|_| line.state == "failed") {
            bar.suspend(|| eprintln!("failed: {} ({}: {})", line.asset_id, error.code, error.message));
        }
    });
    let failed = failed.await?;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{documents} documents in {seconds:.1} s, {:.1} a second, {failed} failed", documents as f64 / seconds);
    Ok(())
}

/// Title and text as one document, as the published figures embed them.
fn upload(record: &beir::Record) -> Result<Upload, Failure> {
    let asset_id = record.id.parse().map_err(Failure::input)?;
    let body = Body::Text(format!("{} {}", record.title, record.text).trim().to_owned());
    Ok(Upload { asset_id, title: None, source: None, body })
}

async fn score(bus: &Bus, org: &Org, dataset: &Dataset, command: &Eval, mode: &str) -> Result<Score, Failure> {
    let searches = dataset.queries.iter().map(|(query, judged)| async move {
        let mut request = json!({"query": query.text, "mode": mode, "limit": LIMIT});
        if let Some(fusion) = &command.fusion {
            request["fusion"] = json!(fusion);
        }
        let started = Instant::now();
        let ranked = documents(&connect::search(bus, org, &request).await?);
        Ok::<_, Failure>((ranked, judged, started.elapsed().as_secs_f64() * 1_000.0))
    });
    // One at a time: the latencies are those of an idle service.
    let results: Vec<(Vec<String>, &Judgements, f64)> = stream::iter(searches).buffered(1).try_collect().await?;
    let per_query = |measure: fn(&[String], &Judgements, usize) -> f64, depth| {
        results.iter().map(|(ranked, judged, _)| measure(ranked, judged, depth)).collect::<Vec<f64>>()
    };
    let ndcgs = per_query(ndcg, 10);
    Ok(Score {
        dataset: dataset.name.clone(),
        mode: mode.to_owned(),
        model: command.model.model.to_string(),
        queries: results.len(),
        ndcg: mean(&ndcgs),
        ci95: confidence_95(&ndcgs),
        mrr: mean(&per_query(reciprocal_rank, 10)),
        recall: mean(&per_query(recall, DEPTH)),
        p95_ms: percentile(&results.iter().map(|(_, _, ms)| *ms).collect::<Vec<_>>(), 0.95),
    })
}

/// Documents in the order of their best chunk.
fn documents(answer: &Value) -> Vec<String> {
    let mut ranked = Vec::<String>::new();
    for id in answer["hits"].as_array().into_iter().flatten().filter_map(|hit| hit["asset_id"].as_str()) {
        if ranked.len() < DEPTH && !ranked.iter().any(|seen| seen == id) {
            ranked.push(id.to_owned());
        }
    }
    ranked
}
