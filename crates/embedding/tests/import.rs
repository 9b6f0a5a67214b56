//! Tiny random encoders of each architecture, imported and run, against an independent computation of the same numbers
//! (`reference/encoders.py golden`); and folders that are refused, each with its reason.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use heimdex_embedding::{
    Embedder, Error, Kind, Lane, Libraries, Model, Options, Precision, Provider, Unsupported,
    import::{Details, import},
    model::Pooling,
};
use heimdex_provision::Quiet;
use safetensors::{Dtype, tensor::TensorView};
use serde::Deserialize;
use serde_json::{Value, json};

const GOLDEN: &str = include_str!("golden/encoders.json");

/// One model and what it must give.
#[derive(Deserialize)]
struct Case {
    config: Value,
    pooling: String,
    normalize: bool,
    rows: Vec<Vec<u32>>,
    vectors: Vec<Vec<f32>>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(GOLDEN).unwrap()
}

/// The values of the tensor `name`: a 32-bit xorshift seeded by its name (FNV-1a), as in `encoders.py`.
fn values(name: &str, count: usize, scale: f32, offset: f32) -> Vec<f32> {
    let mut state =
        name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        ((state >> 8) as f32 / 8_388_608.0 - 1.0) * scale + offset
    };
    (0..count).map(|_| next()).collect()
}

fn shapes(config: &Value) -> Vec<(String, Vec<usize>)> {
    let number = |key: &str| config[key].as_u64().unwrap() as usize;
    let (hidden, inner) = (number("hidden_size"), number("intermediate_size"));
    let is_mpnet = config["model_type"] == "mpnet";
    let mut all = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![number("vocab_size"), hidden]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![number("max_position_embeddings"), hidden]),
        ("embeddings.LayerNorm.weight".to_owned(), vec![hidden]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![hidden]),
    ];
    let attention = if is_mpnet {
        let shape = vec![number("relative_attention_num_buckets"), number("num_attention_heads")];
        all.push(("encoder.relative_attention_bias.weight".to_owned(), shape));
        ["attn.q", "attn.k", "attn.v", "attn.o", "LayerNorm"]
    } else {
        all.push(("embeddings.token_type_embeddings.weight".to_owned(), vec![number("type_vocab_size"), hidden]));
        ["self.query", "self.key", "self.value", "output.dense", "output.LayerNorm"]
    };
    for layer in 0..number("num_hidden_layers") {
        let mut add = |name: &str, shape: &[usize]| {
            let name = format!("encoder.layer.{layer}.{name}");
            all.push((format!("{name}.weight"), shape.to_vec()));
            all.push((format!("{name}.bias"), shape[..1].to_vec()));
        };
        for (index, name) in attention.iter().enumerate() {
            let square = [hidden, hidden];
            add(&format!("attention.{name}"), if index == 4 { &square[..1] } else { &square });
        }
        add("intermediate.dense", &[inner, hidden]);
        add("output.dense", &[hidden, inner]);
        add("output.LayerNorm", &[hidden]);
    }
    all
}

