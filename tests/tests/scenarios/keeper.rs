//! What the keeper sees to: work that an operator threw away by mistake, and an index that differs from its source.

use std::time::Duration;

use heimdex_e2e::Upload;
use heimdex_schemas::{Receipt, ReceiptState};
use heimdex_stage::{Blobs as _, Bucket};
use heimdex_testkit::eventually;
use heimdex_testkit::heimdex::{ClusterConfig, Part, Topology};
use serde_json::Value;

use crate::Scene;

const ORG: &str = "harbour";
const SOON: Duration = Duration::from_secs(60);

/// Rounds every half second, and lost work noticed after three.
pub fn with_settings(config: ClusterConfig) -> ClusterConfig {
    config
        .variable("HEIMDEX_KEEPER_LEASE", "3s")
        .variable("HEIMDEX_KEEPER_WORK_EVERY", "500ms")
        .variable("HEIMDEX_KEEPER_STUCK_AFTER", "3s")
}

/// Where the embedder can be stopped by itself.
pub async fn a_purged_queue_loses_nothing(scene: &mut Scene) {
    if scene.topology == Topology::OneProcess {
        return;
    }
    let uploads: Vec<Upload> = (0..3)
        .map(|n| Upload::new(ORG, &format!("ledger-{n}.txt"), format!("Account {n}: forty barrels of herring.")))
        .collect();
    let lost = Upload::new(ORG, "burnt.txt", "Nothing remains of this account. ".repeat(2000));
    scene.cluster.process(Part::Embedder).kill9();
    for upload in uploads.iter().chain([&lost]) {
        scene.client.upload(upload).await;
    }
    let bus = scene.client.bus().clone();
    // One message for each short one, and at least one for the long one, once the chunker is done with all.
    eventually!(SOON, bus.stream_messages("HEIMDEX_CHUNKS").await.unwrap() > 3);
    eventually!(SOON, bus.stream_messages("HEIMDEX_DOCUMENTS").await.unwrap() == 0);
    burn_original(scene, &lost).await;
    bus.purge_stream("HEIMDEX_CHUNKS").await.unwrap();
    scene.cluster.restart();

    for upload in &uploads {
        let receipt = scene.client.receipt(&upload.org, upload.job()).await;
        assert_eq!((receipt.state, receipt.version), (ReceiptState::Indexed, 0), "{receipt:?}");
    }
    let receipt = scene.client.receipt(&lost.org, lost.job()).await;
    assert_eq!((receipt.state, code(&receipt)), (ReceiptState::Failed, "lost_upstream"), "{receipt:?}");
    assert_eq!(scene.client.found(ORG, "sparse", "herring").await.len(), uploads.len());
    assert_eq!(scene.client.dead_letters(ORG).await, []);
    // Each of them exactly once: the comparison counts points.
    let (code, report) = reconcile(scene, ORG, "asset_id\nledger-0.txt\nledger-1.txt\nledger-2.txt\n", &[]);
    assert_eq!((code, report["indexed"].as_u64()), (0, Some(3)), "{report}");
}

async fn burn_original(scene: &Scene, upload: &Upload) {
    let blobs = scene.client.bus().blobs();
    let prefix = format!("{}/{}/{}", upload.org, upload.asset.hash(), upload.job());
    let found = blobs.list(Bucket::Originals, &prefix).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    blobs.delete(Bucket::Originals, &found[0].name).await.unwrap();
}

fn code(receipt: &Receipt) -> &str {
    receipt.failures.first().map_or("", |failure| failure.code.as_str())
}

pub async fn an_index_is_brought_in_line_with_its_source(scene: &Scene) {
    const ORG: &str = "museum";
    for (asset, text) in [("vase.txt", "A vase with cranes."), ("coin.txt", "A coin."), ("copy.txt", "A forged vase.")]
    {
        let upload = Upload::new(ORG, asset, text).sequence(4);
        assert_eq!(scene.client.ingest(&upload).await.state, ReceiptState::Indexed);
    }
    let manifest = "{\"asset_id\":\"vase.txt\",\"version\":4}\n{\"asset_id\":\"coin.txt\",\"version\":5}\n";
    let (code, report) = reconcile(scene, ORG, manifest, &[]);
    assert_eq!(code, 3);
    assert_eq!((report["drift"]["extra"].as_u64(), report["drift"]["older_version"].as_u64()), (Some(1), Some(1)));

    let (code, report) = reconcile(scene, ORG, manifest, &["--repair"]);
    assert_eq!(
        (code, report["findings"][0]["asset_id"].as_str()),
        (3, Some("coin.txt")),
        "only its source can help: {report}"
    );
    assert_eq!(report["repairs"][1]["action"], "deleted", "{report}");
    assert_eq!(scene.client.found(ORG, "sparse", "vase").await, ["vase.txt"]);

    let newer = Upload::new(ORG, "coin.txt", "A coin of the year seven.").sequence(5);
    assert_eq!(scene.client.ingest(&newer).await.state, ReceiptState::Indexed);
    let (code, report) = reconcile(scene, ORG, manifest, &[]);
    assert_eq!((code, report["findings"].as_array().map(Vec::len)), (0, Some(0)), "{report}");
}

/// Exit code and report of `heimdex reconcile --json`.
fn reconcile(scene: &Scene, org: &str, manifest: &str, more: &[&str]) -> (i32, Value) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), manifest).unwrap();
    let path = file.path().display().to_string();
    let qdrant = scene.cluster.qdrant_url().to_owned();
    let arguments = ["reconcile", path.as_str(), "--org", org, "--qdrant", qdrant.as_str(), "--json"];
    let done = scene.cluster.run(&[&arguments[..], more].concat());
    let report = serde_json::from_slice(&done.stdout);
    let report = report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    (done.status.code().unwrap(), report)
}
