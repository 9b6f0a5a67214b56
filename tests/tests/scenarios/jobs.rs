//! What an uploader and an operator can learn of a job, and do to it.

use std::process::Output;
use std::time::Duration;

use bytes::Bytes;
use heimdex_bus::{JobState, RequestError};
use heimdex_e2e::{Upload, documents};
use heimdex_schemas::{FailureClass, ReceiptState, StageName};
use heimdex_testkit::eventually;
use heimdex_testkit::heimdex::{Part, Topology};
use serde_json::{Value, json};

use crate::Scene;

const ORG: &str = "clerks";
/// Whose uploads wait while a stage is away.
const WAITING: &str = "waiting";
const SOON: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(10);

pub async fn a_job_can_be_followed_and_explained(scene: &Scene) {
    let good = Upload::new(ORG, "ledger.pdf", documents::pdf(&["The ledger closes in March.", "It opens in April."]));
    let bad = Upload::new(ORG, "sealed.pdf", documents::encrypted_pdf());
    let receipts = scene.client.ingest_all(&[good.clone(), bad.clone()]).await;
    assert_eq!([receipts[0].state, receipts[1].state], [ReceiptState::Indexed, ReceiptState::Failed]);
    let (good, bad) = (good.job().to_string(), bad.job().to_string());
    the_indexed_one(&command(scene, &["jobs", "show", &good], 0));
    the_failed_one(&command(scene, &["jobs", "watch", &bad], 3));
    let all = command(scene, &["jobs", "ls"], 0);
    let ids: Vec<&str> = all.as_array().unwrap().iter().map(|job| job["job_id"].as_str().unwrap()).collect();
    assert!(ids.contains(&good.as_str()) && ids.contains(&bad.as_str()), "{all}");
    let failed = command(scene, &["jobs", "ls", "--state", "failed"], 0);
    assert_eq!((failed.as_array().unwrap().len(), &failed[0]["job_id"]), (1, &json!(bad)), "{failed}");
    // What is over cannot be cancelled, and what is another org's is not there.
    refused(scene, &["jobs", "cancel", &good, "--org", ORG], 2, "over");
    refused(scene, &["jobs", "show", &good, "--org", "strangers"], 2, "no job");
    over_request_reply(scene, &good).await;
}

fn run(scene: &Scene, arguments: &[&str]) -> Output {
    scene.cluster.run(arguments)
}

