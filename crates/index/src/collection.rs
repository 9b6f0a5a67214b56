//! One collection: the points of one vector space.

use std::sync::Arc;

use heimdex_schemas::{ModelName, Org};

use crate::client::Inner;
use crate::error::{IndexError, Result};
use crate::scoped::OrgScoped;

/// A vector space, which is a collection: vectors of two spaces are never compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Space {
    pub model: ModelName,
    /// The hash over all that decides where a text lands; 16 hexadecimal digits.
    pub id: String,
    /// Length of its dense vectors.
    pub dimension: u32,
}

impl Space {
    /// `heimdex-<model>-<space>`.
    ///
    /// # Errors
    /// [`IndexError::Space`] when the id holds other characters than `A-Z a-z 0-9 _`, is empty, or the dimension is 0.
    pub fn collection_name(&self) -> Result<String> {
        let plain = self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain || self.id.is_empty() || self.dimension == 0 {
            return Err(self.refused());
        }
        Ok(format!("heimdex-{}-{}", self.model, self.id))
    }

    /// Model and space id of a collection of ours. A space's id has no `-`.
    pub(crate) fn of_collection_name(name: &str) -> Option<(ModelName, String)> {
        let (model, id) = name.strip_prefix("heimdex-")?.rsplit_once('-')?;
        Some((model.parse().ok()?, id.to_owned()))
    }

    fn refused(&self) -> IndexError {
        IndexError::Space { model: self.model.to_string(), space: self.id.clone(), dimension: self.dimension }
    }
}

/// A collection that exists and fits its space. Its points are reached through [`Collection::scoped`] only.
#[derive(Clone)]
pub struct Collection {
    pub(crate) inner: Arc<Inner>,
    pub(crate) name: String,
    pub(crate) space: Space,
}

impl Collection {
    pub(crate) fn new(inner: Arc<Inner>, name: String, space: Space) -> Self {
        Self { inner, name, space }
    }

    /// As Qdrant knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub const fn space(&self) -> &Space {
        &self.space
    }

    /// The only way to points: those of one organization.
    #[must_use]
    pub fn scoped(&self, org: &Org) -> OrgScoped {
        OrgScoped::new(self.clone(), org.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn space(id: &str, dimension: u32) -> Space {
        Space { model: "all-minilm-l6-v2".parse().unwrap(), id: id.to_owned(), dimension }
    }

    #[test]
    fn a_collection_is_named_by_model_and_space() {
        assert_eq!(space("0a1b", 384).collection_name().unwrap(), "heimdex-all-minilm-l6-v2-0a1b");
        let read = Space::of_collection_name("heimdex-all-minilm-l6-v2-0a1b").unwrap();
        assert_eq!((read.0.as_str(), read.1.as_str()), ("all-minilm-l6-v2", "0a1b"));
        assert!(["other", "heimdex-", "heimdex-one"].iter().all(|name| Space::of_collection_name(name).is_none()));
        for refused in [space("", 384), space("a/b", 384), space("a-b", 384), space("0a1b", 0)] {
            assert!(matches!(refused.collection_name(), Err(IndexError::Space { .. })));
        }
    }
}
