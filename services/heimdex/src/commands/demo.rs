//! `heimdex demo`: everything at once, on the bundled samples.

use std::time::Duration;

use heimdex_bus::Bus;
use heimdex_schemas::{Lane, Org};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ingest::ingest;
use super::search::shorten;
use super::token;
use crate::cli::Demo;
use crate::exit::{Failure, Outcome};
use crate::stack::{Stack, StackConfig};
use crate::upload::{Body, Plan, Upload};
use crate::{connect, output, samples};

const PATIENCE: Duration = Duration::from_secs(120);

/// A question about the samples and the document that answers it.
#[derive(Debug, Deserialize)]
struct Question {
    language: String,
    query: String,
    asset: String,
}

/// What the search found.
#[derive(Debug, Serialize)]
struct Answer {
    language: String,
    query: String,
    expected: String,
    /// Asset of the first hit.
    found: Option<String>,
    page: Option<u64>,
    text: Option<String>,
    took_ms: Value,
}

pub async fn run(command: Demo) -> Outcome {
    let data = tempfile::tempdir()?;
    let stack = Stack::start(StackConfig::private(data.path(), command.model.clone())).await?;
    let bus = connect::bus(&stack.nats_url()).await?;
    let org: Org = "demo".parse()?;
    let failed = ingest_samples(&bus, &org).await?;
    let answers = ask_all(&bus, &org).await?;
    show(&answers, command.json)?;
    if !command.exit {
        invite(&stack, &token::for_playground(data.path(), &org)?);
        heimdex_runtime::signals::shutdown()?.cancelled().await;
    }
    drop(bus);
    stack.stop().await;
    judge(&answers, failed)
}

async fn ingest_samples(bus: &Bus, org: &Org) -> Result<usize, Failure> {
    let uploads = samples::DOCUMENTS.iter().map(|(path, bytes)| {
        let source = Some((*path).to_owned());
        Ok(Upload { asset_id: path.parse()?, title: None, source, body: Body::Bytes(bytes) })
    });
    let uploads = uploads.collect::<Result<Vec<_>, Failure>>()?;
    let plan = Plan { org: org.clone(), lane: Lane::Interactive, in_flight: uploads.len(), patience: PATIENCE };
    eprintln!("ingesting {} documents in six languages", uploads.len());
    let failed = ingest(bus, &plan, uploads, |line, bar| {
        bar.suspend(|| eprintln!("{:9} {} ({} chunks)", line.state, line.asset_id, line.chunks));
    });
    Ok(failed.await?)
}

async fn ask_all(bus: &Bus, org: &Org) -> Result<Vec<Answer>, Failure> {
    let questions: Vec<Question> = serde_json::from_str(samples::QUERIES)?;
    let mut answers = Vec::new();
    for question in questions {
        let request = json!({"query": question.query, "limit": 3});
        let answer = connect::search(bus, org, &request).await?;
        let hit = &answer["hits"][0];
        answers.push(Answer {
            language: question.language,
            query: question.query,
            expected: question.asset,
            found: hit["asset_id"].as_str().map(str::to_owned),
            page: hit["page"].as_u64(),
            text: hit["text"].as_str().map(shorten),
            took_ms: answer["took_ms"].clone(),
        });
    }
    Ok(answers)
}

fn show(answers: &[Answer], as_json: bool) -> Outcome {
    if as_json {
        return output::json(&answers);
    }
    for answer in answers {
        let right = if answer.found.as_ref() == Some(&answer.expected) { "✓" } else { "✗" };
        output::text(format_args!("\n[{}] {}", answer.language, answer.query))?;
        let found = answer.found.as_deref().unwrap_or("nothing");
        output::text(format_args!("  {right} {found} ({} ms)", answer.took_ms))?;
        output::text(format_args!("    {}", answer.text.as_deref().unwrap_or_default()))?;
    }
    Ok(())
}

fn invite(stack: &Stack, token: &str) {
    eprintln!("\nThe demo keeps running; Ctrl-C stops it. In another terminal:");
    eprintln!("  heimdex search --nats {} 'Wie hoch ist die Kaution für das Lastenrad?' --explain", stack.nats_url());
    eprintln!("  heimdex ingest --nats {} FILE…", stack.nats_url());
    eprintln!("  curl http://{}/metrics", stack.http());
    eprintln!("In a browser, with the token below: http://{}/\n{token}", stack.http());
}

/// Every sample must be searchable and every language must have its answer first.
fn judge(answers: &[Answer], failed: usize) -> Outcome {
    let wrong = answers.iter().filter(|answer| answer.found.as_ref() != Some(&answer.expected)).count();
    match (failed, wrong) {
        (0, 0) => Ok(()),
        _ => Err(Failure::some_failed(format_args!(
            "{failed} samples failed, {wrong} questions found something else first"
        ))),
    }
}
