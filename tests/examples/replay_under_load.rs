//! Replays dead letters while somebody else uploads, and says how much that somebody noticed.
//!
//! `cargo run --release -p heimdex-e2e --example replay_under_load -- LETTERS RATE` (10000 and 40 when absent). The
//! uploads die because a blob that all of them name is not there; then it is put there, and all are replayed. Prints
//! one JSON value.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that fails reports by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use heimdex_e2e::{Client, Upload};
use heimdex_schemas::{AssetUploaded, Content, Envelope, Lane, Org, ReceiptState, UploadId};
use heimdex_stage::{BlobRef, Blobs as _, Bucket};
use heimdex_testkit::heimdex::{Cluster, Topology, command};
use serde_json::{Value, json};

const LATE: &str = "late";
const SOURCE: &str = "/heimdex/replay-under-load";
const TEXT: &[u8] = b"The tide tables were printed a week late, and nobody on the pier minded.";
/// Between two uploads of the somebody.
const EVERY: Duration = Duration::from_millis(250);
/// How many of them make the calm that is compared with.
const CALM: usize = 120;
const PATIENCE: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let letters: u64 = arguments.next().map_or(10_000, |text| text.parse().expect("a number of letters"));
    let rate: String = arguments.next().unwrap_or_else(|| "40".to_owned());
    let cluster = Cluster::start(Topology::OneProcess);
    let client = Client::connect(cluster.nats_url()).await;
    let blob = BlobRef::of(Bucket::Originals, LATE, TEXT);
    die(&client, letters, &blob).await;
    live(&client, 20, None).await;
    let calm = live(&client, CALM, None).await;
    client.bus().blobs().put(Bucket::Originals, LATE, Bytes::from_static(TEXT)).await.unwrap();
    let (start, is_over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let replay = tokio::task::spawn_blocking({
        let url = cluster.nats_url().to_owned();
        move || replay(&url, &rate)
    });
    let measured = tokio::spawn({
        let (client, is_over) = (client.clone(), Arc::clone(&is_over));
        async move { live(&client, usize::MAX, Some(is_over)).await }
    });
    let report = replay.await.unwrap();
    let sent_s = start.elapsed().as_secs_f64();
    let indexed = receipts(&client, letters).await;
    let indexed_s = start.elapsed().as_secs_f64();
    is_over.store(true, Ordering::SeqCst);
    let busy = measured.await.unwrap();
    let left = client.bus().stream_messages("HEIMDEX_DLQ").await.unwrap();
    let (calm_p99, busy_p99) = (percentile(&calm, 99), percentile(&busy, 99));
    println!(
        "{}",
        json!({
            "letters": letters, "sent": report["counts"]["sent"], "duplicates": report["counts"]["duplicates"],
            "came_back": report["counts"]["came_back"], "indexed": indexed, "letters_left": left, "sent_s": sent_s,
            "indexed_s": indexed_s, "live": {"calm": summary(&calm), "replaying": summary(&busy)},
            "p99_ratio": busy_p99 / calm_p99,
        })
    );
    assert!(indexed == letters && left == 0, "not all came through");
}

/// Uploads that name a blob that is not there.
async fn die(client: &Client, letters: u64, blob: &BlobRef) {
    let sends = (0..letters).map(|n| async move {
        let event = AssetUploaded {
            asset_id: format!("letter-{n}").parse().unwrap(),
            content: Content::Blob { name: blob.name.clone(), sha256: blob.sha256.clone(), size: blob.size },
            org: None,
            title: None,
            source: None,
            model: None,
            password: None,
        };
        let envelope = Envelope::wrap(SOURCE, &n.to_string(), &event).unwrap();
        client.bus().publisher().publish_asset(&LATE.parse().unwrap(), Lane::Bulk, envelope).await.unwrap();
    });
    futures::stream::iter(sends).buffer_unordered(64).collect::<()>().await;
    let give_up = Instant::now() + PATIENCE;
    let mut again = tokio::time::interval(Duration::from_millis(500));
    while client.bus().stream_messages("HEIMDEX_DLQ").await.unwrap() < letters {
        assert!(Instant::now() < give_up, "not all uploads died");
        again.tick().await;
    }
}

/// Uploads of another org, one after the other at a fixed pace; seconds from the event to the receipt of each.
async fn live(client: &Client, uploads: usize, until: Option<Arc<AtomicBool>>) -> Vec<f64> {
    let mut pace = tokio::time::interval(EVERY);
    let mut waiting = Vec::new();
    while waiting.len() < uploads && !until.as_ref().is_some_and(|over| over.load(Ordering::SeqCst)) {
        pace.tick().await;
        let client = client.clone();
        waiting.push(tokio::spawn(async move {
            let upload =
                Upload::new("live", &uuid::Uuid::new_v4().to_string(), "A small note about the harbour at noon.");
            let start = Instant::now();
            let receipt = client.ingest(&upload).await;
            assert_eq!(receipt.state, ReceiptState::Indexed, "{receipt:?}");
            start.elapsed().as_secs_f64()
        }));
    }
    futures::future::join_all(waiting).await.into_iter().map(Result::unwrap).collect()
}

fn replay(url: &str, rate: &str) -> Value {
    let arguments = ["dlq", "replay", "--org", LATE, "--rate", rate, "--json"];
    let output = command().env("HEIMDEX_NATS_URL", url).args(arguments).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("a report")
}

/// How many of the replayed uploads are searchable in the end, each with its one chunk.
async fn receipts(client: &Client, letters: u64) -> u64 {
    let org: Org = LATE.parse().unwrap();
    let give_up = Instant::now() + PATIENCE;
    let mut again = tokio::time::interval(Duration::from_secs(1));
    let mut open: Vec<u64> = (0..letters).collect();
    while !open.is_empty() && Instant::now() < give_up {
        again.tick().await;
        let asked = open.iter().map(|n| is_indexed(client, &org, *n));
        let done: Vec<bool> = futures::stream::iter(asked).buffered(32).collect().await;
        open = open.into_iter().zip(done).filter(|(_, done)| !done).map(|(n, _)| n).collect();
    }
    letters - open.len() as u64
}

async fn is_indexed(client: &Client, org: &Org, n: u64) -> bool {
    let job = UploadId::new(org, SOURCE, &n.to_string());
    let current = client.bus().receipts().current(org, job).await.unwrap();
    current.is_some_and(|update| update.receipt.state == ReceiptState::Indexed && update.receipt.chunks == 1)
}

fn percentile(seconds: &[f64], percent: usize) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn summary(seconds: &[f64]) -> Value {
    let of = |percent| percentile(seconds, percent);
    json!({"uploads": seconds.len(), "p50_s": of(50), "p95_s": of(95), "p99_s": of(99)})
}
