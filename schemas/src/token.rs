//! Validated names: what may stand in a subject, a ledger key or a payload filter.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a name was refused. `kind` is the name's role ("org", "model", …).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("{kind} must not be empty")]
    Empty { kind: &'static str },
    #[error("{kind} is {length} bytes long, the limit is {limit}")]
    TooLong { kind: &'static str, length: usize, limit: usize },
    #[error("{kind} contains {found:?}; allowed are {allowed}")]
    Character { kind: &'static str, found: char, allowed: &'static str },
    #[error("unknown {kind} {found:?}; known are {known}")]
    Unknown { kind: &'static str, found: String, known: &'static str },
}

const SUBJECT_TOKEN: &str = "A-Z a-z 0-9 _ -";

fn subject_token(kind: &'static str, limit: usize, text: &str) -> Result<(), TokenError> {
    length(kind, limit, text)?;
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))) {
        Some(found) => Err(TokenError::Character { kind, found, allowed: SUBJECT_TOKEN }),
        None => Ok(()),
    }
}

fn length(kind: &'static str, limit: usize, text: &str) -> Result<(), TokenError> {
    match text.len() {
        0 => Err(TokenError::Empty { kind }),
        length if length > limit => Err(TokenError::TooLong { kind, length, limit }),
        _ => Ok(()),
    }
}

macro_rules! text_token {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $limit:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// The longest accepted value, in bytes.
            pub const MAX_BYTES: usize = $limit;

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TokenError;
            fn from_str(text: &str) -> Result<Self, TokenError> {
                let check: fn(&'static str, usize, &str) -> Result<(), TokenError> = $check;
                check($kind, $limit, text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = TokenError;
            fn try_from(text: String) -> Result<Self, TokenError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(token: $name) -> String {
                token.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_token!(
    /// A tenant. One subject token, so that NATS permissions can pin it.
    Org, "org", 64, subject_token
);
text_token!(
    /// The folder name of an embedding model; one subject and ledger token.
    ModelName, "model", 64, subject_token
);
text_token!(
    /// The uploader's name for an asset, unique within its org. Any text without control characters.
    AssetId, "asset_id", 512, |kind, limit, text| {
        length(kind, limit, text)?;
        match text.chars().find(|c| c.is_control()) {
            Some(found) => Err(TokenError::Character { kind, found, allowed: "any text without control characters" }),
            None => Ok(()),
        }
    }
);

impl AssetId {
    /// 32 hex digits of the SHA-256 of the id: stands for it where only a subject token may (dead letters, ledger keys).
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.as_str().as_bytes())).chars().take(32).collect()
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

macro_rules! closed_token {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $known:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl FromStr for $name {
            type Err = TokenError;
            fn from_str(text: &str) -> Result<Self, TokenError> {
                match text {
                    $($text => Ok($name::$variant),)+
                    other => Err(TokenError::Unknown { kind: $kind, found: other.to_owned(), known: $known }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

closed_token!(
    /// Which queue a message waits in. Each stage keeps permits for interactive work.
    Lane, "lane", "interactive, bulk", {
        /// One person waits for this upload.
        Interactive = "interactive",
        /// Backfills and re-embedding.
        Bulk = "bulk"
    }
);
closed_token!(
    /// The stages: those of the pipeline in their order, then those that delete.
    StageName, "stage", "extractor, chunker, embedder, writer, eraser, purger", {
        Extractor = "extractor",
        Chunker = "chunker",
        Embedder = "embedder",
        Writer = "writer",
        /// Deletes an asset.
        Eraser = "eraser",
        /// Deletes all assets of an org.
        Purger = "purger"
    }
);

/// The embedding model of uploads and searches that name none, unless `HEIMDEX_MODEL` says otherwise. A [`ModelName`].
pub const DEFAULT_MODEL: &str = "multilingual-e5-small";
