//! The broker and the store die; work goes on when they are back.

use std::time::Duration;

use heimdex_e2e::Upload;
use heimdex_schemas::ReceiptState;
use heimdex_testkit::eventually;
use heimdex_testkit::heimdex::{Answer, Part, Topology, get};
use serde_json::Value;

use crate::Scene;

const ORG: &str = "storm";
const NOTICED: Duration = Duration::from_secs(60);

pub async fn work_goes_on_after_the_broker_died(scene: &mut Scene) {
    let uploads: Vec<Upload> =
        (0..4).map(|n| Upload::new(ORG, &format!("log-{n}.txt"), format!("Storm log {n}: the mast holds."))).collect();
    for upload in &uploads {
        scene.client.upload(upload).await;
    }
    let before = scene.cluster.server_pid(Part::Nats).expect("a nats-server");
    assert!(scene.cluster.signal_server(Part::Nats, libc::SIGKILL));
    for upload in &uploads {
        let receipt = scene.client.receipt(&upload.org, upload.job()).await;
        assert_eq!(receipt.state, ReceiptState::Indexed, "{receipt:?}");
    }
    assert!(scene.cluster.server_pid(Part::Nats).is_some_and(|after| after != before), "the broker was not restarted");
    eventually!(NOTICED, scene.client.try_search(ORG, &serde_json::json!({"query": "mast"})).await.is_ok());
    assert_eq!(scene.client.found(ORG, "sparse", "mast").await.len(), uploads.len());
}

pub async fn readiness_names_the_store_while_it_is_away(scene: &mut Scene) {
    // The broker died a moment ago, and every component says for itself when it has noticed that it is back: others may
    // be missing beside the store.
    eventually!(NOTICED, ready(scene).status == 200);
    eventually!(NOTICED, {
        stop_store(scene);
        let answer = ready(scene);
        answer.status == 503 && names_the_store(&answer)
    });
    let upload = Upload::new(ORG, "flood.txt", "The flood took the footbridge.");
    scene.client.upload(&upload).await;
    if scene.topology == Topology::OneProcessPerPart {
        scene.cluster.restart();
    }
    let receipt = scene.client.receipt(&upload.org, upload.job()).await;
    assert_eq!(receipt.state, ReceiptState::Indexed, "{receipt:?}");
    eventually!(NOTICED, ready(scene).status == 200);
    assert_eq!(scene.client.found(ORG, "sparse", "footbridge").await, ["flood.txt"]);
    assert_eq!(scene.client.dead_letters(ORG).await, []);
}

/// With its supervisor where that is a process of its own; else again and again, because its supervisor restarts it.
fn stop_store(scene: &mut Scene) {
    match scene.topology {
        Topology::OneProcess => {
            scene.cluster.signal_server(Part::Store, libc::SIGKILL);
        }
        Topology::OneProcessPerPart => scene.cluster.process(Part::Store).kill9(),
    }
}

fn ready(scene: &mut Scene) -> Answer {
    let http = scene.cluster.process(Part::Writer).wait_ready().http;
    get(http, "/readyz").expect("health is served")
}

fn names_the_store(answer: &Answer) -> bool {
    let report: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(report["ready"], false, "{report}");
    let components = report["components"].as_object().expect("components by name");
    let mut missing = components.iter().filter(|(_, state)| state["state"] == "no").map(|(name, _)| name);
    missing.any(|name| ["index", "qdrant", "store"].iter().any(|known| name.contains(known)))
}
