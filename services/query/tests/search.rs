//! Searches over a real store, the real model and a real nats-server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../../../crates/index/tests/store/mod.rs"]
mod store;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use heimdex_bus::{Bus, RequestError};
use heimdex_embedding::catalogue::{ALL_MINILM_L6_V2, find};
use heimdex_embedding::{Embedder, Kind, Lane as Queue, Libraries, Options as EmbedderOptions, Provider};
use heimdex_index::OrgScoped;
use heimdex_lexical::Bm25;
use heimdex_provision::Quiet;
use heimdex_query::{Method, Mode, Options, Search, SearchError, SearchRequest, SearchResponse, ServedModel, serve};
use heimdex_schemas::{
    Chunk, DocumentFacts, EmbeddedChunk, Lane, Lineage, Order, Org, PointId, Receipt, ReceiptState, Sparse, StageName,
    UploadId, Vectors,
};
use heimdex_testkit::NatsServer;
use tokio_util::sync::CancellationToken;

use store::Store;

/// One per process: a second runtime library could not be loaded.
fn embedder() -> &'static Embedder {
    static EMBEDDER: OnceLock<Embedder> = OnceLock::new();
    EMBEDDER.get_or_init(|| {
        let libraries = Libraries::ensure(Provider::Cpu, &Quiet).unwrap();
        let options = EmbedderOptions::new(find(ALL_MINILM_L6_V2).unwrap().ensure(&Quiet).unwrap());
        Embedder::open(EmbedderOptions { provider: Provider::Cpu, libraries, ..options }).unwrap()
    })
}

impl Store {
    async fn start() -> Self {
        Self::open(heimdex_index::Options::default()).await
    }

    fn search(&self) -> Search {
        Search::new(self.index.clone(), served(Some(embedder().clone())), Vec::new(), Options::default())
    }

    async fn points(&self, org: &Org) -> OrgScoped {
        self.index.collection(served(None).space()).await.unwrap().scoped(org)
    }

    /// Makes one document of the given chunks searchable.
    async fn add(&self, document: Document<'_>) {
        let points = self.points(&document.lineage.org).await;
        let chunks = u32::try_from(document.texts.len()).unwrap();
        let language = Some(document.language.to_owned());
        let facts = DocumentFacts { format: "txt".to_owned(), language, pages: 1, chunks, warnings: Vec::new() };
        let vectors = document.vectors().await;
        points.upsert_staged(&document.lineage, &facts, &vectors).await.unwrap();
        points.make_live(document.lineage.upload).await.unwrap();
    }
}

fn served(embedder: Option<Embedder>) -> ServedModel {
    ServedModel::new(self::embedder().model(), embedder).unwrap()
}

struct Document<'a> {
    lineage: Lineage,
    language: &'a str,
    texts: &'a [&'a str],
}

