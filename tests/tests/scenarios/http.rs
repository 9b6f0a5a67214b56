//! The same by HTTP, with a token: upload, follow the job, search, delete.

use std::time::Duration;

use heimdex_e2e::documents;
use heimdex_testkit::heimdex::Part;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::Scene;

const ORG: &str = "browsers";
/// A stream that does not end by itself is a failure.
const PATIENCE: Duration = Duration::from_secs(90);

/// A caller with a token.
struct Caller {
    client: Client,
    base: String,
    token: String,
}

impl Caller {
    fn new(scene: &mut Scene, org: &str) -> Self {
        let data_dir = scene.cluster.data_dir().display().to_string();
        let minted = scene.cluster.run(&["token", "mint", "--org", org, "--data-dir", &data_dir]);
        assert!(minted.status.success(), "{}", String::from_utf8_lossy(&minted.stderr));
        let token = String::from_utf8(minted.stdout).unwrap().trim().to_owned();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let base = format!("http://{}", scene.cluster.process(Part::Gateway).wait_ready().http);
        Self { client, base, token }
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    async fn accepted(&self, request: RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        json_of(answer).await
    }

    /// The last event of a job's stream.
    async fn receipt(&self, job: &Value) -> Value {
        let path = format!("{}{}/events", self.base, job["status_url"].as_str().unwrap());
        let stream = self.client.get(path).bearer_auth(&self.token).send().await.unwrap();
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let events = stream.text().await.unwrap();
        let last = events.trim().rsplit("\n\n").next().unwrap();
        assert!(last.contains("event: receipt"), "{events}");
        let data = last.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        serde_json::from_str::<Value>(data).unwrap()["receipt"].take()
    }

    async fn search(&self, query: &str) -> Value {
        let answer = self.post("/vectors/search").body(json!({"query": query, "explain": true}).to_string());
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        json_of(answer).await
    }
}

async fn json_of(answer: reqwest::Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

pub async fn documents_go_in_and_are_found_by_http(scene: &mut Scene) {
    let (caller, stranger) = (Caller::new(scene, ORG), Caller::new(scene, "strangers-by-http"));
    let pdf = documents::pdf(&["The ferry to Hven leaves at nine.", "Bicycles travel free of charge."]);
    let job = caller.accepted(caller.post("/assets?asset_id=ferry&source=ferry.pdf").body(pdf)).await;
    let receipt = caller.receipt(&job).await;
    assert_eq!((&receipt["state"], &receipt["asset_id"]), (&json!("indexed"), &json!("ferry")));
    let found = caller.search("When does the ferry leave?").await;
    assert_eq!((&found["hits"][0]["asset_id"], &found["hits"][0]["source"]), (&json!("ferry"), &json!("ferry.pdf")));
    assert!(found["hits"][0]["explain"].is_object());
    assert_eq!(stranger.search("When does the ferry leave?").await["hits"], json!([]));

    let note = json!({"text": "Dogs travel free on the ferry, on a leash.", "asset_id": "dogs"});
    let sent = caller.post("/vectors/embed").header("content-type", "application/json").body(note.to_string());
    let job = caller.accepted(sent).await;
    assert_eq!(caller.receipt(&job).await["state"], "indexed");
    assert_eq!(caller.search("dogs on a leash").await["hits"][0]["asset_id"], "dogs");

    // A stranger's deletion of the same name touches nothing of ours.
    for (who, left) in [(&stranger, "ferry"), (&caller, "dogs")] {
        let request = who.client.delete(format!("{}/assets/ferry", who.base)).bearer_auth(&who.token);
        let job = who.accepted(request).await;
        assert_eq!(who.receipt(&job).await["state"], "deleted");
        assert_eq!(caller.search("to Hven at nine").await["hits"][0]["asset_id"], left);
    }
    let refused = caller.post("/vectors/search").body(r#"{"query":"q","limit":0}"#).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(refused).await["field"], "limit");
}
