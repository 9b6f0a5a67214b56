//! Vectors of unchanged chunks are kept, with the real model and a real store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "../../../crates/index/tests/store/mod.rs"]
mod store;

use std::sync::Arc;

use heimdex_embedder::EmbedderStage;
use heimdex_embedding::catalogue::{ALL_MINILM_L6_V2, find};
use heimdex_embedding::{Embedder, Libraries, Options, Provider};
use heimdex_index::{Index, Options as IndexOptions, Space};
use heimdex_lexical::Bm25;
use heimdex_provision::Quiet;
use heimdex_schemas::{Chunk, ChunksCreated, DocumentFacts, Outcome, Vectors};
use heimdex_stage::{Head, head};
use heimdex_testkit::{StageHarness, harness};
use tokio::net::TcpListener;

use store::Store;

const TEXTS: [&str; 4] = [
    "Flights are booked through the travel desk.",
    "東大寺の大仏は奈良にあります。",
    "Le rapport annuel paraît en mars.",
    "Every receipt is kept for ten years.",
];

/// A store that ends with the test, and the embedder in front of it.
struct Scene {
    embedder: Embedder,
    store: Store,
    stage: StageHarness<EmbedderStage>,
}

impl Scene {
    async fn start() -> Self {
        let store = Store::open(IndexOptions::default()).await;
        let libraries = Libraries::ensure(Provider::Cpu, &Quiet).unwrap();
        let options = Options::new(find(ALL_MINILM_L6_V2).unwrap().ensure(&Quiet).unwrap());
        let embedder = Embedder::open(Options { provider: Provider::Cpu, libraries, ..options }).unwrap();
        let name = embedder.model().name().parse().unwrap();
        let stage =
            EmbedderStage::new([(name, embedder.clone())], Bm25::default()).keeping(Arc::new(store.index.clone()));
        Self { embedder, store, stage: StageHarness::new(stage) }
    }

    fn part(&self, sequence: u64, texts: &[&str]) -> ChunksCreated {
        let mut lineage = harness::lineage("asset", sequence);
        lineage.model = self.embedder.model().name().parse().unwrap();
        let chunk = |(ordinal, text): (u32, &&str)| Chunk {
            ordinal,
            text: (*text).to_owned(),
            tokens: 1,
            pages: vec![1],
            page_starts: vec![0],
            span: [0, 1],
            content_hash: format!("hash of {}", text.trim().to_lowercase()),
            ..Chunk::default()
        };
        let chunks: Vec<Chunk> = (0..).zip(texts).map(chunk).collect();
        let count = u32::try_from(chunks.len()).unwrap();
        let document =
            DocumentFacts { format: "txt".to_owned(), language: None, pages: 1, chunks: count, warnings: Vec::new() };
        ChunksCreated { lineage, document, part: 0, parts: 1, chunks }
    }

    async fn embed(&mut self, part: &ChunksCreated) -> Vectors {
        let output = self.stage.handle(part.clone()).await.unwrap().remove(0);
        match output.outcome {
            Outcome::Embedded(vectors) => vectors,
            Outcome::Failed(failure) => panic!("{failure:?}"),
        }
    }

    /// What the writer does with a complete upload.
    async fn publish(&self, part: &ChunksCreated, vectors: &Vectors) {
        let lineage = &part.lineage;
        let space = Space { model: lineage.model.clone(), id: vectors.space.clone(), dimension: vectors.dimension };
        let points = self.store.index.collection(&space).await.unwrap().scoped(&lineage.org);
        points.upsert_staged(lineage, &part.document, vectors).await.unwrap();
        points.make_live(lineage.upload).await.unwrap();
        let head = Head {
            upload: lineage.upload,
            order: lineage.order,
            position: lineage.position,
            space: space.id,
            dimension: space.dimension,
        };
        let key = head::key(&lineage.org, &lineage.model, &lineage.asset_id);
        let value = serde_json::to_vec(&head).unwrap();
        assert!(self.stage.ledger.create(&key, value.into()).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_embedded_anew() {
    let mut scene = Scene::start().await;
    let first = scene.part(1, &TEXTS);
    let before = scene.embed(&first).await;
    assert_eq!(before.reused, 0, "nothing was there before");
    scene.publish(&first, &before).await;
    assert_eq!(scene.embed(&first).await.reused, 0, "an upload keeps nothing of its own");

    let changed = [TEXTS[3], "Flights are booked by everyone alone.", TEXTS[1], &format!(" {}", TEXTS[2])];
    let second = scene.part(2, &changed);
    let after = scene.embed(&second).await;
    assert_eq!(after.reused, 2, "a text with the same hash that is not the same is embedded");
    for (now, then) in [(0, 3), (2, 1)] {
        let bits = |vectors: &Vectors, n: usize| -> Vec<u32> {
            vectors.chunks[n].dense.iter().map(|number| number.to_bits()).collect()
        };
        assert_eq!(bits(&after, now), bits(&before, then), "the vector of {:?}", changed[now]);
        assert_eq!(after.chunks[now].sparse, before.chunks[then].sparse);
    }
    assert_eq!(after.chunks.iter().map(|chunk| chunk.chunk.ordinal).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_ne!(after.chunks[1].dense, before.chunks[0].dense);
    assert!(after.missing.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_index_everything_is_embedded() {
    let mut scene = Scene::start().await;
    let first = scene.part(1, &TEXTS);
    let before = scene.embed(&first).await;
    scene.publish(&first, &before).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let away = Index::connect(&url, IndexOptions::default()).unwrap();
    let name = scene.embedder.model().name().parse().unwrap();
    scene.stage.stage = EmbedderStage::new([(name, scene.embedder.clone())], Bm25::default()).keeping(Arc::new(away));
    let second = scene.part(2, &TEXTS);
    let after = scene.embed(&second).await;
    assert_eq!((after.reused, after.chunks.len()), (0, 4));
}
