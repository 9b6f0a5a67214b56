//! A document goes in, a search finds it.

use heimdex_bus::RequestError;
use heimdex_e2e::{Upload, documents};
use heimdex_schemas::ReceiptState;
use serde_json::json;

use crate::Scene;

const ORG: &str = "readers";
const TEXT: &str = "The ferry to the island leaves at seven in the morning and returns before dusk.";

pub async fn every_format_is_found_in_every_mode(scene: &Scene) {
    let uploads = [
        Upload::new(ORG, "ferry.txt", TEXT),
        Upload::new(
            ORG,
            "beekeeping.pdf",
            documents::pdf(&["A hive is opened on warm days.", "Honey is harvested in late summer."]),
        ),
        Upload::new(
            ORG,
            "pottery.html",
            documents::html("Pottery", "<p>Glaze the bowl before the second firing in the kiln.</p>"),
        ),
    ];
    let receipts = scene.client.ingest_all(&uploads).await;
    for (receipt, format) in receipts.iter().zip(["txt", "pdf", "html"]) {
        assert_eq!(receipt.state, ReceiptState::Indexed, "{receipt:?}");
        assert_eq!(receipt.format.as_deref(), Some(format));
        assert!(receipt.chunks > 0 && receipt.completed_at >= receipt.accepted_at, "{receipt:?}");
    }
    for mode in ["dense", "sparse", "hybrid"] {
        assert_eq!(first(scene, mode, "when does the ferry leave the island").await, "ferry.txt");
        assert_eq!(first(scene, mode, "honey harvested in summer").await, "beekeeping.pdf");
        assert_eq!(first(scene, mode, "firing a glazed bowl in the kiln").await, "pottery.html");
    }
    hits_say_where_and_why(scene).await;
}

async fn first(scene: &Scene, mode: &str, query: &str) -> String {
    let found = scene.client.found(ORG, mode, query).await;
    found.into_iter().next().unwrap_or_else(|| panic!("{mode} search for {query:?} found nothing"))
}

async fn hits_say_where_and_why(scene: &Scene) {
    let request = json!({"query": "honey harvested", "explain": true, "asset_ids": ["beekeeping.pdf"]});
    let answer = scene.client.try_search(ORG, &request).await.unwrap();
    let hits = answer["hits"].as_array().unwrap();
    assert!(!hits.is_empty() && hits.iter().all(|hit| hit["asset_id"] == "beekeeping.pdf"), "{answer}");
    let hit = &hits[0];
    assert!(hit["text"].as_str().unwrap().contains("Honey is harvested"), "{hit}");
    assert!(hit["explain"]["dense"]["rank"].is_u64() && hit["explain"]["sparse"]["rank"].is_u64(), "{hit}");
    assert!(hit["explain"]["matched_terms"].as_array().unwrap().contains(&json!("honey")), "{hit}");
    assert!(!hit["highlights"].as_array().unwrap().is_empty(), "{hit}");
}

pub async fn a_bad_request_is_refused_by_field(scene: &Scene) {
    for (request, field) in [
        (json!({"query": " "}), "query"),
        (json!({"query": "ferry", "limit": 0}), "limit"),
        (json!({"query": "ferry", "org_id": "other"}), "org_id"),
    ] {
        let refused = scene.client.try_search(ORG, &request).await.unwrap_err();
        let RequestError::Service(error) = refused else { panic!("{refused}") };
        assert_eq!(error.code, 400, "{error}");
        assert!(error.message.contains(field), "{error}");
    }
}
