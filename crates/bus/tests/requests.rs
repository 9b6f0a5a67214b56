//! Request-reply against a real nats-server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use heimdex_bus::requests::Endpoint;
use heimdex_bus::{Bus, Options, RequestError, ServiceError};
use heimdex_testkit::NatsServer;

const SOON: Duration = Duration::from_secs(10);

fn refusal() -> ServiceError {
    ServiceError::new(400, "no query").with_details(serde_json::json!({"code": "invalid", "field": "query"}))
}

async fn bus(server: &NatsServer) -> Bus {
    Bus::connect(&server.url(), Options::default()).await.unwrap()
}

#[tokio::test]
async fn request_reply_carries_answers_errors_and_deadlines() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let service = bus.service("query", "0.1.0", "search").await.unwrap();
    let endpoint =
        Endpoint { name: "search".to_owned(), subject: "heimdex.v1.search".to_owned(), concurrency: 2, waiting: 8 };
    let handler = |request: heimdex_bus::ServiceRequest| async move {
        assert_eq!(request.headers.get("authorization").map(String::as_str), Some("Bearer t"));
        match request.payload.as_ref() {
            b"bad" => Err(refusal()),
            _ => Ok(Bytes::from(format!("{:?}", request.deadline))),
        }
    };
    service.serve(endpoint, handler).await.unwrap();
    bus.flush().await.unwrap();
    let requests = bus.requests();
    let ask = |body: &'static str| {
        let requests = requests.clone();
        async move {
            let headers = [("Authorization", "Bearer t")];
            requests.request("heimdex.v1.search", &headers, Bytes::from(body), Duration::from_secs(2)).await
        }
    };
    assert_eq!(ask("good").await.unwrap(), "Some(2s)");
    let error = ask("bad").await.unwrap_err();
    assert_eq!(error, RequestError::Service(refusal()));
    service.stop().await;
    bus.flush().await.unwrap();
    assert!(matches!(ask("good").await.unwrap_err(), RequestError::NobodyServes(_)));
}

#[tokio::test]
async fn more_requests_than_may_wait_are_refused() {
    let server = NatsServer::start();
    let bus = bus(&server).await;
    let service = bus.service("query", "0.1.0", "search").await.unwrap();
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let inside = std::sync::Arc::clone(&gate);
    let endpoint =
        Endpoint { name: "slow".to_owned(), subject: "heimdex.v1.slow".to_owned(), concurrency: 1, waiting: 1 };
    let handler = move |_| {
        let gate = std::sync::Arc::clone(&inside);
        async move {
            let _permit = gate.acquire().await.unwrap();
            Ok(Bytes::new())
        }
    };
    service.serve(endpoint, handler).await.unwrap();
    bus.flush().await.unwrap();
    let asks = (0..3).map(|_| {
        let requests = bus.requests();
        tokio::spawn(async move { requests.request("heimdex.v1.slow", &[], Bytes::new(), SOON).await })
    });
    let mut asks: futures::stream::FuturesUnordered<_> = asks.collect();
    let first = asks.next().await.unwrap().unwrap();
    assert!(matches!(first, Err(RequestError::Service(ServiceError { code: 503, .. }))), "{first:?}");
    gate.add_permits(2);
    while let Some(answer) = asks.next().await {
        answer.unwrap().unwrap();
    }
}
