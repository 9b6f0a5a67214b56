//! The gateway against a real broker: what is published, what is refused, and that no route answers without a token.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use heimdex_auth::{DevelopmentKeys, Grant, Scope, Settings as TokenSettings, Verifier};
use heimdex_bus::{Bus, Options, Pulled, Wait};
use heimdex_gateway::routes::{GUARDED, OPEN};
use heimdex_gateway::{Gateway, Settings};
use heimdex_runtime::{Metrics, http};
use heimdex_schemas::{AssetDeleted, AssetUploaded, Content, Lane, StageName};
use heimdex_testkit::NatsServer;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A running gateway; its servers end with it.
struct Scene {
    _nats: NatsServer,
    bus: Bus,
    keys: DevelopmentKeys,
    address: SocketAddr,
    client: Client,
    metrics: Metrics,
    _folder: tempfile::TempDir,
    _stop: tokio_util::sync::DropGuard,
}

impl Scene {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let nats = NatsServer::start();
        let bus = Bus::connect(&nats.url(), Options::default()).await.unwrap();
        bus.ensure().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let keys = DevelopmentKeys::at(&folder.path().join("keys.json")).unwrap();
        let verifier = Verifier::open(keys.source(), TokenSettings::default()).await.unwrap();
        let (metrics, stop) = (Metrics::default(), CancellationToken::new());
        let gateway = Gateway::new(bus.clone(), verifier, settings, &metrics);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (address, _task) = http::serve(any, gateway.router(), stop.clone()).await.unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        Self { _nats: nats, bus, keys, address, client, metrics, _folder: folder, _stop: stop.drop_guard() }
    }

    fn token(&self, org: &str, scopes: &[Scope]) -> String {
        let grant = Grant {
            org: org.parse().unwrap(),
            scopes: scopes.iter().copied().collect(),
            subject: None,
            lifetime: Duration::from_secs(600),
        };
        self.keys.mint(&grant, &TokenSettings::default()).unwrap()
    }

    fn bare(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("http://{}{path}", self.address))
    }

    fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(self.token("acme", &[Scope::Ingest, Scope::Search]))
    }

    /// The event that waits for a stage, as JSON, and the org of its subject.
    async fn event(&self, stage: StageName) -> (Value, String) {
        let mut puller = self.bus.puller(stage, Lane::Interactive).await.unwrap();
        let Pulled::Message(delivery) = puller.pull(Wait::For(Duration::from_secs(5))).await else {
            panic!("nothing waits for {stage}")
        };
        let incoming = delivery.decode(self.bus.blobs().as_ref(), u64::MAX).await.unwrap();
        delivery.ack().await.unwrap();
        (serde_json::from_slice(incoming.envelope.data()).unwrap(), incoming.address.org.to_string())
    }
}

