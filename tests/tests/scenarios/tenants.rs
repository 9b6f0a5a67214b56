//! Organizations are apart.

use heimdex_e2e::Upload;

use crate::Scene;

const ORGS: [&str; 2] = ["north", "south"];

pub async fn organizations_never_see_each_other(scene: &Scene) {
    // The same asset id and nearly the same text in both: nothing but the organization tells them apart.
    let uploads =
        ORGS.map(|org| Upload::new(org, "harbour.txt", format!("The {org} harbour dredges its basin each spring.")));
    let own = ORGS.map(|org| {
        Upload::new(org, &format!("{org}-only.txt"), format!("Only {org} keeps a register of its lighthouse lamps."))
    });
    scene.client.ingest_all(&[uploads, own].concat()).await;
    for (org, other) in [(ORGS[0], ORGS[1]), (ORGS[1], ORGS[0])] {
        for mode in ["dense", "sparse", "hybrid"] {
            sees_only_its_own(scene, org, other, mode).await;
        }
    }
    assert!(scene.client.found("nobody", "hybrid", "harbour basin").await.is_empty());
}

async fn sees_only_its_own(scene: &Scene, org: &str, other: &str, mode: &str) {
    let mut found =
        scene.client.found(org, mode, &format!("the {other} register of lighthouse lamps and harbour basin")).await;
    found.sort();
    assert_eq!(found, ["harbour.txt".to_owned(), format!("{org}-only.txt")], "{mode} in {org}");
    let request = serde_json::json!({"query": "harbour", "mode": mode, "asset_ids": [format!("{other}-only.txt")]});
    let answer = scene.client.try_search(org, &request).await.unwrap();
    assert_eq!(answer["hits"], serde_json::json!([]), "{mode} in {org}, asking for an asset of {other}");
    let texts = scene.client.try_search(org, &serde_json::json!({"query": "harbour", "mode": mode})).await.unwrap();
    let texts = texts["hits"].as_array().unwrap().iter().map(|hit| hit["text"].as_str().unwrap().to_owned());
    assert!(texts.into_iter().all(|text| !text.contains(other)), "{mode} in {org} shows text of {other}");
}
