//! The index against a real store: schema, tenancy, states, counts, legs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod store;

use chrono::DateTime;
use heimdex_index::{
    Candidate, Index, IndexError, LegsQuery, Narrow, Options, OrgScoped, Space, State, StoredUpload, Version,
};
use heimdex_schemas::{Chunk, DocumentFacts, EmbeddedChunk, Lane, Lineage, Order, PointId, Sparse, UploadId, Vectors};
use tokio::net::TcpListener;

use store::Store;

impl Store {
    /// Pages and batches of two, so that every test passes their ends.
    async fn start() -> Self {
        Self::open(Options { upsert_batch: 2, scroll_page: 2, listing_page: 2, ..Options::default() }).await
    }

    async fn org(&self, org: &str) -> OrgScoped {
        self.index.collection(&space(4)).await.unwrap().scoped(&org.parse().unwrap())
    }
}

fn space(dimension: u32) -> Space {
    Space { model: "tiny".parse().unwrap(), id: "0011223344556677".to_owned(), dimension }
}

fn lineage(org: &str, asset: &str, sequence: u64) -> Lineage {
    let org = org.parse().unwrap();
    Lineage {
        upload: UploadId::new(&org, "/cms", &format!("{asset}-{sequence}")),
        asset_id: asset.parse().unwrap(),
        order: Order::by_uploader(sequence),
        position: Order::by_stream(1, sequence),
        lane: Lane::Interactive,
        model: "tiny".parse().unwrap(),
        replay: 0,
        accepted_at: DateTime::UNIX_EPOCH,
        title: Some("Title".to_owned()),
        source: None,
        traceparent: None,
        trail: Vec::new(),
        org,
    }
}

fn facts(chunks: u32) -> DocumentFacts {
    DocumentFacts { format: "txt".to_owned(), language: Some("en".to_owned()), pages: 1, chunks, warnings: Vec::new() }
}

fn part(lineage: &Lineage, chunks: u32) -> Vectors {
    let space = space(4).id;
    let chunk = |ordinal: u32| EmbeddedChunk {
        point_id: PointId::new(lineage.upload, &space, ordinal),
        chunk: Chunk {
            ordinal,
            text: format!("chunk {ordinal}"),
            tokens: 2,
            pages: vec![ordinal + 1],
            page_starts: vec![0],
            span: [0, 7],
            heading_path: vec!["Heading".to_owned()],
            content_hash: format!("{ordinal:02}"),
            ..Chunk::default()
        },
        dense: vec![1.0, ordinal as f32, 0.0, 0.0],
        sparse: Sparse { indices: vec![7, 100 + ordinal], values: vec![1.0, 2.0] },
    };
    Vectors {
        chunks: (0..chunks).map(chunk).collect(),
        space: space.clone(),
        dimension: 4,
        numerics: "cpu/fp32/test".to_owned(),
        missing: Vec::new(),
        reused: 0,
    }
}

async fn publish(points: &OrgScoped, lineage: &Lineage, chunks: u32) {
    points.upsert_staged(lineage, &facts(chunks), &part(lineage, chunks)).await.unwrap();
    points.make_live(lineage.upload).await.unwrap();
}

