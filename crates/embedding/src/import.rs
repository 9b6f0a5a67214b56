//! Turns a sentence-transformers folder into a model folder: export, tokenizer, manifest, reference vectors.
//!
//! A model folder appears by one rename, under a lock, so a reader never meets half of one and two processes that need
//! it at once export it once.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use heimdex_provision::{self as provision, File, Progress};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    error::Error,
    export::{BertConfig, EXPORT_VERSION, Weights, export_bert},
    model::{MANIFEST, Manifest, OnnxFiles, Pooling, REFERENCE, TOKENIZER, hex},
    reference::Reference,
};

/// The weights in a sentence-transformers folder.
const WEIGHTS: &str = "model.safetensors";
/// The exported graph in a model folder.
const ONNX: &str = "model.onnx";

/// What a sentence-transformers folder does not say about itself.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The model's name in Heimdex.
    pub name: String,
    /// Put before each query.
    pub query_prefix: String,
    /// Put before each document.
    pub document_prefix: String,
    /// Languages it was trained on (ISO 639-1).
    pub languages: Vec<String>,
    /// SPDX identifier.
    pub license: String,
}

/// Name of the model used when none is asked for.
pub const DEFAULT_MODEL: &str = "all-minilm-l6-v2";

/// The folder of the default model, downloaded and imported into the cache when it is not there yet.
///
/// # Errors
/// [`Error::Model`] with what went wrong in getting it, or as [`import`].
pub fn default_model(progress: &dyn Progress) -> Result<PathBuf, Error> {
    let source = provision::ensure(File::ModelMinilm, progress).map_err(Error::model(DEFAULT_MODEL))?;
    let cache = provision::cache_dir().map_err(Error::model(DEFAULT_MODEL))?;
    let into = default_folder(&cache, &source)?;
    let details = Details {
        name: DEFAULT_MODEL.to_owned(),
        languages: vec!["en".to_owned()],
        license: "Apache-2.0".to_owned(),
        ..Details::default()
    };
    import(&source, &into, &details)?;
    Ok(into)
}

/// The folder of the default model if it can be used without a download or an export.
#[must_use]
pub fn located_default_model() -> Option<PathBuf> {
    let source = provision::locate(File::ModelMinilm)?;
    let into = default_folder(&provision::cache_dir().ok()?, &source).ok()?;
    into.join(MANIFEST).is_file().then_some(into)
}

/// Other weights at the same place, or another version of the export, get another folder.
fn default_folder(cache: &Path, source: &Path) -> Result<PathBuf, Error> {
    let weights = source.join(WEIGHTS);
    let meta = fs::metadata(&weights).map_err(Error::io(&weights))?;
    let stamp = (weights, meta.len(), meta.modified().ok(), EXPORT_VERSION);
    let mut id = hex(&Sha256::digest(format!("{stamp:?}")));
    id.truncate(8);
    Ok(cache.join("models").join(format!("{DEFAULT_MODEL}-{id}")))
}

/// Imports the sentence-transformers folder `source` as the model folder `into`; nothing happens if that exists.
///
/// # Errors
/// [`Error::Model`] when `source` is not a BERT-family sentence-transformers folder, [`Error::Io`].
pub fn import(source: &Path, into: &Path, details: &Details) -> Result<(), Error> {
    if into.join(MANIFEST).is_file() {
        return Ok(());
    }
    let _held = lock(into)?;
    if into.join(MANIFEST).is_file() {
        return Ok(());
    }
    tracing::info!(model = details.name, source = %source.display(), "importing");
    let partial = into.with_extension("partial");
    remove_tree(&partial)?;
    fs::create_dir_all(&partial).map_err(Error::io(&partial))?;
    write_model(source, &partial, details)?;
    remove_tree(into)?;
    fs::rename(&partial, into).map_err(Error::io(into))
}

/// Exclusive among processes while the returned file is open.
fn lock(into: &Path) -> Result<fs::File, Error> {
    let path = into.with_extension("lock");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true);
    let file = options.open(&path).map_err(Error::io(&path))?;
    file.lock().map_err(Error::io(&path))?;
    Ok(file)
}

