//! What an operator does with dead letters: look, ask, try again, give up, each by a command.

use std::collections::BTreeSet;

use heimdex_e2e::{Upload, documents};
use heimdex_schemas::ReceiptState;
use serde_json::Value;

use crate::Scene;

const ORG: &str = "graves";
const SOME_FAILED: i32 = 3;
const BAD_INPUT: i32 = 2;

pub async fn dead_letters_are_seen_explained_tried_again_and_removed(scene: &Scene) {
    let uploads = [
        Upload::new(ORG, "fine.txt", "The gardener waters the lilies at dawn."),
        Upload::new(ORG, "torn.pdf", documents::truncated_pdf()),
        Upload::new(ORG, "locked.pdf", documents::encrypted_pdf()),
    ];
    let receipts = scene.client.ingest_all(&uploads).await;
    let states: Vec<ReceiptState> = receipts.iter().map(|receipt| receipt.state).collect();
    assert_eq!(states, [ReceiptState::Indexed, ReceiptState::Failed, ReceiptState::Failed]);
    let letters = listed(scene);
    let codes: BTreeSet<&str> = letters.iter().map(|letter| letter["code"].as_str().unwrap()).collect();
    assert_eq!(codes, BTreeSet::from(["corrupt", "encrypted"]));
    shown(scene, &letters[0]);
    replayed(scene, &letters);
    removed(scene);
    assert_eq!(scene.client.found(ORG, "sparse", "gardener lilies").await, ["fine.txt"]);
}

/// Runs `heimdex dlq …`; returns its exit code and the JSON that it printed.
fn dlq(scene: &Scene, arguments: &[&str]) -> (i32, Value) {
    let output = scene.cluster.run(&[&["dlq"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap_or_else(|| panic!("it was killed: {said}"));
    (code, serde_json::from_slice(&output.stdout).unwrap_or_else(|_| Value::String(said)))
}

fn listed(scene: &Scene) -> Vec<Value> {
    let (code, list) = dlq(scene, &["ls", "--org", ORG, "--json"]);
    assert_eq!(code, 0, "{list}");
    let letters = list["letters"].as_array().expect("letters").clone();
    assert_eq!(list["total"].as_u64(), Some(letters.len() as u64));
    letters
}

fn sequence(letter: &Value) -> String {
    letter["sequence"].as_u64().expect("a sequence").to_string()
}

fn shown(scene: &Scene, letter: &Value) {
    let (code, shown) = dlq(scene, &["show", &sequence(letter), "--json"]);
    assert_eq!(code, 0, "{shown}");
    assert_eq!(shown["payload"]["type"], "heimdex.asset.uploaded.v1", "{shown}");
    assert_eq!(shown["payload"]["data"]["asset_id"], letter["asset"]);
    assert_eq!(shown["timeline"].as_array().map(Vec::len), Some(1), "{}", shown["timeline"]);
    let (code, _) = dlq(scene, &["show", "999999999"]);
    assert_eq!(code, BAD_INPUT);
    let (_, groups) = dlq(scene, &["ls", "--org", ORG, "--group-by", "fingerprint", "--json"]);
    assert_eq!(groups["groups"].as_array().map(Vec::len), Some(2), "two causes: {groups}");
}

/// A torn file is still torn: the first one that is sent comes back, and the other is not sent.
fn replayed(scene: &Scene, letters: &[Value]) {
    let (code, plan) = dlq(scene, &["replay", "--org", ORG, "--dry-run", "--json"]);
    assert_eq!((code, plan["counts"]["sent"].as_u64()), (0, Some(2)), "{plan}");
    assert_eq!(listed(scene).len(), 2, "a dry run changes nothing");
    let (code, report) = dlq(scene, &["replay", "--org", ORG, "--json"]);
    assert_eq!((code, report["state"]["state"].as_str()), (SOME_FAILED, Some("stopped")), "{report}");
    assert_eq!((report["counts"]["sent"].as_u64(), report["counts"]["came_back"].as_u64()), (Some(1), Some(1)));
    let after = listed(scene);
    assert_eq!(after.len(), letters.len(), "one is back, the other never went");
    assert_eq!(sequence(&after[0]), sequence(&letters[1]));
    assert_eq!((after[1]["replay"].as_u64(), &after[1]["code"]), (Some(1), &letters[0]["code"]));
    let (_, shown) = dlq(scene, &["show", &sequence(&after[1]), "--json"]);
    assert_eq!(shown["timeline"].as_array().map(Vec::len), Some(3), "died, replayed, died: {}", shown["timeline"]);
}

fn removed(scene: &Scene) {
    let (code, said) = dlq(scene, &["purge", "--org", ORG, "--json"]);
    assert_eq!(code, BAD_INPUT, "nobody was there to be asked: {said}");
    let (code, report) = dlq(scene, &["purge", "--org", ORG, "--yes", "--json"]);
    assert_eq!((code, report["removed"].as_u64()), (0, Some(2)), "{report}");
    assert!(listed(scene).is_empty());
}
