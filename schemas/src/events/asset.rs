//! What upload services publish.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::token::{AssetId, ModelName, Org};

/// "This asset was uploaded." The org is in the subject; `org` here is optional and must agree when given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssetUploaded {
    pub asset_id: AssetId,
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Org>,
    /// Shown with hits; the document's own title when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where it came from, as its uploader calls it (a file name, a URL); shown with hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The embedding model; the service's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// Opens the document when it is encrypted; the empty password is tried without being given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// A secret: it travels with its event and is shown nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for whoever opens the document.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Where the bytes are. Public events above 64 KiB travel as `blob`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Content {
    /// The text itself.
    Text(String),
    /// The bytes, base64 (RFC 4648 §4, padded).
    Bytes(
        #[serde(with = "super::chunks::base64_bytes")]
        #[schemars(with = "String")]
        Vec<u8>,
    ),
    /// An object in the originals bucket (`HEIMDEX_ORIGINALS`), verified on read.
    Blob {
        /// Object name; must begin with `<org>/`.
        name: String,
        /// Lower-case hexadecimal SHA-256 of the bytes.
        sha256: String,
        /// Bytes.
        size: u64,
    },
}

/// "Delete this asset": every upload of it that came before this event, in all collections. The org is in the subject; `org`
/// here is optional and must agree when given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssetDeleted {
    pub asset_id: AssetId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Org>,
    /// Shown in the receipt's audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// "Delete all that this org has": every upload accepted before this event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrgPurged {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Org>,
    /// Shown in the receipt's audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_nowhere() {
        assert_eq!(format!("{:?}", Some(Password::new("hunter2"))), "Some(***)");
    }
}
