//! Turns a sentence-transformers folder, or a container of 4-bit blocks, into a model folder: export, tokenizer,
//! manifest, reference vectors.
//!
//! A model folder appears by one rename, under a lock, so a reader never meets half of one and two processes that need
//! it at once export it once.

mod container;
mod layout;
mod unigram;

use std::{
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use self::layout::Layout;
use crate::{
    error::{Error, Unsupported},
    export::{EncoderConfig, Float, Weights, export},
    model::{MANIFEST, Manifest, OnnxFiles, REFERENCE, TOKENIZER, hex},
    reference::Reference,
};

/// The description of the encoder in a sentence-transformers folder, and of a module below it.
const CONFIG: &str = "config.json";
/// The weights in a sentence-transformers folder.
const WEIGHTS: &str = "model.safetensors";
/// The exported graph in a model folder.
const ONNX: &str = "model.onnx";
/// The exported graph of 16-bit floats.
const ONNX_FP16: &str = "model.fp16.onnx";
/// What a container is unpacked to inside the model folder while that is made.
const UNPACKED: &str = "unpacked";

/// What a sentence-transformers folder does not say about itself.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The model's name in Heimdex.
    pub name: String,
    /// Put before each query; empty: what the folder says.
    pub query_prefix: String,
    /// Put before each document; empty: what the folder says.
    pub document_prefix: String,
    /// Languages it was trained on (ISO 639-1).
    pub languages: Vec<String>,
    /// SPDX identifier.
    pub license: String,
    /// Where the weights come from, for people.
    pub source: String,
    /// Whether a graph of 16-bit floats is exported too, for GPUs.
    pub fp16: bool,
}

/// Imports the sentence-transformers folder `source` as the model folder `into`; nothing happens if that exists.
///
/// # Errors
/// [`Error::Unsupported`] with what of the model is not known here; [`Error::Model`] when the folder contradicts
/// itself; [`Error::Io`].
pub fn import(source: &Path, into: &Path, details: &Details) -> Result<(), Error> {
    install(into, details, |partial| {
        // Before the weights are read: what the folder is decides what it must hold.
        read_config(source)?;
        let revision = file_digest(&source.join(WEIGHTS)).map_err(|error| without_weights(source, error))?;
        write_model(source, partial, details, revision)
    })
}

/// As [`import`], from a container of 4-bit blocks (see [`container`]). Its digest is the revision, so that the space
/// does not depend on how it is unpacked.
///
/// # Errors
/// As [`import`].
pub(crate) fn import_container(file: &Path, into: &Path, details: &Details) -> Result<(), Error> {
    install(into, details, |partial| {
        let unpacked = partial.join(UNPACKED);
        container::unpack(file, &unpacked)?;
        write_model(&unpacked, partial, details, file_digest(file)?)?;
        remove_tree(&unpacked)
    })
}

/// Has `write` fill a folder that then becomes `into`, unless that is there.
fn install(into: &Path, details: &Details, write: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    if into.join(MANIFEST).is_file() {
        return Ok(());
    }
    let _held = lock(into)?;
    if into.join(MANIFEST).is_file() {
        return Ok(());
    }
    tracing::info!(model = details.name, into = %into.display(), "importing");
    let partial = into.with_extension("partial");
    remove_tree(&partial)?;
    fs::create_dir_all(&partial).map_err(Error::io(&partial))?;
    write(&partial)?;
    remove_tree(into)?;
    fs::rename(&partial, into).map_err(Error::io(into))
}

/// A folder with weights of another kind says so.
fn without_weights(source: &Path, error: Error) -> Error {
    let others = ["model.safetensors.index.json", "pytorch_model.bin", "tf_model.h5"];
    match others.into_iter().find(|name| source.join(name).is_file()) {
        Some(name) => Unsupported::Weights(format!("{name} instead of one {WEIGHTS}")).at(source),
        None => error,
    }
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

fn write_model(source: &Path, into: &Path, details: &Details, revision: String) -> Result<(), Error> {
    let config = read_config(source)?;
    let layout = Layout::read(source)?;
    let onnx = write_graphs(&config, source, into, details.fp16)?;
    let tokenizer = source.join(TOKENIZER);
    if !tokenizer.is_file() {
        return Err(Unsupported::Tokenizer(format!("there is no {TOKENIZER}")).at(source));
    }
    let tokenizer = fs::read(&tokenizer).map_err(Error::io(&tokenizer))?;
    write(&into.join(TOKENIZER), &tokenizer)?;
    if let Some(reference) = Reference::built_in(&revision) {
        write(&into.join(REFERENCE), reference.as_bytes())?;
    }
    let given = |detail: &str, folder: &str| if detail.is_empty() { folder.to_owned() } else { detail.to_owned() };
    let manifest = Manifest {
        name: details.name.clone(),
        revision,
        tokenizer: hex(&Sha256::digest(&tokenizer)),
        dimension: config.hidden_size,
        pooling: layout.pooling,
        normalize: layout.normalize,
        max_tokens: layout.window(&config),
        query_prefix: given(&details.query_prefix, layout.query_prefix()),
        document_prefix: given(&details.document_prefix, layout.document_prefix()),
        languages: details.languages.clone(),
        license: details.license.clone(),
        source: details.source.clone(),
        onnx,
    };
    let text = toml::to_string(&manifest).map_err(Error::model(into))?;
    write(&into.join(MANIFEST), text.as_bytes())
}

fn read_config(source: &Path) -> Result<EncoderConfig, Error> {
    let path = source.join(CONFIG);
    let config: EncoderConfig = read_json(&path)?;
    config.check().map_err(|what| what.at(path))?;
    Ok(config)
}

fn write_graphs(config: &EncoderConfig, source: &Path, into: &Path, fp16: bool) -> Result<OnnxFiles, Error> {
    let path = source.join(WEIGHTS);
    let bytes = fs::read(&path).map_err(Error::io(&path))?;
    let weights = Weights::parse(&bytes, &path)?;
    write(&into.join(ONNX), &export(config, &weights, Float::F32)?)?;
    if fp16 {
        write(&into.join(ONNX_FP16), &export(config, &weights, Float::F16)?)?;
    }
    Ok(OnnxFiles { fp32: ONNX.to_owned(), fp16: fp16.then(|| ONNX_FP16.to_owned()) })
}

/// SHA-256 of a file, in lower-case hex.
fn file_digest(path: &Path) -> Result<String, Error> {
    let mut file = BufReader::new(fs::File::open(path).map_err(Error::io(path))?);
    let mut digest = Sha256::new();
    loop {
        let read = file.fill_buf().map_err(Error::io(path))?;
        if read.is_empty() {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(read);
        let length = read.len();
        file.consume(length);
    }
}

/// Synced before the folder is renamed into place, so that a power cut leaves no empty file behind a manifest.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(Error::io(path))?;
    let file = fs::File::open(path).map_err(Error::io(path))?;
    file.sync_all().map_err(Error::io(path))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    write(path, &serde_json::to_vec(value).map_err(Error::model(path))?)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(Error::model(path))
}
