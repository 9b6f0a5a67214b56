//! The keys in force, read again when they are old or a token names one that is not among them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use crate::error::KeyError;
use crate::keys::{Key, Keys};
use crate::source::Reader;

/// One reading at a time, and none more often than the cool-down: strangers with invented key ids cost the issuer nothing.
pub(crate) struct KeyRing {
    reader: Reader,
    current: ArcSwap<Loaded>,
    /// When somebody last tried.
    tried: Mutex<Instant>,
    refresh: Duration,
    cool_down: Duration,
}

struct Loaded {
    keys: Keys,
    at: Instant,
}

impl KeyRing {
    /// Reads the keys for the first time.
    pub async fn open(reader: Reader, refresh: Duration, cool_down: Duration) -> Result<Self, KeyError> {
        let keys = Keys::parse(&reader.read().await?)?;
        let now = Instant::now();
        let current = ArcSwap::from_pointee(Loaded { keys, at: now });
        Ok(Self { reader, current, tried: Mutex::new(now), refresh, cool_down })
    }

    /// The key of that id.
    pub async fn find(&self, id: &str) -> Option<Key> {
        let loaded = self.current.load_full();
        let found = loaded.keys.get(id);
        if found.is_none() || loaded.at.elapsed() > self.refresh {
            self.read_again(&loaded).await;
            return self.current.load().keys.get(id).cloned();
        }
        found.cloned()
    }

    pub fn len(&self) -> usize {
        self.current.load().keys.len()
    }

    /// Unless somebody has done so since `seen` was taken, or tried a moment ago. A set that cannot be read leaves the keys
    /// as they are.
    async fn read_again(&self, seen: &Arc<Loaded>) {
        let mut tried = self.tried.lock().await;
        if !Arc::ptr_eq(&self.current.load(), seen) || tried.elapsed() < self.cool_down {
            return;
        }
        let read = match self.reader.read().await {
            Ok(json) => Keys::parse(&json),
            Err(error) => Err(error),
        };
        *tried = Instant::now();
        match read {
            Ok(keys) => self.current.store(Arc::new(Loaded { keys, at: *tried })),
            Err(error) => tracing::error!(%error, "the key set could not be read again; the keys stay as they were"),
        }
    }
}
