//! The ledger and blobs in memory, for stage tests without a broker. Held to the same conformance suite as NATS.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::ledger::check_key;
use crate::{BlobError, BlobInfo, BlobRef, Blobs, Bucket, Ledger, LedgerError, Revision};

type Keys = BTreeMap<String, (Revision, Bytes)>;

/// A ledger that lives as long as the value.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    /// The newest revision, and every key.
    state: Mutex<(u64, Keys)>,
}

impl MemoryLedger {
    fn with<T>(&self, act: impl FnOnce(&mut u64, &mut Keys) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (clock, keys) = &mut *state;
        act(clock, keys)
    }

    fn write(clock: &mut u64, keys: &mut Keys, key: &str, value: Bytes) -> Revision {
        *clock += 1;
        keys.insert(key.to_owned(), (Revision(*clock), value));
        Revision(*clock)
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn create(&self, key: &str, value: Bytes) -> Result<Option<Revision>, LedgerError> {
        check_key(key)?;
        Ok(self.with(|clock, keys| (!keys.contains_key(key)).then(|| Self::write(clock, keys, key, value))))
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Revision,
        value: Bytes,
    ) -> Result<Option<Revision>, LedgerError> {
        check_key(key)?;
        Ok(self.with(|clock, keys| {
            let current = keys.get(key).is_some_and(|(revision, _)| *revision == expected);
            current.then(|| Self::write(clock, keys, key, value))
        }))
    }

    async fn get(&self, key: &str) -> Result<Option<(Revision, Bytes)>, LedgerError> {
        check_key(key)?;
        Ok(self.with(|_, keys| keys.get(key).cloned()))
    }

    async fn delete(&self, key: &str, expected: Revision) -> Result<bool, LedgerError> {
        check_key(key)?;
        Ok(self.with(|_, keys| {
            let current = keys.get(key).is_some_and(|(revision, _)| *revision == expected);
            current && keys.remove(key).is_some()
        }))
    }

    async fn count(&self, prefix: &str) -> Result<u64, LedgerError> {
        Ok(self.list(prefix).await?.len() as u64)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Bytes)>, LedgerError> {
        check_key(prefix)?;
        let below = format!("{prefix}.");
        Ok(self.with(|_, keys| {
            let range = keys.range(below.clone()..).take_while(|(key, _)| key.starts_with(&below));
            range.map(|(key, (_, value))| (key.clone(), value.clone())).collect()
        }))
    }
}

/// By bucket and name, with the time of writing.
type BlobMap = BTreeMap<(String, String), (DateTime<Utc>, Bytes)>;

/// Blobs that live as long as the value.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: Mutex<BlobMap>,
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bucket: Bucket, prefix: &str, bytes: Bytes) -> Result<BlobRef, BlobError> {
        let blob = BlobRef::of(bucket, prefix, &bytes);
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.insert((format!("{bucket:?}"), blob.name.clone()), (Utc::now(), bytes));
        Ok(blob)
    }

    async fn get(&self, blob: &BlobRef, limit: u64) -> Result<Bytes, BlobError> {
        if blob.size > limit {
            return Err(BlobError::TooLarge { name: blob.name.clone(), size: blob.size, limit });
        }
        let key = (format!("{:?}", blob.bucket), blob.name.clone());
        let found = self.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let (_, bytes) = found.ok_or_else(|| BlobError::Missing(blob.name.clone()))?;
        blob.verify(&bytes)?;
        Ok(bytes)
    }
    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<BlobInfo>, BlobError> {
        let bucket = format!("{bucket:?}");
        let below = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let found = blobs.iter().filter(|((of, name), _)| *of == bucket && name.starts_with(&below));
        let info = |((_, name), (modified, bytes)): (&(String, String), &(DateTime<Utc>, Bytes))| BlobInfo {
            name: name.clone(),
            size: bytes.len() as u64,
            modified: *modified,
        };
        Ok(found.map(info).collect())
    }

    async fn delete(&self, bucket: Bucket, name: &str) -> Result<(), BlobError> {
        let key = (format!("{bucket:?}"), name.to_owned());
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        Ok(())
    }
}