/// One JSON value of a command for [`ORG`].
fn command(scene: &Scene, arguments: &[&str], code: i32) -> Value {
    let output = run(scene, &[arguments, &["--org", ORG, "--json"]].concat());
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

fn refused(scene: &Scene, arguments: &[&str], code: i32, reason: &str) {
    let output = run(scene, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && stderr.contains(reason), "{arguments:?}\n{stderr}");
}

fn the_indexed_one(job: &Value) {
    assert_eq!((&job["state"], &job["asset_id"], &job["pages"]), (&json!("indexed"), &json!("ledger.pdf"), &json!(2)));
    assert!(job["chunks"].as_u64() > Some(0) && job["sequence"].as_u64() > Some(0), "{job}");
    assert_eq!(job["parts"]["done"], job["parts"]["total"], "{job}");
    let stages = job["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 4, "{job}");
    for stage in stages {
        assert!(stage["done"] == stage["total"] && stage["done"].as_u64() > Some(0), "{job}");
        assert!(stage["finished_at"].is_string(), "{job}");
    }
    assert!(job["queue"].is_null() && job["failures"] == json!([]) && job["dead_letters"] == json!([]), "{job}");
}

fn the_failed_one(job: &Value) {
    assert_eq!((&job["state"], &job["failures"][0]["code"]), (&json!("failed"), &json!("encrypted")), "{job}");
    assert!(job["failures"][0]["hint"].as_str().unwrap().contains("password"), "{job}");
    let letters = job["dead_letters"].as_array().unwrap();
    assert_eq!((letters.len(), &letters[0]["stage"]), (1, &json!("extractor")), "{job}");
}

async fn over_request_reply(scene: &Scene, job: &str) {
    let ask = |org: &'static str, body: Value| async move {
        let subject = format!("heimdex.v1.jobs.get.{org}");
        scene.client.bus().requests().request(&subject, &[], Bytes::from(body.to_string()), ANSWER).await
    };
    let answer: Value = serde_json::from_slice(&ask(ORG, json!({"job_id": job})).await.unwrap()).unwrap();
    assert_eq!((&answer["job_id"], &answer["state"]), (&json!(job), &json!("indexed")));
    for (org, body, status, code) in
        [("strangers", json!({"job_id": job}), 404, "unknown_job"), (ORG, json!({"job": job}), 400, "invalid")]
    {
        let Err(RequestError::Service(error)) = ask(org, body).await else { panic!("{org} was answered") };
        assert_eq!((error.code, &error.details["code"]), (status, &json!(code)), "{error}");
    }
}

/// A search that names a receipt's sequence sees that document, every time; one that names the future says so.
pub async fn a_search_sees_what_its_receipt_promised(scene: &Scene) {
    let mut newest = 0;
    for n in 0..5 {
        let upload = Upload::new(ORG, &format!("minutes-{n}.txt"), format!("Minute {n}: the clock tower strikes."));
        let receipt = scene.client.ingest(&upload).await;
        let update = scene.client.bus().receipts().current(&upload.org, receipt.upload).await.unwrap().unwrap();
        let request = json!({"query": "clock tower", "asset_ids": [upload.asset], "min_seq": update.sequence});
        let answer = scene.client.try_search(ORG, &request).await.unwrap();
        assert_eq!(answer["hits"].as_array().unwrap().len(), 1, "{answer}");
        newest = update.sequence;
    }
    let request = json!({"query": "clock tower", "min_seq": newest + 1_000_000, "deadline_ms": 300});
    let refused = scene.client.try_search(ORG, &request).await.unwrap_err();
    let RequestError::Service(error) = refused else { panic!("{refused}") };
    assert_eq!((error.code, &error.details["code"]), (503, &json!("not_yet")), "{error}");
    assert!(error.details["sequence"].as_u64() >= Some(newest), "{error:?}");
}

/// Only where a stage is a process of its own can it be away alone.
pub async fn a_waiting_job_says_where_and_can_be_cancelled(scene: &mut Scene) {
    if scene.topology != Topology::OneProcessPerPart {
        return;
    }
    scene.cluster.process(Part::Extractor).kill9();
    nobody_pulls(scene, "HEIMDEX_ASSETS.extractor-interactive").await;
    let uploads = [0, 1, 2].map(|n| Upload::new(WAITING, &format!("queue-{n}.txt"), format!("Number {n} is served.")));
    for upload in &uploads {
        scene.client.upload(upload).await;
    }
    let jobs = scene.client.bus().jobs();
    for (ahead, upload) in (0..).zip(&uploads) {
        let job = jobs.get(&upload.org, upload.job()).await.unwrap().unwrap();
        let queue = job.queue.unwrap();
        assert_eq!((job.state, queue.stage, queue.ahead), (JobState::Queued, StageName::Extractor, ahead));
    }
    let cancelled = uploads[1].job().to_string();
    let said = run(scene, &["jobs", "cancel", &cancelled, "--org", WAITING, "--reason", "a mistake"]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let job = jobs.get(&uploads[1].org, uploads[1].job()).await.unwrap().unwrap();
    assert!(job.cancel_requested && job.state == JobState::Queued, "{job:?}");
    in_the_middle(scene).await;
    for (n, upload) in uploads.iter().enumerate() {
        let receipt = scene.client.receipt(&upload.org, upload.job()).await;
        let expected = if n == 1 { ReceiptState::Failed } else { ReceiptState::Indexed };
        assert_eq!(receipt.state, expected, "{receipt:?}");
        assert!(n != 1 || receipt.failures[0].class == FailureClass::Cancelled, "{receipt:?}");
    }
    assert_eq!(scene.client.found(WAITING, "sparse", "served").await.len(), 3);
}

/// Until the broker has noticed the death, it may send a message to nobody.
async fn nobody_pulls(scene: &Scene, consumer: &str) {
    let subject = format!("$JS.API.CONSUMER.INFO.{consumer}");
    eventually!(SOON, {
        let answer = scene.client.bus().requests().request(&subject, &[], Bytes::new(), ANSWER).await.unwrap();
        serde_json::from_slice::<Value>(&answer).unwrap()["num_waiting"] == 0
    });
}

/// The extractor comes back while the chunker is away: then jobs wait for that.
async fn in_the_middle(scene: &mut Scene) {
    scene.cluster.process(Part::Chunker).kill9();
    nobody_pulls(scene, "HEIMDEX_DOCUMENTS.chunker-interactive").await;
    scene.cluster.process(Part::Extractor).restart();
    scene.cluster.process(Part::Extractor).wait_ready();
    let upload = Upload::new(WAITING, "middle.txt", "Number 9 is served.");
    scene.client.upload(&upload).await;
    let jobs = scene.client.bus().jobs();
    eventually!(SOON, {
        let job = jobs.get(&upload.org, upload.job()).await.unwrap();
        job.is_some_and(|job| job.queue.is_some_and(|queue| queue.stage == StageName::Chunker))
    });
    let job = jobs.get(&upload.org, upload.job()).await.unwrap().unwrap();
    assert_eq!((job.state, job.parts), (JobState::Running, None), "{job:?}");
    scene.cluster.restart();
    let receipt = scene.client.receipt(&upload.org, upload.job()).await;
    assert_eq!(receipt.state, ReceiptState::Indexed, "{receipt:?}");
}