fn query() -> LegsQuery {
    LegsQuery {
        dense: Some(vec![1.0, 0.0, 0.0, 0.0]),
        sparse: Some(Sparse { indices: vec![7], values: vec![1.0] }),
        narrow: Narrow::default(),
        depth: 10,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_is_found_only_while_it_is_live() {
    let store = Store::start().await;
    let (points, lineage) = (store.org("acme").await, lineage("acme", "a", 1));
    assert_eq!(points.upsert_staged(&lineage, &facts(5), &part(&lineage, 5)).await.unwrap(), 5);
    assert_eq!(points.count(lineage.upload, State::Staged).await.unwrap(), 5);
    let before = points.legs(query()).await.unwrap();
    assert_eq!((before.dense.unwrap().len(), before.sparse.unwrap().len()), (0, 0));

    points.make_live(lineage.upload).await.unwrap();
    let legs = points.legs(query()).await.unwrap();
    let dense = legs.dense.unwrap();
    assert_eq!((dense.len(), legs.sparse.unwrap().len()), (5, 5));
    let Candidate { id, score, asset_id, version, language } = dense.first().unwrap().clone();
    assert_eq!(id, PointId::new(lineage.upload, &space(4).id, 0));
    assert!((score - 1.0).abs() < 1e-3);
    assert_eq!((asset_id.as_str(), language.as_deref()), ("a", Some("en")));
    assert_eq!(version, Version { upload: lineage.upload, order: lineage.order });
    let found = points.live(&[id]).await.unwrap();
    assert_eq!(found[0].document.heading_path, ["Heading"]);
    assert_eq!((found[0].document.total, found[0].document.pages.as_slice()), (5, [1].as_slice()));

    points.retire(lineage.upload).await.unwrap();
    assert!(points.live(&[id]).await.unwrap().is_empty());
    assert_eq!(points.count(lineage.upload, State::Dead).await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_duplicate_takes_no_live_point_out_of_search() {
    let store = Store::start().await;
    let (points, lineage) = (store.org("acme").await, lineage("acme", "a", 1));
    publish(&points, &lineage, 3).await;
    points.upsert_staged(&lineage, &facts(5), &part(&lineage, 5)).await.unwrap();
    assert_eq!(points.count(lineage.upload, State::Live).await.unwrap(), 3);
    assert_eq!(points.count(lineage.upload, State::Staged).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_uploads_retire_and_newer_ones_do_not() {
    let store = Store::start().await;
    let points = store.org("acme").await;
    let uploads = [1, 2, 3].map(|sequence| lineage("acme", "a", sequence));
    let other = lineage("acme", "b", 1);
    for lineage in uploads.iter().chain([&other]) {
        publish(&points, lineage, 2).await;
    }
    let newest = Version { upload: uploads[1].upload, order: uploads[1].order };
    points.retire_older(&uploads[1].asset_id, newest).await.unwrap();
    let mut live = Vec::new();
    for lineage in uploads.iter().chain([&other]) {
        live.push(points.count(lineage.upload, State::Live).await.unwrap());
    }
    assert_eq!(live, [0, 2, 2, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_retired_can_come_back_and_what_is_staged_does_not() {
    let store = Store::start().await;
    let (points, lineage) = (store.org("acme").await, lineage("acme", "a", 1));
    publish(&points, &lineage, 3).await;
    points.retire(lineage.upload).await.unwrap();
    points.upsert_staged(&lineage, &facts(5), &part(&lineage, 5)).await.unwrap();
    points.revive(lineage.upload).await.unwrap();
    assert_eq!(points.count(lineage.upload, State::Live).await.unwrap(), 3);
    assert_eq!(points.count(lineage.upload, State::Staged).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_listed_exactly_and_removed_for_good() {
    let store = Store::start().await;
    let (points, globex) = (store.org("acme").await, store.org("globex").await);
    let [old, new] = [1, 2].map(|sequence| lineage("acme", "a", sequence));
    let (other, foreign) = (lineage("acme", "b", 3), lineage("globex", "a", 4));
    for lineage in [&old, &new, &other] {
        publish(&points, lineage, 3).await;
    }
    publish(&globex, &foreign, 2).await;
    points.retire(old.upload).await.unwrap();
    let listed = |found: Vec<StoredUpload>| {
        let mut found: Vec<_> =
            found.into_iter().map(|stored| (stored.position, stored.upload, stored.points)).collect();
        found.sort();
        found
    };
    let expected = [&old, &new, &other].map(|lineage| (lineage.position, lineage.upload, 3));
    assert_eq!(listed(points.uploads(None).await.unwrap()), expected);
    assert_eq!(listed(points.uploads(Some(&old.asset_id)).await.unwrap()), expected[..2]);

    points.remove(&[old.upload, foreign.upload]).await.unwrap();
    points.remove(&[old.upload]).await.unwrap();
    assert_eq!(listed(points.uploads(None).await.unwrap()), expected[1..]);
    assert_eq!(points.count_all(State::Dead).await.unwrap(), 0);
    assert_eq!(globex.count_all(State::Live).await.unwrap(), 2, "another organization's upload stays");
    points.remove(&[new.upload, other.upload]).await.unwrap();
    assert!(points.uploads(None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_known_by_the_hash_of_their_text() {
    let store = Store::start().await;
    let (points, lineage) = (store.org("acme").await, lineage("acme", "a", 1));
    publish(&points, &lineage, 5).await;
    let hashes = ["01", "04", "99"].map(str::to_owned).to_vec();
    let known = points.known(lineage.upload, hashes.clone()).await.unwrap();
    let mut found: Vec<&str> = known.values().map(|chunk| chunk.text.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["chunk 1", "chunk 4"]);
    assert_eq!(known["01"].numerics, "cpu/fp32/test");
    assert!((known["01"].dense[0] - 0.5_f32.sqrt()).abs() < 1e-6, "cosine collections keep unit vectors");
    assert!(store.org("globex").await.known(lineage.upload, hashes).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spaces_of_a_server_are_those_of_our_collections() {
    let store = Store::start().await;
    assert!(store.index.spaces().await.unwrap().is_empty());
    let other = Space { model: "a-larger-one".parse().unwrap(), id: "aa00".to_owned(), dimension: 8 };
    for space in [space(4), other.clone()] {
        store.index.collection(&space).await.unwrap();
    }
    assert_eq!(store.index.spaces().await.unwrap(), [other, space(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_neither_sees_nor_changes_anothers_points() {
    let store = Store::start().await;
    let (acme, globex) = (store.org("acme").await, store.org("globex").await);
    let lineage = lineage("acme", "a", 1);
    publish(&acme, &lineage, 2).await;
    let id = PointId::new(lineage.upload, &space(4).id, 0);

    let legs = globex.legs(query()).await.unwrap();
    assert!(legs.dense.unwrap().is_empty() && legs.sparse.unwrap().is_empty());
    assert!(globex.live(&[id]).await.unwrap().is_empty());
    globex.retire(lineage.upload).await.unwrap();
    let newest = Version { upload: lineage.upload, order: Order::by_uploader(9) };
    globex.retire_older(&lineage.asset_id, newest).await.unwrap();
    let foreign = globex.upsert_staged(&lineage, &facts(2), &part(&lineage, 2)).await;
    assert!(matches!(foreign, Err(IndexError::Foreign { .. })));
    assert_eq!(acme.count(lineage.upload, State::Live).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_can_be_narrowed() {
    let store = Store::start().await;
    let points = store.org("acme").await;
    for asset in ["a", "b"] {
        publish(&points, &lineage("acme", asset, 1), 3).await;
    }
    let found = |narrow: Narrow| {
        let points = points.clone();
        async move { points.legs(LegsQuery { narrow, ..query() }).await.unwrap().dense.unwrap().len() }
    };
    assert_eq!(found(Narrow::default()).await, 6);
    assert_eq!(found(Narrow { asset_ids: vec!["b".parse().unwrap()], ..Narrow::default() }).await, 3);
    assert_eq!(found(Narrow { pages: vec![2, 3], ..Narrow::default() }).await, 4);
    assert_eq!(found(Narrow { languages: vec!["de".to_owned()], ..Narrow::default() }).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_and_ids_that_do_not_belong_are_refused() {
    let store = Store::start().await;
    let (points, lineage) = (store.org("acme").await, lineage("acme", "a", 1));
    let refused = |change: fn(&mut EmbeddedChunk)| {
        let (points, lineage) = (points.clone(), lineage.clone());
        async move {
            let mut part = part(&lineage, 1);
            part.chunks.iter_mut().for_each(change);
            points.upsert_staged(&lineage, &facts(1), &part).await.unwrap_err()
        }
    };
    assert!(matches!(refused(|chunk| chunk.dense = vec![1.0]).await, IndexError::Vector { .. }));
    assert!(matches!(refused(|chunk| chunk.dense[0] = f32::NAN).await, IndexError::Vector { .. }));
    assert!(matches!(refused(|chunk| chunk.sparse.indices = vec![9, 9]).await, IndexError::Vector { .. }));
    assert!(matches!(refused(|chunk| chunk.chunk.ordinal = 5).await, IndexError::PointId { .. }));
    assert_eq!(points.count_all(State::Staged).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_of_another_size_is_refused_by_name_and_many_may_create_at_once() {
    let store = Store::start().await;
    let creations = (0..4).map(|_| {
        let index = store.index.clone();
        tokio::spawn(async move { index.collection(&space(4)).await.map(|_| ()) })
    });
    for creation in creations.collect::<Vec<_>>() {
        creation.await.unwrap().unwrap();
    }
    let other = store.index.collection(&space(8)).await.err().unwrap();
    let IndexError::Mismatch { differences, .. } = other else { panic!("{other}") };
    assert_eq!(differences, ["the dense size is 4, wanted is 8"]);
}

#[tokio::test]
async fn a_server_that_is_away_is_transient() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let index = Index::connect(&url, Options::default()).unwrap();
    assert!(index.ready().await.unwrap_err().is_transient());
    assert!(index.collection(&space(4)).await.err().unwrap().is_transient());
}
