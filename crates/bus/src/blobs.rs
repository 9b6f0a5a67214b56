//! Blobs in NATS object stores. A blob's name ends in its digest, so one that is there is the right one.

use async_nats::jetstream::object_store::{GetErrorKind, InfoErrorKind, ObjectStore, PutError};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_stage::{BlobError, BlobInfo, BlobRef, Blobs, Bucket, failpoint};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use tokio::io::AsyncReadExt;
use tokio::sync::OnceCell;

use crate::error::BusError;
use crate::link::{ApiError, Link};
use crate::scan::Scan;
use crate::storage;
use crate::topology::{ORIGINALS_BUCKET, WORK_BUCKET};

/// Both buckets, opened at first use.
pub struct ObjectBlobs {
    link: Link,
    originals: OnceCell<ObjectStore>,
    work: OnceCell<ObjectStore>,
}

/// What a description in the object store says (ADR-20), as far as we need it.
#[derive(Deserialize)]
struct Description {
    name: String,
    #[serde(default)]
    nuid: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    deleted: bool,
}

#[derive(Serialize)]
struct GetLast<'a> {
    last_by_subj: &'a str,
}

#[derive(Deserialize)]
struct Stored {
    message: StoredMessage,
}

#[derive(Deserialize)]
struct StoredMessage {
    seq: u64,
    #[serde(default)]
    data: String,
    time: DateTime<Utc>,
}

/// Pieces of a blob that no description names: a write that never ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanPieces {
    /// What the pieces have in common; [`ObjectBlobs::delete_pieces`] takes it.
    pub id: String,
    pub pieces: u64,
    /// When the last of them was written.
    pub written_at: DateTime<Utc>,
}

impl ObjectBlobs {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, originals: OnceCell::new(), work: OnceCell::new() }
    }

    async fn store(&self, bucket: Bucket) -> Result<&ObjectStore, BlobError> {
        let name = bucket_name(bucket);
        let cell = match bucket {
            Bucket::Originals => &self.originals,
            Bucket::Work => &self.work,
        };
        let open = || self.link.jetstream.get_object_store(name);
        cell.get_or_try_init(open).await.map_err(|e| BlobError::Unavailable(format!("bucket {name}: {e}")))
    }

    /// Whether the blob is there, without reading it.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    pub async fn exists(&self, blob: &BlobRef) -> Result<bool, BlobError> {
        is_there(self.store(blob.bucket).await?, blob).await
    }

    /// Pieces that belong to no blob. A write that is under way looks the same until it ends, so only what has not
    /// grown for long may be deleted.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    pub async fn orphans(&self, bucket: Bucket) -> Result<Vec<OrphanPieces>, BlobError> {
        let name = bucket_name(bucket);
        let pieces = pieces_prefix(name);
        // Pieces first: a write that ends in between is then found among the descriptions.
        let found = self.link.subjects(&stream(name), &format!("{pieces}>")).await.map_err(|e| api(&e))?;
        let mut known = HashSet::new();
        self.descriptions(bucket, |description, _| known.extend([description.nuid])).await?;
        let mut orphans = Vec::new();
        for (subject, count) in found {
            let Some(id) = subject.strip_prefix(&pieces).filter(|id| !known.contains(*id)) else { continue };
            if let Some(last) = self.last(name, &subject).await? {
                orphans.push(OrphanPieces { id: id.to_owned(), pieces: count, written_at: last.time });
            }
        }
        Ok(orphans)
    }

    /// Deletes pieces that [`ObjectBlobs::orphans`] found.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    pub async fn delete_pieces(&self, bucket: Bucket, id: &str) -> Result<(), BlobError> {
        let name = bucket_name(bucket);
        let purged = self.link.purge(&stream(name), &format!("{}{id}", pieces_prefix(name)), None).await;
        purged.map(|_| ()).map_err(|e| api(&e))
    }

    /// Every description of a bucket, with the time it was written.
    async fn descriptions(
        &self,
        bucket: Bucket,
        mut visit: impl FnMut(Description, DateTime<Utc>),
    ) -> Result<(), BlobError> {
        let name = bucket_name(bucket);
        let filters = vec![format!("$O.{name}.M.>")];
        let scan = Scan { stream: stream(name), filters, after: 0, payloads: true, limit: usize::MAX };
        let scanned = self.link.scan(&scan, |message| match serde_json::from_slice::<Description>(&message.payload) {
            Ok(description) if !description.deleted => visit(description, message.stored_at),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, subject = message.subject, "a blob's description cannot be read"),
        });
        scanned.await.map(|_| ()).map_err(|error: BusError| BlobError::Unavailable(error.to_string()))
    }

    async fn last(&self, bucket: &str, subject: &str) -> Result<Option<StoredMessage>, BlobError> {
        let call = format!("STREAM.MSG.GET.{}", stream(bucket));
        let found: Result<Stored, ApiError> = self.link.api(&call, &GetLast { last_by_subj: subject }).await;
        match found {
            Ok(stored) => Ok(Some(stored.message)),
            Err(ApiError::Refused { code: ApiError::NO_MESSAGE, .. }) => Ok(None),
            Err(error) => Err(api(&error)),
        }
    }

    fn check_size(&self, name: &str, size: u64, limit: u64) -> Result<(), BlobError> {
        let limit = limit.min(self.link.options.blob_bytes);
        if size <= limit { Ok(()) } else { Err(BlobError::TooLarge { name: name.to_owned(), size, limit }) }
    }
}

