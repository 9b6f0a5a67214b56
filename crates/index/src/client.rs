//! The connection to a Qdrant server, and the collections that were checked on it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use qdrant_client::Qdrant;

use crate::collection::{Collection, Space};
use crate::error::{IndexError, Result};
use crate::options::Options;
use crate::schema;

/// One Qdrant server. Cheap to clone.
#[derive(Clone)]
pub struct Index {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) client: Qdrant,
    pub(crate) options: Options,
    checked: Mutex<HashSet<Space>>,
}

impl Index {
    /// Prepares the connection; the first call opens it, so the server may start later.
    ///
    /// # Errors
    /// [`IndexError::Address`] when `url` is no gRPC address such as `http://127.0.0.1:6334`.
    pub fn connect(url: &str, options: Options) -> Result<Self> {
        let address = |message: String| IndexError::Address { url: url.to_owned(), message };
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(address("it must begin with http:// or https://".to_owned()));
        }
        let mut config = Qdrant::from_url(url).skip_compatibility_check();
        config.timeout = options.timeout;
        config.connect_timeout = options.connect_timeout;
        config.api_key.clone_from(&options.api_key);
        config.pool_size = options.connections;
        let client = config.build().map_err(|error| address(error.to_string()))?;
        Ok(Self { inner: Arc::new(Inner { client, options, checked: Mutex::default() }) })
    }

    /// Whether the server answers.
    ///
    /// # Errors
    /// [`IndexError::Unavailable`].
    pub async fn ready(&self) -> Result<()> {
        self.inner.client.health_check().await?;
        Ok(())
    }

    /// The collection of `space`, created if absent, and checked once in the life of this value.
    ///
    /// # Errors
    /// [`IndexError::Mismatch`] when a collection of that name holds other vectors, [`IndexError::Space`] when the names
    /// cannot name one, and what the server says.
    pub async fn collection(&self, space: &Space) -> Result<Collection> {
        let name = space.collection_name()?;
        if !self.inner.is_checked(space) {
            schema::ensure(&self.inner.client, &self.inner.options, &name, space).await?;
            self.inner.remember(space);
        }
        Ok(Collection::new(Arc::clone(&self.inner), name, space.clone()))
    }

    /// The spaces of all our collections on the server. Collections that we did not make are left out.
    ///
    /// # Errors
    /// What the server says.
    pub async fn spaces(&self) -> Result<Vec<Space>> {
        let found = self.inner.client.list_collections().await?.collections;
        let mut spaces = Vec::new();
        for name in found.into_iter().map(|collection| collection.name) {
            let Some((model, id)) = Space::of_collection_name(&name) else { continue };
            if let Some(dimension) = schema::dimension(&self.inner.client, &name).await? {
                spaces.push(Space { model, id, dimension });
            }
        }
        spaces.sort_by(|a, b| (&a.model, &a.id).cmp(&(&b.model, &b.id)));
        Ok(spaces)
    }
}

impl Inner {
    fn is_checked(&self, space: &Space) -> bool {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).contains(space)
    }

    fn remember(&self, space: &Space) {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).insert(space.clone());
    }

    /// After the server said that the collection is not there: the next use creates it again.
    pub(crate) fn forget(&self, space: &Space) {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).remove(space);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn an_address_without_a_scheme_is_refused_by_name() {
        let refused = Index::connect("localhost:6334", Options::default()).err().unwrap();
        assert!(matches!(refused, IndexError::Address { url, .. } if url == "localhost:6334"));
    }
}
