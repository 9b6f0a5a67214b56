//! Keys change while the process runs, and strangers cannot make the issuer work for them.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod issuer;

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use heimdex_auth::{AuthError, Settings, Source, Verifier};
use issuer::{Signer, good, set};
use tokio::net::TcpListener;

/// What the issuer's address answers, and how often it was asked.
struct Issuer {
    answer: Arc<Mutex<(StatusCode, Vec<u8>)>>,
    asked: Arc<AtomicUsize>,
    source: Source,
}

impl Issuer {
    async fn start(keys: Vec<u8>) -> Self {
        let (answer, asked) = (Arc::new(Mutex::new((StatusCode::OK, keys))), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let source = format!("http://{}/keys", listener.local_addr().unwrap()).parse().unwrap();
        let (said, counted) = (Arc::clone(&answer), Arc::clone(&asked));
        let app = Router::new().route(
            "/keys",
            get(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = said.lock().unwrap().clone();
                async move { answer }
            }),
        );
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { answer, asked, source }
    }

    fn says(&self, status: StatusCode, keys: Vec<u8>) {
        *self.answer.lock().unwrap() = (status, keys);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn settings() -> Settings {
    Settings { cool_down: Duration::ZERO, ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_found_without_a_restart_by_one_request() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let issuer = Issuer::start(set(&[&old])).await;
    let verifier = Arc::new(Verifier::open(issuer.source.clone(), settings()).await.unwrap());
    issuer.says(StatusCode::OK, set(&[&old, &new]));
    let token = new.sign(&good());
    let calls = (0..50).map(|_| {
        let (verifier, token) = (Arc::clone(&verifier), token.clone());
        tokio::spawn(async move { verifier.verify(&token).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(issuer.asked(), 2, "once at the start and once for all fifty");
    assert!(verifier.verify(&old.sign(&good())).await.is_ok());
}

#[tokio::test]
async fn invented_key_ids_do_not_get_through_the_cool_down() {
    let known = Signer::secret("known");
    let issuer = Issuer::start(set(&[&known])).await;
    let verifier = Verifier::open(issuer.source.clone(), Settings::default()).await.unwrap();
    for number in 0..20 {
        let stranger = Signer::secret(&format!("invented-{number}"));
        assert_eq!(verifier.verify(&stranger.sign(&good())).await.unwrap_err(), AuthError::UnknownKey);
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_withdrawn_key_ends_with_the_next_reading() {
    let (old, new) = (Signer::secret("old"), Signer::ed25519("new"));
    let issuer = Issuer::start(set(&[&old])).await;
    let always = Settings { refresh: Duration::ZERO, ..settings() };
    let verifier = Verifier::open(issuer.source.clone(), always).await.unwrap();
    assert!(verifier.verify(&old.sign(&good())).await.is_ok());
    issuer.says(StatusCode::OK, set(&[&new]));
    assert_eq!(verifier.verify(&old.sign(&good())).await.unwrap_err(), AuthError::UnknownKey);
    assert!(verifier.verify(&new.sign(&good())).await.is_ok());
}

#[tokio::test]
async fn an_issuer_in_trouble_leaves_the_keys_as_they_were() {
    let key = Signer::secret("key");
    let issuer = Issuer::start(set(&[&key])).await;
    let always = Settings { refresh: Duration::ZERO, ..settings() };
    let verifier = Verifier::open(issuer.source.clone(), always).await.unwrap();
    for (status, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, set(&[&key])),
        (StatusCode::MOVED_PERMANENTLY, Vec::new()),
        (StatusCode::OK, b"{}".to_vec()),
        (StatusCode::OK, br#"{"keys":[]}"#.to_vec()),
        (StatusCode::OK, vec![b' '; 1 << 20]),
    ] {
        issuer.says(status, body);
        assert!(verifier.verify(&key.sign(&good())).await.is_ok(), "{status}");
    }
    issuer.says(StatusCode::INTERNAL_SERVER_ERROR, Vec::new());
    assert!(Verifier::open(issuer.source.clone(), settings()).await.is_err(), "but none is started with");
}

#[test]
fn keys_come_from_a_file_or_a_trusted_address() {
    for fine in
        ["keys.json", "/etc/keys.json", "https://id.example.com/jwks", "http://127.0.0.1:1/x", "http://[::1]:1/x"]
    {
        assert!(fine.parse::<Source>().is_ok(), "{fine}");
    }
    for refused in ["", "http://id.example.com/jwks", "ftp://x/y", "https://", "file:///etc/keys.json"] {
        assert!(refused.parse::<Source>().is_err(), "{refused}");
    }
}