fn remove_tree(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

fn write_model(source: &Path, into: &Path, details: &Details) -> Result<(), Error> {
    let config: BertConfig = read_json(&source.join("config.json"))?;
    config.check().map_err(Error::model(source))?;
    let weights = source.join(WEIGHTS);
    let bytes = fs::read(&weights).map_err(Error::io(&weights))?;
    let revision = hex(&Sha256::digest(&bytes));
    let onnx = export_bert(&config, &Weights::parse(&bytes, &weights)?)?;
    write(&into.join(ONNX), &onnx)?;
    let tokenizer = source.join(TOKENIZER);
    let tokenizer = fs::read(&tokenizer).map_err(Error::io(&tokenizer))?;
    write(&into.join(TOKENIZER), &tokenizer)?;
    if let Some(reference) = Reference::built_in(&revision) {
        write(&into.join(REFERENCE), reference.as_bytes())?;
    }
    let layout = Layout::read(source)?;
    let manifest = Manifest {
        name: details.name.clone(),
        revision,
        tokenizer: hex(&Sha256::digest(&tokenizer)),
        dimension: config.hidden_size,
        pooling: layout.pooling,
        normalize: layout.normalize,
        max_tokens: layout.window(&config),
        query_prefix: details.query_prefix.clone(),
        document_prefix: details.document_prefix.clone(),
        languages: details.languages.clone(),
        license: details.license.clone(),
        onnx: OnnxFiles { fp32: ONNX.to_owned() },
    };
    let text = toml::to_string(&manifest).map_err(Error::model(into))?;
    write(&into.join(MANIFEST), text.as_bytes())
}

/// Synced before the folder is renamed into place, so that a power cut leaves no empty file behind a manifest.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(Error::io(path))?;
    let file = fs::File::open(path).map_err(Error::io(path))?;
    file.sync_all().map_err(Error::io(path))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(Error::model(path))
}

/// What the modules of a sentence-transformers folder do after the encoder.
#[derive(Debug)]
struct Layout {
    pooling: Pooling,
    normalize: bool,
    max_seq_length: Option<usize>,
}

/// One entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// `1_Pooling/config.json`.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct PoolingConfig {
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
}

/// `sentence_bert_config.json`.
#[derive(Deserialize)]
struct WindowConfig {
    max_seq_length: Option<usize>,
}

impl Layout {
    fn read(source: &Path) -> Result<Self, Error> {
        let path = source.join("modules.json");
        let modules: Vec<Module> = read_json(&path)?;
        let mut layout = Self { pooling: Pooling::Mean, normalize: false, max_seq_length: window_config(source)? };
        for module in &modules {
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                "Pooling" => layout.pooling = pooling(&source.join(&module.path))?,
                "Normalize" => layout.normalize = true,
                other => return Err(Error::model(&path)(format!("module {other} is not known"))),
            }
        }
        Ok(layout)
    }

    /// The window: what the folder says, within what the position table holds.
    fn window(&self, config: &BertConfig) -> usize {
        let limit = config.max_position_embeddings;
        self.max_seq_length.unwrap_or(limit).min(limit)
    }
}

fn window_config(source: &Path) -> Result<Option<usize>, Error> {
    let path = source.join("sentence_bert_config.json");
    if !path.is_file() {
        return Ok(None);
    }
    Ok(read_json::<WindowConfig>(&path)?.max_seq_length)
}

fn pooling(folder: &Path) -> Result<Pooling, Error> {
    let path = folder.join("config.json");
    let config: PoolingConfig = read_json(&path)?;
    if config.pooling_mode_max_tokens || config.pooling_mode_mean_sqrt_len_tokens {
        return Err(Error::model(&path)("pooling is neither mean nor cls"));
    }
    match (config.pooling_mode_mean_tokens, config.pooling_mode_cls_token) {
        (true, false) => Ok(Pooling::Mean),
        (false, true) => Ok(Pooling::Cls),
        _ => Err(Error::model(&path)("pooling is neither mean nor cls")),
    }
}
