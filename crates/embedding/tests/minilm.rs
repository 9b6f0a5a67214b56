//! The real model on the real runtime (both downloaded by the test when they are missing): tokens, export, CPU provider,
//! batcher and reference vectors together.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::OnceLock;

use heimdex_embedding::catalogue::{ALL_MINILM_L6_V2, find};
use heimdex_embedding::{
    Embedder, Error, Kind, Lane, Libraries, Model, Options, Precision, Provider, Tokenizer, bench, import,
    reference::cosine,
};
use heimdex_provision::{File, Quiet};

fn options(provider: Provider) -> Options {
    Options {
        provider,
        libraries: Libraries::ensure(provider, &Quiet).unwrap(),
        ..Options::new(find(ALL_MINILM_L6_V2).unwrap().ensure(&Quiet).unwrap())
    }
}

/// One per process: a second library could not be loaded.
fn embedder() -> &'static Embedder {
    static EMBEDDER: OnceLock<Embedder> = OnceLock::new();
    EMBEDDER.get_or_init(|| Embedder::open(options(Provider::Cpu)).unwrap())
}

fn tokenizer() -> Tokenizer {
    let model = Model::open(find(ALL_MINILM_L6_V2).unwrap().ensure(&Quiet).unwrap()).unwrap();
    model.tokenizer().unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn reference_vectors_come_out_through_the_batcher() {
    let embedder = embedder();
    assert!(embedder.cosine().unwrap() >= Precision::Fp32.bar());
    let reference = embedder.model().reference().unwrap().unwrap();
    let rows = reference.vectors.iter().map(|v| v.token_ids.clone()).collect();
    let vectors = block_on(embedder.batcher().embed(rows, Lane::Bulk));
    for (stored, vector) in reference.vectors.iter().zip(vectors) {
        let cosine = cosine(&stored.embedding, &vector.unwrap());
        assert!(cosine >= 0.99999, "{}: {cosine}", stored.text);
    }
}

#[test]
fn texts_give_the_reference_tokens_and_those_too_long_are_refused() {
    let embedder = embedder();
    let reference = embedder.model().reference().unwrap().unwrap();
    let mut refused = 0;
    for stored in &reference.vectors {
        match embedder.encode(&stored.text, Kind::Document) {
            Ok(ids) => assert_eq!(ids, stored.token_ids, "{}", stored.text),
            Err(Error::TooLong { limit: 256, tokens }) if tokens > 256 => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused <= 1, "only the long text was cut when the reference was made");
}

#[test]
fn one_text_too_long_does_not_fail_the_others() {
    let texts = ["short".to_owned(), "word ".repeat(300), "also short".to_owned()];
    let vectors = block_on(embedder().embed(&texts, Lane::Interactive, Kind::Document));
    assert_eq!(vectors[0].as_ref().unwrap().len(), 384);
    assert!(matches!(vectors[1], Err(Error::TooLong { tokens: 302, limit: 256 })));
    assert!(vectors[2].is_ok());
}

#[test]
fn nearness_means_what_it_should() {
    let query = block_on(embedder().embed_query("How long is the warranty?")).unwrap();
    let texts = ["The guarantee covers two years.", "Bake the bread for an hour."];
    let vectors = block_on(embedder().embed(&texts, Lane::Interactive, Kind::Document));
    let near = cosine(&query, vectors[0].as_ref().unwrap());
    let far = cosine(&query, vectors[1].as_ref().unwrap());
    assert!(near > far + 0.2, "{near} {far}");
}

#[test]
fn the_bench_reports_what_ran() {
    let texts = vec!["The quick brown fox jumps over the lazy dog."; 40];
    let report = block_on(bench::run(embedder(), &texts)).unwrap();
    assert_eq!((report.provider.as_str(), report.precision.as_str()), ("cpu", "fp32"));
    assert!(report.tokens_per_s > report.sequences_per_s * 11.9);
    assert!(report.cosine_min.unwrap() >= 0.99999);
}

#[test]
fn a_second_library_is_refused_by_name() {
    embedder();
    let other = tempfile::NamedTempFile::new().unwrap();
    let mut options = options(Provider::Cpu);
    options.libraries.openvino = Some(other.path().to_path_buf());
    options.provider = Provider::Openvino;
    let error = Embedder::open(options).err().unwrap();
    assert!(matches!(error, Error::OtherLibraryLoaded { .. }), "{error}");
}

#[test]
fn cuda_without_its_library_says_so() {
    let mut options = options(Provider::Cpu);
    options.provider = Provider::Cuda;
    options.libraries.cuda = None;
    let error = Embedder::open(options).err().unwrap();
    assert!(matches!(error, Error::ProviderUnavailable { provider: "cuda", .. }), "{error}");
}

#[test]
fn offsets_cut_the_text_where_the_tokens_are() {
    let tokenizer = tokenizer();
    let text = "Größe: naïve café — 合同自签署之日起生效。";
    let tokens = tokenizer.tokenize(text).unwrap();
    assert_eq!(tokens.ids.len(), tokens.offsets.len());
    let ascending = tokens.offsets.windows(2).all(|pair| pair[0].0 <= pair[1].0);
    assert!(ascending);
    let words: Vec<&str> = tokens.offsets.iter().map(|(start, end)| &text[*start..*end]).collect();
    assert_eq!(words.concat(), text.replace(' ', ""));
    assert!(words.contains(&"合"));
}

#[test]
fn tokens_are_never_truncated_or_padded() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.special_tokens(), 2);
    assert_eq!(tokenizer.max_tokens(), 256);
    assert_eq!(tokenizer.count(&"word ".repeat(5000)).unwrap(), 5000);
    assert_eq!(tokenizer.encode("word").unwrap().len(), 3);
    assert!(tokenizer.tokenize("").unwrap().is_empty());
    let batch = tokenizer.encode_batch(&["word", &"word ".repeat(255)]);
    assert!(batch[0].is_ok());
    assert!(matches!(batch[1], Err(Error::TooLong { tokens: 257, .. })));
}

#[test]
fn a_folder_that_is_no_bert_model_is_refused_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let source = heimdex_provision::ensure(File::ModelMinilm, &Quiet).unwrap();
    let config = std::fs::read_to_string(source.join("config.json")).unwrap();
    let copy = folder.path().join("source");
    std::fs::create_dir(&copy).unwrap();
    let config = config.replace("\"model_type\": \"bert\"", "\"model_type\": \"t5\"");
    std::fs::write(copy.join("config.json"), config).unwrap();
    let into = folder.path().join("model");
    let error = import::import(&copy, &into, &import::Details::default()).unwrap_err();
    assert!(error.to_string().contains("t5"), "{error}");
    assert!(!into.exists());
}

#[test]
fn two_that_import_at_once_get_one_whole_model() {
    let folder = tempfile::tempdir().unwrap();
    let source = heimdex_provision::ensure(File::ModelMinilm, &Quiet).unwrap();
    let into = folder.path().join("model");
    let details = import::Details { name: "again".into(), ..import::Details::default() };
    std::thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| import::import(&source, &into, &details))).collect();
        both.into_iter().for_each(|one| one.join().unwrap().unwrap());
    });
    let model = Model::open(&into).unwrap();
    assert_eq!(model.name(), "again");
    assert_eq!(model.space(), embedder().space(), "the name is no part of the space");
    assert!(model.onnx_fp32().is_file());
}
