//! multilingual-e5-small as it is provided (downloaded by the test when it is missing): its container, tokenizer, packed
//! word table and reference vectors together, and that it finds across languages.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::OnceLock;

use heimdex_embedding::{
    Embedder, Kind, Lane, Libraries, Model, Options, Precision, Provider, Tokenizer, catalogue, reference::cosine,
};
use heimdex_provision::Quiet;

fn folder() -> std::path::PathBuf {
    catalogue::find(catalogue::MULTILINGUAL_E5_SMALL).unwrap().ensure(&Quiet).unwrap()
}

fn embedder() -> &'static Embedder {
    static EMBEDDER: OnceLock<Embedder> = OnceLock::new();
    EMBEDDER.get_or_init(|| {
        let libraries = Libraries::ensure(Provider::Cpu, &Quiet).unwrap();
        let provider = Provider::Cpu;
        Embedder::open(Options { provider, libraries, sessions: Some(1), ..Options::new(folder()) }).unwrap()
    })
}

fn tokenizer() -> Tokenizer {
    Model::open(folder()).unwrap().tokenizer().unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn its_vectors_are_those_of_the_dequantized_weights() {
    let cosine = embedder().cosine().unwrap();
    assert!(cosine >= Precision::Fp32.bar(), "{cosine}");
}

#[test]
fn its_tokens_are_those_of_the_sentencepiece_library() {
    let reference = Model::open(folder()).unwrap().reference().unwrap().unwrap();
    assert_eq!(reference.vectors.len(), 18);
    for stored in reference.vectors {
        let ids = embedder().encode(&stored.text, Kind::Document).unwrap();
        assert_eq!(ids, stored.token_ids, "{}", stored.text);
    }
}

#[test]
fn its_manifest_says_what_it_is() {
    let model = Model::open(folder()).unwrap();
    let manifest = model.manifest();
    assert_eq!((manifest.dimension, manifest.max_tokens, manifest.license.as_str()), (384, 512, "MIT"));
    assert_eq!((manifest.query_prefix.as_str(), manifest.document_prefix.as_str()), ("query: ", "passage: "));
    for language in ["en", "es", "fr", "de", "zh", "ja"] {
        assert!(manifest.languages.iter().any(|known| known == language), "{language}");
    }
    assert!(model.bytes_on_disk().unwrap() < 160_000_000, "the word table stays in 4-bit blocks");
    assert_eq!(catalogue::find(model.name()).unwrap().locate().as_deref(), Some(model.dir()));
}

#[test]
fn offsets_are_the_places_of_tokens_in_every_language() {
    let tokenizer = tokenizer();
    for text in [
        "Der Vertrag läuft am 31. Dezember aus.",
        "¿Cuánto cuesta el envío a Canarias?",
        "La facture est payable sous trente jours : « net ».",
        "合同自签署之日起生效。保修期为两年。",
        "この製品の保証期間は１年間です。～以上～",
        "a  b\n\n\tc e\u{301} ﬁn",
    ] {
        let tokens = tokenizer.tokenize(text).unwrap();
        assert_eq!(tokens.ids.len(), tokens.offsets.len());
        assert!(!tokens.ids.contains(&3), "an unknown token in {text}");
        for (start, end) in &tokens.offsets {
            assert!(text.get(*start..*end).is_some(), "{text}: {start}..{end}");
        }
        assert!(tokens.offsets.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{text}");
        assert_eq!(tokens.offsets.last().unwrap().1, text.len(), "{text}");
    }
}

#[test]
fn it_finds_the_answer_in_another_language() {
    let documents = [
        "Die Garantie gilt zwei Jahre ab dem Kaufdatum.",
        "この商品の送料は無料です。",
        "El pan se hornea durante una hora.",
        "合同可以提前三十天书面通知终止。",
    ];
    let vectors = block_on(embedder().embed(&documents, Lane::Interactive, Kind::Document));
    let vectors: Vec<Vec<f32>> = vectors.into_iter().map(Result::unwrap).collect();
    for (query, expected) in [
        ("How long is the warranty?", 0),
        ("Combien coûte la livraison ?", 1),
        ("パンを焼く時間", 2),
        ("¿Cómo se rescinde el contrato?", 3),
    ] {
        let query_vector = block_on(embedder().embed_query(query)).unwrap();
        let scores: Vec<f32> = vectors.iter().map(|vector| cosine(&query_vector, vector)).collect();
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
        assert_eq!(best, expected, "{query}: {scores:?}");
    }
}