async fn body(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// Status and code of a problem document.
async fn problem(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let status = response.status().as_u16();
    let body = body(response).await;
    assert_eq!(body["status"], status);
    assert!(body["detail"].is_string() && body["title"].is_string());
    let code = body["code"].as_str().unwrap().to_owned();
    assert_eq!(body["type"], format!("urn:heimdex:problem:{code}"));
    (status, code)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_without_a_token_of_its_scope() {
    let scene = Scene::start().await;
    for (method, path) in GUARDED {
        assert_eq!(problem(scene.bare(method, path)).await, (401, "token_missing".to_owned()), "{method} {path}");
        let scopeless = scene.bare(method, path).bearer_auth(scene.token("acme", &[Scope::Vectors]));
        assert_eq!(problem(scopeless).await, (403, "scope_missing".to_owned()), "{method} {path}");
        let forged = scene.bare(method, path).bearer_auth("a.b.c");
        assert_eq!(problem(forged).await, (401, "token_malformed".to_owned()), "{method} {path}");
    }
    for (method, path) in OPEN {
        let answer = scene.bare(method, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.headers().contains_key("content-security-policy"));
    }
    let refused = scene.bare("POST", "/assets").send().await.unwrap();
    assert!(refused.headers().contains_key("www-authenticate") && refused.headers().contains_key("x-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_becomes_an_event_of_the_tokens_org() {
    let scene = Scene::start().await;
    let path = "/assets?asset_id=handbook/travel&source=travel.txt&title=Travel";
    let sent =
        scene.ask("POST", path).header("idempotency-key", "one").body("Flights are booked.").send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED);
    assert!(sent.headers().contains_key("ratelimit-remaining"));
    let location = sent.headers()["location"].to_str().unwrap().to_owned();
    let answer = body(sent).await;
    assert_eq!(
        (answer["status_url"].as_str().unwrap(), answer["asset_id"].as_str().unwrap()),
        (&*location, "handbook/travel")
    );
    // The same key again is the same job, and no second event.
    let again =
        scene.ask("POST", path).header("idempotency-key", "one").body("Flights are booked.").send().await.unwrap();
    assert_eq!(body(again).await["job_id"], answer["job_id"]);
    assert_eq!(scene.bus.stream_messages("HEIMDEX_ASSETS").await.unwrap(), 1);
    let job = body(scene.ask("GET", &location).send().await.unwrap()).await;
    assert_eq!((job["state"].as_str(), job["asset_id"].as_str()), (Some("queued"), Some("handbook/travel")));

    let (event, org) = scene.event(StageName::Extractor).await;
    let event: AssetUploaded = serde_json::from_value(event).unwrap();
    assert_eq!(
        (event.asset_id.as_str(), event.title.as_deref(), org.as_str()),
        ("handbook/travel", Some("Travel"), "acme")
    );
    assert_eq!(event.content, Content::Bytes(b"Flights are booked.".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_is_stored_and_named() {
    let scene = Scene::start().await;
    let bytes = vec![b'x'; 100_000];
    let sent = scene.ask("POST", "/assets").body(bytes).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED);
    let (event, _) = scene.event(StageName::Extractor).await;
    let blob = &event["content"]["blob"];
    assert_eq!(blob["size"], 100_000);
    assert!(blob["name"].as_str().unwrap().starts_with("acme/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_and_segments_are_uploads_too() {
    let scene = Scene::start().await;
    let two = json!({"segments": ["One.", "Two."], "asset_id": "a"});
    let sent = scene.ask("POST", "/vectors/embed").body(two.to_string()).header("content-type", "application/json");
    assert_eq!(sent.send().await.unwrap().status(), StatusCode::ACCEPTED);
    let (event, _) = scene.event(StageName::Extractor).await;
    assert_eq!(event["content"]["text"], "One.\n\nTwo.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_becomes_an_event() {
    let scene = Scene::start().await;
    let sent = scene.ask("DELETE", "/assets/handbook/travel").send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED);
    let (event, org) = scene.event(StageName::Eraser).await;
    let event: AssetDeleted = serde_json::from_value(event).unwrap();
    assert_eq!((event.asset_id.as_str(), org.as_str()), ("handbook/travel", "acme"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let scene = Scene::with(Settings { max_upload_bytes: 1_000, max_json_bytes: 500, ..Settings::default() }).await;
    let json = |text: &str| {
        scene.ask("POST", "/vectors/embed").header("content-type", "application/json").body(text.to_owned())
    };
    let unknown = "/jobs/67e55044-10b1-426f-9247-bb680e5fe0c8";
    for (request, status, code) in [
        (scene.ask("POST", "/assets").body(""), 400, "invalid"),
        (scene.ask("POST", "/assets").body(vec![1; 1_001]), 413, "too_large"),
        (scene.ask("POST", "/assets?lane=fast").body("x"), 400, "invalid"),
        (scene.ask("POST", "/assets?model=a.b").body("x"), 400, "invalid"),
        (scene.ask("POST", "/assets").header("idempotency-key", "k".repeat(201)).body("x"), 400, "invalid"),
        (json("{"), 400, "invalid"),
        (json("{}"), 400, "invalid"),
        (json(r#"{"text":" "}"#), 400, "invalid"),
        (json(r#"{"text":"a","segments":["b"]}"#), 400, "invalid"),
        (json(r#"{"text":"a","org":"other"}"#), 400, "invalid"),
        (json(&json!({"text": "x".repeat(600)}).to_string()), 413, "too_large"),
        (scene.ask("POST", "/vectors/embed").body("text"), 415, "unsupported_media_type"),
        (scene.ask("GET", "/jobs/one"), 400, "invalid"),
        (scene.ask("GET", unknown), 404, "not_found"),
        (scene.ask("GET", &format!("{unknown}/events")), 404, "not_found"),
        (scene.ask("PATCH", "/assets"), 405, "method_not_allowed"),
        (scene.ask("POST", "/vectors/search").body(r#"{"query":"q"}"#), 503, "unavailable"),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(problem(request).await, (status, code.to_owned()), "{shown}");
    }
    assert_eq!(scene.bus.stream_messages("HEIMDEX_ASSETS").await.unwrap(), 0);
    let counted = scene.metrics.encode().unwrap();
    assert!(
        counted.contains(r#"heimdex_http_requests_total{method="POST",route="/vectors/embed",status="413"} 1"#),
        "{counted}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_org_is_unknown() {
    let scene = Scene::start().await;
    let sent = body(scene.ask("POST", "/assets").body("text").send().await.unwrap()).await;
    let foreign = scene.token("other", &[Scope::Ingest]);
    let path = sent["status_url"].as_str().unwrap();
    assert_eq!(problem(scene.bare("GET", path).bearer_auth(foreign)).await, (404, "not_found".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_over_its_limit_is_told_when_to_come_back() {
    let two = NonZeroU32::new(2).unwrap();
    let scene = Scene::with(Settings { embed_per_minute: two, ..Settings::default() }).await;
    let embed = |org: &str| {
        let token = scene.token(org, &[Scope::Ingest]);
        let request = scene.bare("POST", "/vectors/embed").bearer_auth(token).body(r#"{"text":"a"}"#);
        request.header("content-type", "application/json").send()
    };
    for remaining in ["1", "0"] {
        let answer = embed("acme").await.unwrap();
        assert_eq!(
            (answer.status(), answer.headers()["ratelimit-remaining"] == remaining),
            (StatusCode::ACCEPTED, true)
        );
    }
    let refused = embed("acme").await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "two a minute: {wait} s");
    assert_eq!(embed("other").await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_may_call_from_where_the_operator_says() {
    let origins = vec!["https://app.example".to_owned()];
    let scene = Scene::with(Settings { cors_origins: origins, ..Settings::default() }).await;
    for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false)] {
        let preflight = scene.bare("OPTIONS", "/vectors/search").header("origin", origin);
        let answer = preflight.header("access-control-request-method", "POST").send().await.unwrap();
        assert_eq!(answer.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
}