/// A sentence-transformers folder as published ones look; `prefix` stands before the names of tensors.
fn write_folder(folder: &Path, case: &Case, prefix: &str) {
    let kind = case.config["model_type"].as_str().unwrap();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = shapes(&case.config)
        .into_iter()
        .map(|(name, shape)| {
            let (scale, offset) = if name.ends_with("LayerNorm.weight") { (0.1, 1.0) } else { (0.5, 0.0) };
            let values = values(&format!("{kind}.{name}"), shape.iter().product(), scale, offset);
            (format!("{prefix}{name}"), shape, values.into_iter().flat_map(f32::to_le_bytes).collect())
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
    std::fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let mut modules = vec![module("", "Transformer"), module("1_Pooling", "Pooling")];
    modules.extend(case.normalize.then(|| module("2_Normalize", "Normalize")));
    write(folder, "modules.json", &json!(modules));
    write(folder, "config.json", &case.config);
    let (is_mean, is_cls) = (case.pooling == "mean", case.pooling == "cls");
    let pooling = json!({"pooling_mode_mean_tokens": is_mean, "pooling_mode_cls_token": is_cls});
    write(folder, "1_Pooling/config.json", &pooling);
    write(folder, "tokenizer.json", &tokenizer());
}

fn module(path: &str, kind: &str) -> Value {
    json!({"idx": 0, "name": path, "path": path, "type": format!("sentence_transformers.models.{kind}")})
}

fn write(folder: &Path, name: &str, value: &Value) {
    std::fs::write(folder.join(name), value.to_string()).unwrap();
}

/// Words `w4` … `w39` between `<s>` and `</s>`.
fn tokenizer() -> Value {
    let mut vocabulary: serde_json::Map<String, Value> = (4..40).map(|id| (format!("w{id}"), json!(id))).collect();
    for (id, name) in ["<s>", "<pad>", "</s>", "<unk>"].into_iter().enumerate() {
        vocabulary.insert(name.to_owned(), json!(id));
    }
    let special = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    let named = |name: &str, id: u32| json!({"id": name, "ids": [id], "tokens": [name]});
    json!({
        "version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("<s>"), {"Sequence": {"id": "A", "type_id": 0}}, special("</s>")],
            "pair": [special("<s>"), {"Sequence": {"id": "A", "type_id": 0}}, special("</s>")],
            "special_tokens": {"<s>": named("<s>", 0), "</s>": named("</s>", 2)},
        },
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    })
}

fn details(name: &str) -> Details {
    Details { name: name.to_owned(), fp16: true, ..Details::default() }
}

fn open(folder: &Path) -> Embedder {
    let libraries = Libraries::ensure(Provider::Cpu, &Quiet).unwrap();
    let options = Options { provider: Provider::Cpu, precision: Precision::Fp32, libraries, ..Options::new(folder) };
    Embedder::open(options).unwrap()
}

fn vectors(folder: &Path, rows: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let vectors = runtime.block_on(open(folder).batcher().embed(rows.to_vec(), Lane::Bulk));
    vectors.into_iter().map(Result::unwrap).collect()
}

/// The largest difference of any two numbers at the same place.
fn largest_difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!(a.len(), b.len());
    let of_two = |(a, b): (&Vec<f32>, &Vec<f32>)| {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
    };
    a.iter().zip(b).map(of_two).fold(0.0, f32::max)
}

#[test]
fn every_architecture_gives_what_its_published_formulas_give() {
    let cases = cases();
    assert_eq!(cases.len(), 8, "four architectures, each with mean and cls");
    for (case, prefix) in cases.iter().zip(["", "bert.", "", "roberta.", "roberta.", "", "", "mpnet."]) {
        let kind = case.config["model_type"].as_str().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (source, into) = (folder.path().join("source"), folder.path().join("model"));
        write_folder(&source, case, prefix);
        import(&source, &into, &details(kind)).unwrap();
        let difference = largest_difference(&vectors(&into, &case.rows), &case.vectors);
        assert!(difference < 2e-5, "{kind} {}: {difference}", case.pooling);
        assert_eq!(Model::open(&into).unwrap().manifest().max_tokens, 64, "{kind}");
    }
}

#[test]
fn the_export_of_16_bit_floats_stays_near_the_one_of_32() {
    for case in cases().iter().filter(|case| case.pooling == "mean") {
        let folder = tempfile::tempdir().unwrap();
        let (source, into) = (folder.path().join("source"), folder.path().join("model"));
        write_folder(&source, case, "");
        import(&source, &into, &details("half")).unwrap();
        let model = Model::open(&into).unwrap();
        let half = model.onnx_fp16().unwrap();
        assert!(half.metadata().unwrap().len() < model.onnx_fp32().metadata().unwrap().len());
        std::fs::copy(half, model.onnx_fp32()).unwrap();
        let difference = largest_difference(&vectors(&into, &case.rows), &case.vectors);
        assert!((1e-7..5e-3).contains(&difference), "{}: {difference}", case.config["model_type"]);
    }
}

