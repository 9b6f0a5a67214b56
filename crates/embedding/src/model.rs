//! A model as a folder (`model.toml`, ONNX file, `tokenizer.json`, reference vectors), the space its vectors live in,
//! and the numerics they were computed with.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{error::Error, reference::Reference, tokenizer::Tokenizer};

/// The description of a model folder.
pub const MANIFEST: &str = "model.toml";
/// The tokenizer of a model folder.
pub const TOKENIZER: &str = "tokenizer.json";
/// The reference vectors of a model folder, where some are known.
pub const REFERENCE: &str = "reference.json";

/// How token states become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean over all real tokens, special tokens included.
    Mean,
    /// The state of the first token.
    Cls,
}

/// What `model.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What people call the model, e.g. `all-minilm-l6-v2`.
    pub name: String,
    /// SHA-256 of the weights it was imported from, lower-case hex.
    pub revision: String,
    /// SHA-256 of its `tokenizer.json`, lower-case hex.
    pub tokenizer: String,
    /// Length of its vectors.
    pub dimension: usize,
    /// How token states become one vector.
    pub pooling: Pooling,
    /// Whether vectors are scaled to length 1.
    pub normalize: bool,
    /// Its window in tokens, special tokens included.
    pub max_tokens: usize,
    /// Put before each query.
    #[serde(default)]
    pub query_prefix: String,
    /// Put before each document.
    #[serde(default)]
    pub document_prefix: String,
    /// Languages it was trained on (ISO 639-1); query weights follow it.
    #[serde(default)]
    pub languages: Vec<String>,
    /// SPDX identifier.
    #[serde(default)]
    pub license: String,
    /// Where the weights come from, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// ONNX files by precision.
    pub onnx: OnnxFiles,
}

/// The ONNX files of a model, relative to its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxFiles {
    /// The 32-bit export, also the source of bf16 (which the provider rounds to itself).
    pub fp32: String,
    /// The 16-bit export, for GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fp16: Option<String>,
}

/// A model folder that was read and makes sense.
#[derive(Clone, Debug)]
pub struct Model {
    dir: PathBuf,
    manifest: Manifest,
    space: Space,
}

impl Model {
    /// Reads the manifest in `dir`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`].
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        let path = dir.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let manifest: Manifest = toml::from_str(&text).map_err(Error::model(&path))?;
        check(&manifest).map_err(Error::model(&path))?;
        Ok(Self { space: Space::of(&manifest), dir, manifest })
    }

    /// What `model.toml` says.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// Length of its vectors.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.manifest.dimension
    }

    /// The space its vectors live in.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The 32-bit ONNX file.
    #[must_use]
    pub fn onnx_fp32(&self) -> PathBuf {
        self.dir.join(&self.manifest.onnx.fp32)
    }

    /// The 16-bit ONNX file, if it was exported.
    #[must_use]
    pub fn onnx_fp16(&self) -> Option<PathBuf> {
        self.manifest.onnx.fp16.as_ref().map(|name| self.dir.join(name))
    }

    /// Bytes of its folder on disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn bytes_on_disk(&self) -> Result<u64, Error> {
        let entries = fs::read_dir(&self.dir).map_err(Error::io(&self.dir))?;
        let sizes = entries.map(|entry| entry.and_then(|entry| entry.metadata()).map(|meta| meta.len()));
        sizes.sum::<Result<u64, _>>().map_err(Error::io(&self.dir))
    }

    /// Loads its tokenizer.
    ///
    /// # Errors
    /// [`Error::Tokenizer`].
    pub fn tokenizer(&self) -> Result<Tokenizer, Error> {
        Tokenizer::from_file(self.dir.join(TOKENIZER), self.manifest.max_tokens)
    }

    /// Writes reference vectors beside the model, by one rename.
    pub(crate) fn write_reference(&self, reference: &Reference) -> Result<(), Error> {
        let path = self.dir.join(REFERENCE);
        let partial = path.with_extension("partial");
        let text = serde_json::to_string(reference).map_err(Error::model(&path))?;
        fs::write(&partial, text).map_err(Error::io(&partial))?;
        fs::rename(&partial, &path).map_err(Error::io(&path))
    }

    /// Its reference vectors, if some are known.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Model`] when they are there but unreadable.
    pub fn reference(&self) -> Result<Option<Reference>, Error> {
        let path = self.dir.join(REFERENCE);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        Reference::parse(&text).map(Some).map_err(Error::model(&path))
    }
}

