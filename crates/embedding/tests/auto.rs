//! What `auto` chooses on this machine, in a process of its own because it loads the OpenVINO library where that is
//! chosen. Downloads what is missing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use heimdex_embedding::catalogue::{ALL_MINILM_L6_V2, find};
use heimdex_embedding::{
    Embedder, Error, Kind, Lane, Libraries, Options, Precision, Provider,
    model::{MANIFEST, REFERENCE, TOKENIZER},
    provider::has_bf16,
    reference::{Reference, cosine},
};
use heimdex_provision::Quiet;

fn options() -> Options {
    Options {
        libraries: Libraries::ensure(Provider::Auto, &Quiet).unwrap(),
        ..Options::new(find(ALL_MINILM_L6_V2).unwrap().ensure(&Quiet).unwrap())
    }
}

/// A copy of the default model in `into`, its weights linked.
fn copy_of_the_model(into: &Path) -> Options {
    let options = options();
    for name in [MANIFEST, TOKENIZER, REFERENCE] {
        fs::copy(options.model_dir.join(name), into.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(options.model_dir.join("model.onnx"), into.join("model.onnx")).unwrap();
    Options { model_dir: into.to_path_buf(), ..options }
}

#[tokio::test]
async fn it_takes_bf16_where_the_cpu_has_it_and_meets_the_bar() {
    let embedder = Embedder::open(options()).unwrap();
    let expected = match has_bf16() {
        true => ("openvino", "bf16"),
        false => ("cpu", "fp32"),
    };
    let numerics = embedder.numerics();
    assert_eq!((numerics.provider.as_str(), numerics.precision.as_str()), expected);
    assert!(embedder.cosine().unwrap() >= Precision::Bf16.bar());
    let reference = embedder.model().reference().unwrap().unwrap();
    let texts: Vec<_> = reference.vectors.iter().map(|v| &v.text).collect();
    let vectors = embedder.embed(&texts, Lane::Bulk, Kind::Document).await;
    for (stored, vector) in reference.vectors.iter().zip(vectors) {
        match vector {
            Ok(vector) => assert!(cosine(&stored.embedding, &vector) >= 0.9998, "{}", stored.text),
            Err(Error::TooLong { .. }) => assert_eq!(stored.token_ids.len(), 256),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_model_that_misses_its_reference_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = copy_of_the_model(folder.path());
    let path = folder.path().join(REFERENCE);
    let mut reference = Reference::parse(&fs::read_to_string(&path).unwrap()).unwrap();
    reference.vectors[0].embedding.reverse();
    fs::write(&path, serde_json::to_string(&reference).unwrap()).unwrap();
    let error = Embedder::open(options).err().unwrap();
    assert!(matches!(error, Error::ReferenceMismatch { .. }), "{error}");
}

#[tokio::test]
async fn without_reference_vectors_it_stays_in_32_bits_until_some_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let options = copy_of_the_model(folder.path());
    fs::remove_file(folder.path().join(REFERENCE)).unwrap();
    let embedder = Embedder::open(options.clone()).unwrap();
    assert_eq!(embedder.numerics().precision, "fp32");
    assert_eq!(embedder.cosine(), None);
    embedder.record_reference().await.unwrap();
    let again = Embedder::open(options).unwrap();
    assert!(again.cosine().unwrap() >= Precision::Bf16.bar());
    assert!(again.record_reference().await.is_err(), "recorded once");
    let (recorded, original) = (
        again.model().reference().unwrap().unwrap(),
        Embedder::open(self::options()).unwrap().model().reference().unwrap().unwrap(),
    );
    for vector in &recorded.vectors {
        let stored = original.vectors.iter().find(|v| v.text == vector.text).unwrap();
        assert!(cosine(&stored.embedding, &vector.embedding) >= 0.99999);
    }
}