#[test]
fn prompts_window_and_pooling_come_from_the_folder_unless_given() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    write_folder(&source, &cases()[0], "");
    write(&source, "config_sentence_transformers.json", &json!({"prompts": {"query": "w4 ", "passage": "w5 "}}));
    write(&source, "sentence_bert_config.json", &json!({"max_seq_length": 16, "do_lower_case": false}));
    write(&source, "1_Pooling/config.json", &json!({"pooling_mode": "cls"}));
    let imported = |name: &str, details: &Details| {
        let into = folder.path().join(name);
        import(&source, &into, details).unwrap();
        Model::open(into).unwrap().manifest().clone()
    };
    let said = imported("said", &details("said"));
    assert_eq!((said.query_prefix.as_str(), said.document_prefix.as_str()), ("w4 ", "w5 "));
    assert_eq!((said.max_tokens, said.pooling, said.normalize), (16, Pooling::Cls, true));
    let given = imported("given", &Details { document_prefix: "w6 ".to_owned(), ..details("given") });
    assert_eq!((given.query_prefix.as_str(), given.document_prefix.as_str()), ("w4 ", "w6 "));
    let embedder = open(&folder.path().join("given"));
    assert_eq!(embedder.encode("w9", Kind::Document).unwrap(), [0, 6, 9, 2]);
    assert_eq!(embedder.encode("w9", Kind::Query).unwrap(), [0, 4, 9, 2]);
}

/// What is refused after `change` was made to a good folder.
fn refused(change: impl FnOnce(&Path)) -> Unsupported {
    let folder = tempfile::tempdir().unwrap();
    let (source, into) = (folder.path().join("source"), folder.path().join("model"));
    write_folder(&source, &cases()[0], "");
    change(&source);
    let error = import(&source, &into, &details("refused")).unwrap_err();
    assert!(!into.exists());
    match error {
        Error::Unsupported { what, .. } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let pooling = |value: Value| refused(move |folder| write(folder, "1_Pooling/config.json", &value));
    assert_eq!(pooling(json!({"pooling_mode_max_tokens": true})), Unsupported::Pooling("max".into()));
    let both = json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true});
    assert_eq!(pooling(both), Unsupported::Pooling("cls and mean".into()));
    assert_eq!(pooling(json!({"pooling_mode": "lasttoken"})), Unsupported::Pooling("lasttoken".into()));
    let without_prompt = json!({"pooling_mode_mean_tokens": true, "include_prompt": false});
    assert!(matches!(pooling(without_prompt), Unsupported::Pooling(_)));

    let modules = json!([module("", "Transformer"), module("1_Pooling", "Pooling"), module("2_Dense", "Dense")]);
    let dense = refused(|folder| write(folder, "modules.json", &modules));
    assert_eq!(dense, Unsupported::Module("Dense".into()));

    let lower = json!({"max_seq_length": 16, "do_lower_case": true});
    let lower = refused(|folder| write(folder, "sentence_bert_config.json", &lower));
    assert!(matches!(lower, Unsupported::Tokenizer(_)));
    let no_tokenizer = refused(|folder| std::fs::remove_file(folder.join("tokenizer.json")).unwrap());
    assert!(matches!(no_tokenizer, Unsupported::Tokenizer(_)));

    let pickled = refused(|folder| {
        std::fs::rename(folder.join("model.safetensors"), folder.join("pytorch_model.bin")).unwrap();
    });
    assert!(matches!(pickled, Unsupported::Weights(reason) if reason.contains("pytorch_model.bin")));
}

#[test]
fn a_folder_that_contradicts_itself_says_which_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let (source, into) = (folder.path().join("source"), folder.path().join("model"));
    let mut case = cases().remove(0);
    write_folder(&source, &case, "");
    case.config["num_hidden_layers"] = json!(3);
    write(&source, "config.json", &case.config);
    let error = import(&source, &into, &details("short")).unwrap_err();
    assert!(matches!(error, Error::Model { .. }) && error.to_string().contains("encoder.layer.2"), "{error}");
    assert!(!into.exists());
}