fn check(manifest: &Manifest) -> Result<(), &'static str> {
    match manifest {
        Manifest { dimension: 0, .. } => Err("dimension is 0"),
        Manifest { max_tokens, .. } if *max_tokens < 8 => Err("max_tokens is below 8"),
        Manifest { name, .. } if name.is_empty() => Err("name is empty"),
        _ => Ok(()),
    }
}

/// Identity of a vector space: vectors of two spaces are never compared.
///
/// A hash over all that decides where a text lands: weights, tokenizer, pooling, normalization, prefixes and window;
/// not over how it is computed, which is [`Numerics`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Space(String);

/// Hex digits kept of the space's hash: 64 bits, for a handful of spaces in one installation.
const SPACE_DIGITS: usize = 16;

impl Space {
    /// The space of the model that `manifest` describes.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let mut digest = Sha256::new();
        let max_tokens = manifest.max_tokens.to_string();
        let parts = [
            manifest.revision.as_str(),
            &manifest.tokenizer,
            match manifest.pooling {
                Pooling::Mean => "mean",
                Pooling::Cls => "cls",
            },
            if manifest.normalize { "l2" } else { "raw" },
            &manifest.query_prefix,
            &manifest.document_prefix,
            &max_tokens,
        ];
        for part in parts {
            // The length first, so that no two lists of parts run together.
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let mut id = hex(&digest.finalize());
        id.truncate(SPACE_DIGITS);
        Self(id)
    }

    /// 16 lower-case hex digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a vector was computed; recorded in each point.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Numerics {
    /// Execution provider, e.g. `openvino`.
    pub provider: String,
    /// Arithmetic, e.g. `bf16`.
    pub precision: String,
    /// Runtime library, e.g. `onnxruntime-1.24.1`.
    pub library: String,
}

impl fmt::Display for Numerics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.provider, self.precision, self.library)
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            name: "m".into(),
            revision: "aa".into(),
            tokenizer: "bb".into(),
            dimension: 384,
            pooling: Pooling::Mean,
            normalize: true,
            max_tokens: 256,
            query_prefix: String::new(),
            document_prefix: String::new(),
            languages: vec!["en".into()],
            license: "Apache-2.0".into(),
            source: String::new(),
            onnx: OnnxFiles { fp32: "model.onnx".into(), fp16: None },
        }
    }

    #[test]
    fn a_space_follows_what_moves_vectors_and_nothing_else() {
        let base = Space::of(&manifest());
        let changed = |change: fn(&mut Manifest)| {
            let mut other = manifest();
            change(&mut other);
            Space::of(&other) != base
        };
        assert!(changed(|m| m.revision = "ab".into()));
        assert!(changed(|m| m.tokenizer = "bc".into()));
        assert!(changed(|m| m.pooling = Pooling::Cls));
        assert!(changed(|m| m.normalize = false));
        assert!(changed(|m| m.max_tokens = 128));
        assert!(changed(|m| m.query_prefix = "query: ".into()));
        assert!(changed(|m| m.document_prefix = "query: ".into()));
        assert!(!changed(|m| m.name = "other".into()));
        assert!(!changed(|m| m.license = "MIT".into()));
    }

    #[test]
    fn prefixes_do_not_run_together() {
        let with = |query: &str, document: &str| {
            let mut m = manifest();
            m.query_prefix = query.into();
            m.document_prefix = document.into();
            Space::of(&m)
        };
        assert_ne!(with("ab", "c"), with("a", "bc"));
    }

    #[test]
    fn manifests_round_trip_and_reject_what_they_do_not_know() {
        let text = toml::to_string(&manifest()).unwrap();
        assert_eq!(toml::from_str::<Manifest>(&text).unwrap(), manifest());
        assert!(toml::from_str::<Manifest>(&format!("typo = 1\n{text}")).is_err());
    }
}
