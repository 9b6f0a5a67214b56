//! Chunks, and chunks with vectors.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DocumentFacts, Failure, Lineage};
use crate::ids::PointId;

/// One batch of a document's chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChunksCreated {
    pub lineage: Lineage,
    pub document: DocumentFacts,
    /// From 0.
    pub part: u32,
    pub parts: u32,
    pub chunks: Vec<Chunk>,
}

/// A piece of text that fits the model's window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chunk {
    /// Position in the document, from 0.
    pub ordinal: u32,
    /// Stands before `text` when it is embedded, outside the span: the header rows of a table that was split, and the
    /// headings when they are embedded. Mostly empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    pub text: String,
    /// Tokens of [`Chunk::input`] by the model's tokenizer, without its special tokens.
    pub tokens: u32,
    /// The pages the chunk touches, ascending.
    pub pages: Vec<u32>,
    /// The character of `text` at which each of `pages` begins; the first is 0.
    #[serde(default)]
    pub page_starts: Vec<u32>,
    /// Characters (Unicode scalar values) in the document's text, half open.
    pub span: [u64; 2],
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heading_path: Vec<String>,
    /// ISO 639-1, where it differs from the document's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The first and the last ordinal of the chunks of the same section: the context around a hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<[u32; 2]>,
    /// Lower-case hexadecimal SHA-256 of the normalized [`Chunk::input`].
    pub content_hash: String,
}

impl Chunk {
    /// What is embedded: the prefix on lines of its own, then the text.
    #[must_use]
    pub fn input(&self) -> Cow<'_, str> {
        if self.prefix.is_empty() {
            Cow::Borrowed(&self.text)
        } else {
            Cow::Owned([&self.prefix, "\n", &self.text].concat())
        }
    }
}

/// One part, embedded or given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChunksEmbedded {
    pub lineage: Lineage,
    /// `None` when the upload failed before anyone knew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentFacts>,
    pub part: u32,
    pub parts: u32,
    pub outcome: Outcome,
}

/// What became of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Embedded(Vectors),
    /// A dead letter stands for the part: the upload ends failed, or degraded when other parts made it.
    Failed(Failure),
}

/// The vectors of a part, all of one space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Vectors {
    /// Vectors of two spaces are never compared.
    pub space: String,
    pub dimension: u32,
    /// Provider, precision and library that computed them.
    pub numerics: String,
    pub chunks: Vec<EmbeddedChunk>,
    /// Chunks that could not be embedded, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingChunk>,
    /// How many of `chunks` kept the vector of an unchanged chunk of an earlier upload.
    #[serde(default)]
    pub reused: u32,
}

/// A chunk and its vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EmbeddedChunk {
    pub point_id: PointId,
    pub chunk: Chunk,
    /// Little-endian f32, base64 in JSON.
    #[serde(with = "base64_f32")]
    #[schemars(with = "String")]
    pub dense: Vec<f32>,
    pub sparse: Sparse,
}

/// A BM25 vector: ascending term hashes and their weights, little-endian and base64 in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sparse {
    #[serde(with = "base64_u32")]
    #[schemars(with = "String")]
    pub indices: Vec<u32>,
    #[serde(with = "base64_f32")]
    #[schemars(with = "String")]
    pub values: Vec<f32>,
}

/// A chunk without vectors, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingChunk {
    pub ordinal: u32,
    pub code: String,
    pub message: String,
}

pub(super) mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}

macro_rules! base64_numbers {
    ($module:ident, $number:ty) => {
        mod $module {
            use serde::{Deserializer, Serializer, de::Error as _};

            pub fn serialize<S: Serializer>(numbers: &[$number], serializer: S) -> Result<S::Ok, S::Error> {
                let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
                super::base64_bytes::serialize(&bytes, serializer)
            }

            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<$number>, D::Error> {
                let bytes = super::base64_bytes::deserialize(deserializer)?;
                let (words, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(D::Error::custom(format!(
                        "{} bytes are not a whole number of 4-byte values",
                        bytes.len()
                    )));
                }
                Ok(words.iter().map(|word| <$number>::from_le_bytes(*word)).collect())
            }
        }
    };
}
base64_numbers!(base64_f32, f32);
base64_numbers!(base64_u32, u32);
