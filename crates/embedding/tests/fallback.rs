//! `auto` where the OpenVINO library cannot be loaded, in a process of its own because the CPU library takes its place.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use heimdex_embedding::catalogue::{ALL_MINILM_L6_V2, find};
use heimdex_embedding::{Embedder, Error, Libraries, Options, Precision, Provider};
use heimdex_provision::Quiet;

#[test]
fn a_library_that_cannot_be_loaded_gives_way_to_the_plain_one() {
    let broken = tempfile::NamedTempFile::new().unwrap();
    let mut libraries = Libraries::ensure(Provider::Cpu, &Quiet).unwrap();
    libraries.openvino = Some(broken.path().to_path_buf());
    let options = Options { libraries, ..Options::new(find(ALL_MINILM_L6_V2).unwrap().ensure(&Quiet).unwrap()) };
    let by_name = Options { provider: Provider::Openvino, ..options.clone() };
    let error = Embedder::open(by_name).err().unwrap();
    assert!(matches!(error, Error::ProviderUnavailable { provider: "openvino", .. }), "{error}");
    let embedder = Embedder::open(options).unwrap();
    assert_eq!(embedder.numerics().provider, "cpu");
    assert!(embedder.cosine().unwrap() >= Precision::Fp32.bar());
}
