//! The stage with the real model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use std::sync::OnceLock;

use heimdex_embedder::EmbedderStage;
use heimdex_embedding::catalogue::{ALL_MINILM_L6_V2, find};
use heimdex_embedding::{Embedder, Libraries, Options, Provider};
use heimdex_lexical::Bm25;
use heimdex_provision::Quiet;
use heimdex_schemas::{Chunk, ChunksCreated, DocumentFacts, Event, Outcome, PointId, StageName, Vectors};
use heimdex_stage::{Class, Classify};
use heimdex_testkit::{StageHarness, harness};

fn embedder() -> &'static Embedder {
    static EMBEDDER: OnceLock<Embedder> = OnceLock::new();
    EMBEDDER.get_or_init(|| {
        let libraries = Libraries::ensure(Provider::Cpu, &Quiet).unwrap();
        let options = Options::new(find(ALL_MINILM_L6_V2).unwrap().ensure(&Quiet).unwrap());
        Embedder::open(Options { provider: Provider::Cpu, libraries, ..options }).unwrap()
    })
}

fn stage() -> StageHarness<EmbedderStage> {
    let name = embedder().model().name().parse().unwrap();
    StageHarness::new(EmbedderStage::new([(name, embedder().clone())], Bm25::default()))
}

fn part(texts: &[&str]) -> ChunksCreated {
    let mut lineage = harness::lineage("asset", 1);
    lineage.model = embedder().model().name().parse().unwrap();
    let chunk = |(ordinal, text): (u32, &&str)| Chunk {
        ordinal,
        text: (*text).to_owned(),
        tokens: 1,
        pages: vec![1],
        page_starts: vec![0],
        span: [0, text.chars().count() as u64],
        content_hash: "00".to_owned(),
        ..Chunk::default()
    };
    let chunks: Vec<Chunk> = (10..).zip(texts).map(chunk).collect();
    let (language, count) = (Some("en".to_owned()), u32::try_from(chunks.len()).unwrap());
    let document = DocumentFacts { format: "txt".to_owned(), language, pages: 1, chunks: count, warnings: Vec::new() };
    ChunksCreated { lineage, document, part: 1, parts: 3, chunks }
}

async fn embedded(input: ChunksCreated) -> Vectors {
    let outputs = stage().handle(input.clone()).await.unwrap();
    assert_eq!(outputs.len(), 1, "one output for a part");
    assert_eq!((outputs[0].part, outputs[0].parts, &outputs[0].lineage), (1, 3, &input.lineage));
    assert_eq!(outputs[0].msg_id(StageName::Embedder), input.msg_id(StageName::Embedder));
    match outputs.into_iter().next().unwrap().outcome {
        Outcome::Embedded(vectors) => vectors,
        Outcome::Failed(failure) => panic!("{failure:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_chunk_gets_both_vectors_and_its_point_id() {
    let input = part(&["Flights are booked through the travel desk.", "東大寺"]);
    let vectors = embedded(input.clone()).await;
    assert_eq!((vectors.dimension, vectors.space.as_str()), (384, embedder().space().id()));
    assert!(vectors.missing.is_empty() && !vectors.numerics.is_empty());
    for (embedded, chunk) in vectors.chunks.iter().zip(&input.chunks) {
        assert_eq!(&embedded.chunk, chunk);
        assert_eq!(embedded.point_id, PointId::new(input.lineage.upload, &vectors.space, chunk.ordinal));
        let norm: f32 = embedded.dense.iter().map(|x| x * x).sum();
        assert!((norm - 1.0).abs() < 1e-3);
        let sparse = Bm25::default().document(&chunk.text);
        assert_eq!((&embedded.sparse.indices, &embedded.sparse.values), (&sparse.indices, &sparse.values));
    }
    assert_eq!(embedded(input).await, vectors, "a redelivery gives the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_beyond_the_window_is_missing_and_its_neighbours_are_not() {
    let long = "too many words ".repeat(200);
    let vectors = embedded(part(&["before", &long, "between", &long, "after"])).await;
    assert_eq!(vectors.chunks.iter().map(|chunk| chunk.chunk.ordinal).collect::<Vec<_>>(), [10, 12, 14]);
    let missing: Vec<(u32, &str)> = vectors.missing.iter().map(|chunk| (chunk.ordinal, chunk.code.as_str())).collect();
    assert_eq!(missing, [(11, "too_long"), (13, "too_long")], "exactly the bad ones");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_without_chunks_passes() {
    let vectors = embedded(part(&[])).await;
    assert!(vectors.chunks.is_empty() && vectors.missing.is_empty());
    assert_eq!(vectors.dimension, 384);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_served_is_named() {
    let mut input = part(&["text"]);
    input.lineage.model = "other-model".parse().unwrap();
    let refused = stage().handle(input).await.unwrap_err();
    assert_eq!((refused.class(), refused.code()), (Class::Permanent, "unknown_model"));
    assert!(refused.to_string().contains("other-model"));
}