const fn bucket_name(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Originals => ORIGINALS_BUCKET,
        Bucket::Work => WORK_BUCKET,
    }
}

fn stream(bucket: &str) -> String {
    format!("OBJ_{bucket}")
}

fn pieces_prefix(bucket: &str) -> String {
    format!("$O.{bucket}.C.")
}

fn api(error: &ApiError) -> BlobError {
    BlobError::Unavailable(error.to_string())
}

fn description(message: &StoredMessage) -> Result<Description, BlobError> {
    let unreadable = |reason: String| BlobError::Unavailable(format!("a blob's description: {reason}"));
    let json = STANDARD.decode(&message.data).map_err(|e| unreadable(e.to_string()))?;
    serde_json::from_slice(&json).map_err(|e| unreadable(e.to_string()))
}

fn not_written(error: &PutError) -> BlobError {
    let reason = error.to_string();
    if storage::is_full(error) { BlobError::Full(reason) } else { BlobError::Unavailable(reason) }
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
            failpoint::before("blob");
            let written = store.put(blob.name.as_str(), &mut bytes.as_ref()).await;
            written.map_err(|e| not_written(&e))?;
            failpoint::after("blob");
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
    /// An object's name is one token of its subject (ADR-20), so the broker cannot filter by a part of it: all
    /// descriptions of the bucket are read, without any blob's bytes.
    async fn list(&self, bucket: Bucket, prefix: &str) -> Result<Vec<BlobInfo>, BlobError> {
        let below = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let mut found = BTreeMap::new();
        self.descriptions(bucket, |Description { name, size, .. }, modified| {
            if name.starts_with(&below) {
                found.insert(name.clone(), BlobInfo { name, size, modified });
            }
        })
        .await?;
        Ok(found.into_values().collect())
    }

    /// The description goes first, so that nobody finds a blob without its pieces; what a crash leaves in between are
    /// orphans. Neither touches a copy that is written anew meanwhile.
    async fn delete(&self, bucket: Bucket, name: &str) -> Result<(), BlobError> {
        let of = bucket_name(bucket);
        let subject = format!("$O.{of}.M.{}", URL_SAFE.encode(name));
        let Some(message) = self.last(of, &subject).await? else { return Ok(()) };
        let nuid = description(&message)?.nuid;
        failpoint::before("blob_delete");
        self.link.purge(&stream(of), &subject, Some(message.seq)).await.map_err(|e| api(&e))?;
        failpoint::after("blob_delete");
        if nuid.is_empty() { Ok(()) } else { self.delete_pieces(bucket, &nuid).await }
    }
}
