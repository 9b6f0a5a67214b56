//! Which upload of an asset is searchable.

use heimdex_e2e::Upload;
use heimdex_schemas::ReceiptState;
use serde_json::json;

use crate::Scene;

const ORG: &str = "editors";

pub async fn a_new_upload_replaces_the_old_one(scene: &Scene) {
    let old = Upload::new(ORG, "menu.txt", "Today the kitchen serves pumpkin soup with ginger.");
    let new = Upload::new(ORG, "menu.txt", "Today the kitchen serves lentil stew with thyme.");
    let first = scene.client.ingest(&old).await;
    assert_eq!(scene.client.found(ORG, "sparse", "pumpkin").await, ["menu.txt"]);
    let second = scene.client.ingest(&new).await;
    assert_eq!([first.state, second.state], [ReceiptState::Indexed; 2]);
    assert!(second.order > first.order, "{first:?} {second:?}");
    assert_eq!(scene.client.found(ORG, "sparse", "pumpkin").await, Vec::<String>::new());
    assert_eq!(scene.client.found(ORG, "sparse", "lentil").await, ["menu.txt"]);
    for mode in ["dense", "hybrid"] {
        let answer = scene.client.try_search(ORG, &json!({"query": "soup of the day", "mode": mode})).await.unwrap();
        let texts: Vec<&str> =
            answer["hits"].as_array().unwrap().iter().map(|hit| hit["text"].as_str().unwrap()).collect();
        assert!(!texts.is_empty() && texts.iter().all(|text| text.contains("lentil")), "{mode}: {texts:?}");
    }
    the_same_event_again_is_the_same_upload(scene, &new).await;
}

async fn the_same_event_again_is_the_same_upload(scene: &Scene, upload: &Upload) {
    let before = scene.client.receipt(&upload.org, upload.job()).await;
    scene.client.upload(upload).await;
    assert_eq!(scene.client.receipt(&upload.org, upload.job()).await, before);
    assert_eq!(scene.client.found(ORG, "sparse", "lentil").await, ["menu.txt"]);
}

pub async fn an_older_sequence_is_superseded(scene: &Scene) {
    let newer = Upload::new(ORG, "rota.txt", "This week Zelda waters the plants.").sequence(7);
    let older = Upload::new(ORG, "rota.txt", "This week Quentin waters the plants.").sequence(6);
    let winner = scene.client.ingest(&newer).await;
    let loser = scene.client.ingest(&older).await;
    assert_eq!((winner.state, loser.state), (ReceiptState::Indexed, ReceiptState::Superseded));
    assert_eq!(loser.superseded_by, Some(winner.upload));
    assert_eq!(scene.client.found(ORG, "sparse", "Zelda").await, ["rota.txt"]);
    assert_eq!(scene.client.found(ORG, "sparse", "Quentin").await, Vec::<String>::new());
}
