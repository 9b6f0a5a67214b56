//! Blobs in NATS object stores. A blob's name ends in its digest, so one that is there is the right one.

use async_nats::jetstream::object_store::{GetErrorKind, InfoErrorKind, ObjectStore};
use async_trait::async_trait;
use bytes::Bytes;
use heimdex_stage::{BlobError, BlobRef, Blobs, Bucket};
use tokio::io::AsyncReadExt;
use tokio::sync::OnceCell;

use crate::link::Link;
use crate::topology::{ORIGINALS_BUCKET, WORK_BUCKET};

/// Both buckets, opened at first use.
pub struct ObjectBlobs {
    link: Link,
    originals: OnceCell<ObjectStore>,
    work: OnceCell<ObjectStore>,
}

impl ObjectBlobs {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, originals: OnceCell::new(), work: OnceCell::new() }
    }

    async fn store(&self, bucket: Bucket) -> Result<&ObjectStore, BlobError> {
        let (cell, name) = match bucket {
            Bucket::Originals => (&self.originals, ORIGINALS_BUCKET),
            Bucket::Work => (&self.work, WORK_BUCKET),
        };
        let open = || self.link.jetstream.get_object_store(name);
        cell.get_or_try_init(open).await.map_err(|e| BlobError::Unavailable(format!("bucket {name}: {e}")))
    }

    fn check_size(&self, name: &str, size: u64, limit: u64) -> Result<(), BlobError> {
        let limit = limit.min(self.link.options.blob_bytes);
        if size <= limit { Ok(()) } else { Err(BlobError::TooLarge { name: name.to_owned(), size, limit }) }
    }
}

async fn is_there(store: &ObjectStore, blob: &BlobRef) -> Result<bool, BlobError> {
    match store.info(&blob.name).await {
        Ok(info) => Ok(!info.deleted && info.size as u64 == blob.size),
        Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(false),
        Err(error) => Err(BlobError::Unavailable(error.to_string())),
    }
}

#[async_trait]
impl Blobs for ObjectBlobs {
    async fn put(&self, bucket: Bucket, prefix: &str, bytes: Bytes) -> Result<BlobRef, BlobError> {
        let blob = BlobRef::of(bucket, prefix, &bytes);
        self.check_size(&blob.name, blob.size, u64::MAX)?;
        let store = self.store(bucket).await?;
        if !is_there(store, &blob).await? {
            let written = store.put(blob.name.as_str(), &mut bytes.as_ref()).await;
            written.map_err(|e| BlobError::Unavailable(e.to_string()))?;
        }
        Ok(blob)
    }

    async fn get(&self, blob: &BlobRef, limit: u64) -> Result<Bytes, BlobError> {
        self.check_size(&blob.name, blob.size, limit)?;
        let mut object = match self.store(blob.bucket).await?.get(&blob.name).await {
            Ok(object) => object,
            Err(error) if error.kind() == GetErrorKind::NotFound => return Err(BlobError::Missing(blob.name.clone())),
            Err(error) => return Err(BlobError::Unavailable(error.to_string())),
        };
        self.check_size(&blob.name, object.info().size as u64, limit)?;
        let mut bytes = Vec::with_capacity(object.info().size);
        let read = tokio::time::timeout(self.link.options.blob_timeout, object.read_to_end(&mut bytes)).await;
        let read = read.map_err(|_| BlobError::Unavailable(format!("{}: timed out", blob.name)))?;
        read.map_err(|e| BlobError::Unavailable(e.to_string()))?;
        blob.verify(&bytes)?;
        Ok(Bytes::from(bytes))
    }
}
