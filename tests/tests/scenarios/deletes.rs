//! What was deleted is gone, everywhere and for good; what came after it is not.

use std::process::Output;

use heimdex_e2e::Upload;
use heimdex_index::{Index, Options};
use heimdex_schemas::{Org, ReceiptState, StageName, UploadId};
use heimdex_stage::{Blobs as _, Bucket};
use serde_json::{Value, json};

use crate::Scene;

const ORG: &str = "archive";

pub async fn a_deletion_leaves_nothing_and_what_follows_is_found(scene: &Scene) {
    let (client, org): (_, Org) = (&scene.client, ORG.parse().unwrap());
    // Larger than an event may be: its bytes lie in the originals bucket, its chunks' vectors in the work bucket.
    let long: String =
        (0..1_500).map(|n| format!("Shelf {n} holds the walrus ledgers of the year {}. ", 400 + n)).collect();
    let versions = [
        Upload::new(ORG, "walrus.txt", "The walrus ledgers were moved to the cellar."),
        Upload::new(ORG, "walrus.txt", long),
    ];
    let neighbour = client.ingest(&Upload::new(ORG, "otter.txt", "The otter ledgers stay in the attic.")).await;
    let first = client.ingest(&versions[0]).await;
    let second = client.ingest(&versions[1]).await;
    assert_eq!([first.state, second.state], [ReceiptState::Indexed; 2]);
    let replaced = client.receipt_in(&org, first.upload, ReceiptState::Superseded).await;
    assert_eq!((replaced.version, replaced.chunks, replaced.superseded_by), (1, 0, Some(second.upload)));
    assert!(blobs(scene, &org, "walrus.txt").await > 0);

    let receipt = client.delete(&org, "walrus.txt", None).await;
    assert_eq!((receipt.state, receipt.chunks, receipt.failures.as_slice()), (ReceiptState::Deleted, 0, [].as_slice()));
    assert_eq!(receipt.removed, u64::from(first.chunks + second.chunks), "the points of both versions");
    assert_eq!(receipt.stages[0].stage, StageName::Eraser);
    for upload in [first.upload, second.upload] {
        let deleted = client.receipt_in(&org, upload, ReceiptState::Deleted).await;
        assert_eq!((deleted.chunks, deleted.superseded_by), (0, Some(receipt.upload)));
    }
    assert_eq!(points(scene, &org).await, [(neighbour.upload, u64::from(neighbour.chunks))]);
    assert_eq!(blobs(scene, &org, "walrus.txt").await, 0);
    assert_eq!(client.found(ORG, "sparse", "walrus").await, Vec::<String>::new());
    assert_eq!(client.found(ORG, "hybrid", "ledgers").await, ["otter.txt"]);

    let again = client.delete(&org, "walrus.txt", None).await;
    assert_eq!((again.state, again.removed), (ReceiptState::Deleted, 0));
    let third = client.ingest(&Upload::new(ORG, "walrus.txt", "New walrus ledgers are kept from today on.")).await;
    assert_eq!(third.state, ReceiptState::Indexed);
    assert_eq!(client.found(ORG, "sparse", "walrus").await, ["walrus.txt"]);
}

pub async fn a_deletion_obeys_the_uploaders_order(scene: &Scene) {
    let (client, org): (_, Org) = (&scene.client, ORG.parse().unwrap());
    let upload = |sequence: u64, animal: &str| {
        Upload::new(ORG, "inventory.txt", format!("The inventory counts every {animal}.")).sequence(sequence)
    };
    let kept = client.ingest(&upload(8, "heron")).await;
    let deletion = client.delete(&org, "inventory.txt", Some(5)).await;
    assert_eq!((deletion.state, deletion.removed), (ReceiptState::Deleted, 0), "what is newer stays");
    assert_eq!(client.found(ORG, "sparse", "heron").await, ["inventory.txt"]);
    let late = client.ingest(&upload(4, "badger")).await;
    assert_eq!((late.state, late.superseded_by), (ReceiptState::Deleted, Some(deletion.upload)));
    assert_eq!(client.found(ORG, "sparse", "badger").await, Vec::<String>::new());
    let current = client.receipt(&org, kept.upload).await;
    assert_eq!((current.state, current.version), (ReceiptState::Indexed, 0));
}