impl<'a> Document<'a> {
    fn new(org: &Org, asset: &str, language: &'a str, texts: &'a [&'a str]) -> Self {
        Self::version(org, asset, 1, language, texts)
    }

    fn version(org: &Org, asset: &str, sequence: u64, language: &'a str, texts: &'a [&'a str]) -> Self {
        let lineage = Lineage {
            upload: UploadId::new(org, "/cms", &format!("{asset}-{sequence}")),
            org: org.clone(),
            asset_id: asset.parse().unwrap(),
            order: Order::by_uploader(sequence),
            position: Order::default(),
            lane: Lane::Interactive,
            model: embedder().model().name().parse().unwrap(),
            replay: 0,
            accepted_at: DateTime::UNIX_EPOCH,
            title: Some(format!("Title of {asset}")),
            source: None,
            traceparent: None,
            trail: Vec::new(),
        };
        Self { lineage, language, texts }
    }

    async fn vectors(&self) -> Vectors {
        let dense = embedder().embed(self.texts, Queue::Bulk, Kind::Document).await;
        let space = embedder().space().id().to_owned();
        let chunks = (0..).zip(self.texts).zip(dense).map(|((ordinal, text), dense)| {
            let sparse = Bm25::default().document(text);
            EmbeddedChunk {
                point_id: PointId::new(self.lineage.upload, &space, ordinal),
                chunk: Chunk {
                    ordinal,
                    text: (*text).to_owned(),
                    tokens: 1,
                    pages: vec![ordinal + 1],
                    page_starts: vec![0],
                    span: [0, text.chars().count() as u64],
                    content_hash: "00".to_owned(),
                    ..Chunk::default()
                },
                dense: dense.unwrap(),
                sparse: Sparse { indices: sparse.indices, values: sparse.values },
            }
        });
        let (chunks, dimension) = (chunks.collect(), u32::try_from(embedder().model().dimension()).unwrap());
        let numerics = embedder().numerics().to_string();
        Vectors { space, dimension, numerics, chunks, missing: Vec::new(), reused: 0 }
    }
}

const HANDBOOK: &[&str] = &[
    "Employees may travel abroad after their manager approved the trip. Flights are booked through the travel desk.",
    "The cafeteria opens at seven in the morning and closes at eight in the evening.",
    "Passwords must have twelve characters and be changed whenever an account was compromised.",
];

fn org(name: &str) -> Org {
    name.parse().unwrap()
}

fn assets(response: &SearchResponse) -> Vec<&str> {
    response.hits.iter().map(|hit| hit.asset_id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_finds_its_paragraph_and_says_why() {
    let store = Store::start().await;
    store.add(Document::new(&org("acme"), "handbook", "en", HANDBOOK)).await;
    let mut request = SearchRequest::new("Who books flights for a business trip?");
    request.explain = true;
    for fusion in [Method::Rrf, Method::Dbsf] {
        request.fusion = Some(fusion);
        let response = store.search().search(&org("acme"), &request).await.unwrap();
        let hit = &response.hits[0];
        assert_eq!((hit.ordinal, hit.page, hit.title.as_deref()), (0, Some(1), Some("Title of handbook")));
        assert_eq!((response.total, response.degraded.len(), response.cursor.clone()), (3, 0, None));
        let explain = hit.explain.clone().unwrap();
        let (dense, sparse) = (explain.dense.unwrap(), explain.sparse.unwrap());
        assert_eq!((dense.rank, sparse.rank), (1, 1));
        assert!((hit.score - dense.share - sparse.share).abs() < 1e-9);
        assert_eq!(explain.matched_terms, ["flights", "trip"]);
        let text: Vec<char> = hit.text.chars().collect();
        let marked: Vec<String> = hit.highlights.iter().map(|[from, to]| text[*from..*to].iter().collect()).collect();
        assert_eq!(marked, ["trip", "Flights"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_filters_and_limits_do_what_they_say() {
    let store = Store::start().await;
    store.add(Document::new(&org("acme"), "handbook", "en", HANDBOOK)).await;
    store.add(Document::new(&org("acme"), "notes", "en", &["Notes on flights and on the cafeteria."])).await;
    let search = store.search();
    let ask = |change: fn(&mut SearchRequest)| {
        let mut request = SearchRequest { explain: true, ..SearchRequest::new("flights") };
        change(&mut request);
        let search = &search;
        async move { search.search(&org("acme"), &request).await.unwrap() }
    };
    let sparse = ask(|request| request.mode = Mode::Sparse).await;
    assert_eq!((sparse.total, sparse.hits.len()), (2, 2));
    let explain = sparse.hits[0].explain.clone().unwrap();
    assert!(explain.dense.is_none() && (f64::from(explain.sparse.unwrap().score) - sparse.hits[0].score).abs() < 1e-9);
    let dense = ask(|request| request.mode = Mode::Dense).await;
    assert!(dense.hits.iter().all(|hit| hit.explain.as_ref().unwrap().sparse.is_none()) && dense.total == 4);
    assert_eq!(ask(|request| request.limit = Some(1)).await.hits.len(), 1);
    let notes = ask(|request| request.asset_ids = vec!["notes".parse().unwrap()]).await;
    assert_eq!(assets(&notes), ["notes"]);
    let third = ask(|request| request.filters.page = vec![3]).await;
    assert_eq!(third.hits.iter().map(|hit| hit.ordinal).collect::<Vec<_>>(), [2]);
    assert!(ask(|request| request.filters.language = vec!["de".to_owned()]).await.hits.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_never_sees_anothers_documents() {
    let store = Store::start().await;
    store.add(Document::new(&org("acme"), "handbook", "en", HANDBOOK)).await;
    store.add(Document::new(&org("globex"), "handbook", "en", &["Globex books flights itself."])).await;
    for mode in [Mode::Hybrid, Mode::Dense, Mode::Sparse] {
        let request = SearchRequest { mode, ..SearchRequest::new("flights") };
        let response = store.search().search(&org("globex"), &request).await.unwrap();
        assert_eq!((response.total, response.hits[0].text.as_str()), (1, "Globex books flights itself."));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_two_versions_are_live_only_the_newer_is_shown() {
    let store = Store::start().await;
    let versions = [["Flights are booked by fax."], ["Flights are booked online."]];
    for (sequence, texts) in (1..).zip(&versions) {
        store.add(Document::version(&org("acme"), "policy", sequence, "en", texts)).await;
    }
    let response = store.search().search(&org("acme"), &SearchRequest::new("flights by fax")).await.unwrap();
    assert_eq!(response.hits.iter().map(|hit| hit.text.as_str()).collect::<Vec<_>>(), ["Flights are booked online."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_decide_where_the_model_cannot_read() {
    let store = Store::start().await;
    let texts = [
        "奈良の東大寺には大きな仏像がある。",
        "京都の金閣寺は金箔で覆われている。",
        "東京の浅草寺は最も古い寺である。",
    ];
    for (n, text) in texts.iter().enumerate() {
        store.add(Document::new(&org("acme"), &format!("ja-{n}"), "ja", &[text])).await;
    }
    store.add(Document::new(&org("acme"), "handbook", "en", HANDBOOK)).await;
    let mut request = SearchRequest::new("金閣寺の金箔");
    request.explain = true;
    let response = store.search().search(&org("acme"), &request).await.unwrap();
    assert_eq!(response.hits[0].asset_id.as_str(), "ja-1");
    let weights = response.hits.iter().filter_map(|hit| hit.explain.as_ref()?.dense).map(|dense| dense.weight);
    assert!(weights.into_iter().all(|weight| weight < 1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_model_words_are_enough_and_the_answer_says_so() {
    let store = Store::start().await;
    store.add(Document::new(&org("acme"), "handbook", "en", HANDBOOK)).await;
    let blind = Search::new(store.index.clone(), served(None), Vec::new(), Options::default());
    let response = blind.search(&org("acme"), &SearchRequest::new("cafeteria")).await.unwrap();
    assert_eq!(
        (response.degraded.as_slice(), response.hits[0].ordinal),
        (["dense_unavailable".to_owned()].as_slice(), 1)
    );
    let request = SearchRequest { mode: Mode::Dense, ..SearchRequest::new("cafeteria") };
    let refused = blind.search(&org("acme"), &request).await.unwrap_err();
    assert!(matches!(&refused, SearchError::ModelAway { .. }) && refused.status() == 503);
    let long = "cafeteria opening hours ".repeat(100);
    let response = store.search().search(&org("acme"), &SearchRequest::new(&long)).await.unwrap();
    assert_eq!((response.degraded.as_slice(), response.hits[0].ordinal), (["query_too_long".to_owned()].as_slice(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_answered_over_nats_for_the_organization_of_the_subject() {
    let store = Store::start().await;
    store.add(Document::new(&org("acme"), "handbook", "en", HANDBOOK)).await;
    let nats = NatsServer::start();
    let bus = Bus::connect(&nats.url(), heimdex_bus::Options::default()).await.unwrap();
    let shutdown = CancellationToken::new();
    let service = {
        let (bus, search, shutdown) = (bus.clone(), Arc::new(store.search()), shutdown.clone());
        tokio::spawn(async move { serve(&bus, search, shutdown).await })
    };
    let ask = |org: &'static str, body: &'static str| {
        let requests = bus.requests();
        async move {
            let subject = format!("heimdex.v1.search.{org}");
            loop {
                let answer = requests.request(&subject, &[], Bytes::from(body), Duration::from_secs(20)).await;
                if !matches!(answer, Err(RequestError::NobodyServes(_))) {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        }
    };
    let answer = ask("acme", r#"{"query":"when does the cafeteria open"}"#).await.unwrap();
    let response: SearchResponse = serde_json::from_slice(&answer).unwrap();
    assert_eq!((response.hits[0].asset_id.as_str(), response.hits[0].ordinal), ("handbook", 1));
    let other: SearchResponse =
        serde_json::from_slice(&ask("globex", r#"{"query":"cafeteria"}"#).await.unwrap()).unwrap();
    assert!(other.hits.is_empty());
    let Err(RequestError::Service(refused)) = ask("acme", r#"{"query":"x","limit":1000}"#).await else { panic!() };
    assert_eq!(refused.code, 400);
    assert!(refused.message.starts_with("limit: "), "{}", refused.message);
    assert_eq!(refused.details, serde_json::json!({"code": "invalid", "field": "limit"}));
    let Err(RequestError::Service(unknown)) = ask("acme", r#"{"query":"x","min_seq":1}"#).await else { panic!() };
    assert!(unknown.code == 400 && unknown.message.starts_with("min_seq: "), "nobody follows receipts: {unknown}");
    shutdown.cancel();
    service.await.unwrap().unwrap();
}

fn receipt(asset: &str) -> Receipt {
    let org = org("acme");
    Receipt {
        upload: UploadId::new(&org, "/cms", &format!("{asset}-1")),
        org,
        asset_id: Some(asset.parse().unwrap()),
        state: ReceiptState::Indexed,
        version: 0,
        order: Order::by_uploader(1),
        model: Some(embedder().model().name().parse().unwrap()),
        chunks: 1,
        pages: 1,
        format: None,
        language: None,
        warnings: Vec::new(),
        missing: Vec::new(),
        failures: Vec::new(),
        reused: 0,
        truncated_tokens: 0,
        removed: 0,
        stages: Vec::new(),
        superseded_by: None,
        accepted_at: DateTime::UNIX_EPOCH,
        completed_at: DateTime::UNIX_EPOCH,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_waits_for_the_receipt_it_names_or_says_not_yet() {
    let store = Store::start().await;
    let nats = NatsServer::start();
    let bus = Bus::connect(&nats.url(), heimdex_bus::Options::default()).await.unwrap();
    bus.ensure().await.unwrap();
    let search = Arc::new(store.search().following(bus.receipts().clock().await.unwrap()));
    let publish =
        async |asset: &str| bus.publisher().publish(StageName::Writer, &receipt(asset), None).await.unwrap().sequence;
    let first = publish("other").await;
    let request = |min_seq, deadline_ms| SearchRequest {
        min_seq: Some(min_seq),
        deadline_ms: Some(deadline_ms),
        ..SearchRequest::new("cafeteria")
    };
    let early = search.search(&org("acme"), &request(first + 1, 100)).await.unwrap_err();
    assert!(matches!(early, SearchError::NotYet { min_seq, sequence, waited_ms: 100 } if min_seq == sequence + 1));
    assert_eq!((early.status(), early.details()["code"].as_str()), (503, Some("not_yet")));
    // Asked before the document is there; answered when its receipt is.
    let asked = tokio::spawn({
        let (search, request) = (Arc::clone(&search), request(first + 1, 30_000));
        async move { search.search(&org("acme"), &request).await }
    });
    store.add(Document::new(&org("acme"), "handbook", "en", HANDBOOK)).await;
    assert!(!asked.is_finished(), "it did not wait");
    assert_eq!(publish("handbook").await, first + 1);
    let response = asked.await.unwrap().unwrap();
    assert_eq!(response.hits[0].asset_id.as_str(), "handbook");
    // What has been seen is not waited for.
    assert!(search.search(&org("acme"), &request(first, 5_000)).await.is_ok());
}
