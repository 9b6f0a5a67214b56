//! A tiny container, written here, comes out as the folder it stands for; broken ones are refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use half::f16;

use super::*;
use crate::{
    export::{EncoderConfig, Float, Weights, export},
    import::{Details, import_container},
    model::{MANIFEST, Model, Pooling},
};

const HIDDEN: usize = 32;
const PIECES: [&str; 6] = ["<s>", "<pad>", "</s>", "<unk>", "▁a", "<mask>"];

/// Bytes of a container of one layer whose values are all `(5 − 8) · 0.5`, its tensors at the end.
fn container() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let number = |bytes: &mut Vec<u8>, value: i32| bytes.extend(value.to_le_bytes());
    number(&mut bytes, 1);
    for value in [HIDDEN as i32, 1, 2, 64, 6, 16, 2] {
        number(&mut bytes, value);
    }
    bytes.extend(1e-12_f32.to_le_bytes());
    for value in [32, 6, 0, 2, 1, 3] {
        number(&mut bytes, value);
    }
    let text = PIECES.concat();
    bytes.extend((text.len() as u64).to_le_bytes());
    let mut offset = 0;
    number(&mut bytes, 0);
    for piece in PIECES {
        offset += piece.len() as i32;
        number(&mut bytes, offset);
    }
    (0..6).for_each(|_| bytes.extend((-1.0_f32).to_le_bytes()));
    bytes.extend(text.as_bytes());
    number(&mut bytes, 1);
    number(&mut bytes, 5);
    bytes.extend([0x41, 0, 0, 0, 0]);
    directory(&mut bytes);
    bytes
}

fn directory(bytes: &mut Vec<u8>) {
    let header =
        Header { hidden: HIDDEN, layers: 1, heads: 2, inner: 64, vocabulary: 6, positions: 16, types: 2, epsilon: 0.0 };
    let tensors = header.tensors();
    let sizes = tensors.iter().map(|(name, _, _)| 2 + name.len() + 21).sum::<usize>();
    let mut offset = bytes.len() + 4 + sizes;
    let mut data = Vec::new();
    bytes.extend((tensors.len() as i32).to_le_bytes());
    for (name, _, shape) in &tensors {
        let elements: usize = shape.iter().product();
        let packed = shape.len() == 2 && !matches!(name.as_str(), "emb.pos" | "emb.type");
        let values = if packed { block().repeat(elements / BLOCK) } else { 0.25_f32.to_le_bytes().repeat(elements) };
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.push(u8::from(packed));
        bytes.extend((elements as u32).to_le_bytes());
        bytes.extend((offset as u64).to_le_bytes());
        bytes.extend((values.len() as u64).to_le_bytes());
        offset += values.len();
        data.extend(values);
    }
    bytes.extend(data);
}

fn block() -> Vec<u8> {
    [f16::from_f32(0.5).to_le_bytes().to_vec(), vec![0x55; 16]].concat()
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.bin");
    std::fs::write(&file, bytes).unwrap();
    (folder, file)
}

#[test]
fn it_comes_out_as_the_folder_it_stands_for() {
    let (folder, file) = written(&container());
    let into = folder.path().join("unpacked");
    unpack(&file, &into).unwrap();
    let config = std::fs::read_to_string(into.join(CONFIG)).unwrap();
    let config: EncoderConfig = serde_json::from_str(&config).unwrap();
    config.check().unwrap();
    let bytes = std::fs::read(into.join(WEIGHTS)).unwrap();
    let weights = Weights::parse(&bytes, &into).unwrap();
    let words = weights.floats(WORD_TABLE, &[6, HIDDEN]).unwrap();
    assert!(words.iter().all(|value| *value == -1.5));
    let blocks = weights.blocks(WORD_TABLE, 6, HIDDEN).unwrap().unwrap();
    assert_eq!((blocks.nibbles.len(), blocks.scales.len()), (6 * 16, 6 * 2));
    assert!(weights.blocks("embeddings.position_embeddings.weight", 16, HIDDEN).unwrap().is_none());
    let (packed, half) =
        (export(&config, &weights, Float::F32).unwrap(), export(&config, &weights, Float::F16).unwrap());
    assert!(packed.len() > half.len());
    let tokenizer: tokenizers::Tokenizer = std::fs::read_to_string(into.join(TOKENIZER)).unwrap().parse().unwrap();
    assert_eq!(tokenizer.encode("a", true).unwrap().get_ids(), [0, 4, 2]);
}

#[test]
fn its_model_folder_names_the_container_as_its_revision() {
    let (folder, file) = written(&container());
    let into = folder.path().join("model");
    let details = Details { name: "tiny".into(), source: "made here".into(), fp16: true, ..Details::default() };
    import_container(&file, &into, &details).unwrap();
    let model = Model::open(&into).unwrap();
    let manifest = model.manifest();
    assert_eq!(manifest.revision, crate::import::file_digest(&file).unwrap());
    assert_eq!((manifest.pooling, manifest.normalize, manifest.max_tokens), (Pooling::Mean, true, 16));
    assert_eq!(manifest.source, "made here");
    assert!(model.onnx_fp32().is_file() && model.onnx_fp16().unwrap().is_file());
    assert!(!into.join(crate::import::UNPACKED).exists());
    assert!(into.join(MANIFEST).is_file());
}

/// What of `bytes` is read and taken apart.
fn taken_apart(bytes: &[u8]) -> Result<Vec<u8>, String> {
    Container::read(bytes).and_then(|container| container.weights())
}

#[test]
fn every_cut_is_refused_without_a_panic() {
    let whole = container();
    for end in (0..whole.len()).step_by(7) {
        taken_apart(&whole[..end]).unwrap_err();
    }
    taken_apart(&whole).unwrap();
}

#[test]
fn wild_numbers_are_refused_without_a_panic() {
    let whole = container();
    let mut refused = 0;
    for at in 4..whole.len().min(600) {
        let mut bytes = whole.clone();
        let end = (at + 4).min(bytes.len());
        bytes[at..end].fill(0x7F);
        // Some of these numbers are only values, such as a score.
        refused += usize::from(taken_apart(&bytes).is_err());
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn another_file_is_refused_by_name_and_nothing_is_written() {
    let mut other = container();
    other[0] = b'X';
    let (folder, file) = written(&other);
    let into = folder.path().join("unpacked");
    let error = unpack(&file, &into).unwrap_err();
    assert!(matches!(&error, Error::Model { .. }) && error.to_string().contains("E5S1"), "{error}");
    assert!(!into.exists());
}