pub async fn unchanged_chunks_keep_their_vectors(scene: &Scene) {
    let text = |last: &str| {
        let lines = (0..120).map(|n| format!("Paragraph {n} of the pelican survey tells of nest {}. ", n * 7));
        lines.chain([format!("The survey ends with a {last}.")]).collect::<String>()
    };
    let first = scene.client.ingest(&Upload::new("surveys", "pelican.txt", text("gull"))).await;
    let second = scene.client.ingest(&Upload::new("surveys", "pelican.txt", text("tern"))).await;
    assert_eq!([first.state, second.state], [ReceiptState::Indexed; 2]);
    assert!(first.chunks > 3 && first.chunks == second.chunks, "{} and {} chunks", first.chunks, second.chunks);
    assert_eq!((first.reused, second.reused), (0, second.chunks - 1), "all but the last chunk are the same");
    assert_eq!((first.truncated_tokens, second.truncated_tokens), (0, 0));
    let stages: Vec<StageName> = second.stages.iter().map(|time| time.stage).collect();
    assert_eq!(stages, [StageName::Extractor, StageName::Chunker, StageName::Embedder, StageName::Writer]);
    assert_eq!(scene.client.found("surveys", "sparse", "tern").await, ["pelican.txt"]);
    assert_eq!(scene.client.found("surveys", "sparse", "gull").await, Vec::<String>::new());
}

pub async fn a_purge_empties_an_org_and_no_other(scene: &Scene) {
    let (client, org): (_, Org) = (&scene.client, "leaving".parse().unwrap());
    let uploads: Vec<Upload> =
        (0..5).map(|n| Upload::new("leaving", &format!("{n}.txt"), format!("Contract {n} ends in spring."))).collect();
    let staying = client.ingest(&Upload::new("staying", "0.txt", "Contract 0 goes on.")).await;
    let receipts = client.ingest_all(&uploads).await;
    let purge = client.purge(&org).await;
    assert_eq!((purge.state, purge.chunks, purge.asset_id), (ReceiptState::Deleted, 0, None));
    assert_eq!(purge.removed, receipts.iter().map(|receipt| u64::from(receipt.chunks)).sum::<u64>());
    for receipt in &receipts {
        client.receipt_in(&org, receipt.upload, ReceiptState::Deleted).await;
    }
    assert!(points(scene, &org).await.is_empty());
    assert_eq!(points(scene, &staying.org).await.len(), 1);
    assert!(client.found("leaving", "hybrid", "contract").await.is_empty());
    assert_eq!(client.found("staying", "sparse", "contract").await, ["0.txt"]);
    let back = client.ingest(&Upload::new("leaving", "0.txt", "Contract 0 is renewed.")).await;
    assert_eq!(back.state, ReceiptState::Indexed);
    assert_eq!(client.found("leaving", "sparse", "contract").await, ["0.txt"]);
}

pub async fn the_commands_delete_and_say_how_much(scene: &Scene) {
    let org = "commands";
    let uploads = ["a", "b", "c"].map(|asset| Upload::new(org, asset, format!("Leaflet {asset} tells of beavers.")));
    scene.client.ingest_all(&uploads).await;
    let refused = scene.cluster.run(&["purge", "--org", org]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let lines = told(&scene.cluster.run(&["delete", "a", "never was", "--org", org, "--json"]));
    let of = |asset: &str| lines.iter().find(|line| line["asset_id"] == asset).unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!(
        (&of("a")["state"], &of("a")["removed"], &of("a")["remaining"]),
        (&json!("deleted"), &json!(1), &json!(0))
    );
    assert_eq!((&of("never was")["state"], &of("never was")["removed"]), (&json!("deleted"), &json!(0)));
    let lines = told(&scene.cluster.run(&["purge", "--org", org, "--yes", "--json"]));
    assert_eq!((lines.len(), &lines[0]["removed"], &lines[0]["remaining"]), (1, &json!(2), &json!(0)));
    assert!(scene.client.found(org, "sparse", "beavers").await.is_empty());
}

/// The JSON lines of a command that succeeded.
fn told(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every upload of an org with its exact number of points, whatever their state, over all collections.
async fn points(scene: &Scene, org: &Org) -> Vec<(UploadId, u64)> {
    let index = Index::connect(scene.cluster.qdrant_url(), Options::default()).unwrap();
    let mut found = Vec::new();
    for space in index.spaces().await.unwrap() {
        let stored = index.collection(&space).await.unwrap().scoped(org).uploads(None).await.unwrap();
        found.extend(stored.into_iter().map(|stored| (stored.upload, stored.points)));
    }
    found
}

async fn blobs(scene: &Scene, org: &Org, asset: &str) -> usize {
    let asset: heimdex_schemas::AssetId = asset.parse().unwrap();
    let (blobs, prefix) = (scene.client.bus().blobs(), format!("{org}/{}", asset.hash()));
    let mut found = 0;
    for bucket in [Bucket::Originals, Bucket::Work] {
        found += blobs.list(bucket, &prefix).await.unwrap().len();
    }
    found
}
