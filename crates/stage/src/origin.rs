//! The uploader's event, kept for as long as its upload is wanted, so that work that was lost on its way can be begun anew.
//!
//! One ledger key, `origin.<org>.<asset hash>.<upload>`, written by the first stage while it works. What is too large for
//! the ledger lies among the originals. A superseded or deleted upload needs none any more.

use bytes::Bytes;
use heimdex_schemas::{AssetId, Envelope, EnvelopeError, Event, Org, UploadId};
use serde::{Deserialize, Serialize};

use crate::{BlobError, BlobRef, Blobs, Bucket, Class, Classify, Context, Ledger, LedgerError};

/// Data up to this many bytes stand in the ledger: what travels inside a public event, too.
pub const INLINE_BYTES: usize = 64 * 1024;
/// Attributes that say where the data of one message was, or how often it was sent: not the uploader's.
const OF_THE_MESSAGE: [&str; 4] = ["ce-dataref", "ce-datarefsha256", "ce-datarefsize", "ce-heimdexreplay"];
/// What stands in a key for the asset of a purge.
const NONE: &str = "_";

/// An event as its sender published it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Names and values as on the wire (`ce-id`, …).
    headers: Vec<(String, String)>,
    data: Data,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Data {
    Json(String),
    Blob(BlobRef),
}

/// Why an event could not be kept, or not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("the kept event cannot be rebuilt: {0}")]
    Envelope(#[from] EnvelopeError),
    #[error("the kept event of {key} cannot be read: {reason}")]
    Record { key: String, reason: String },
}

impl Classify for OriginError {
    fn class(&self) -> Class {
        match self {
            Self::Ledger(error) => error.class(),
            Self::Blob(error) => error.class(),
            Self::Envelope(_) | Self::Record { .. } => Class::Permanent,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Ledger(error) => error.code(),
            Self::Blob(BlobError::Full(_)) => crate::STORAGE_FULL,
            Self::Blob(_) => "origin_blob",
            Self::Envelope(_) | Self::Record { .. } => "origin_unreadable",
        }
    }
}

/// The key of an upload's event, or of a deletion's.
#[must_use]
pub fn key(org: &Org, asset: Option<&AssetId>, upload: UploadId) -> String {
    let asset = asset.map_or_else(|| NONE.to_owned(), AssetId::hash);
    format!("origin.{org}.{asset}.{upload}")
}

/// Below it lie the events of an asset, or of all assets of an org.
#[must_use]
pub fn prefix(org: &Org, asset: Option<&AssetId>) -> String {
    asset.map_or_else(|| format!("origin.{org}"), |asset| format!("origin.{org}.{}", asset.hash()))
}

/// Keeps `event`, which `ctx` delivered. Once is enough: a redelivery finds it kept.
///
/// # Errors
/// [`OriginError`] when it is not durable.
pub async fn keep<E: Event>(
    ctx: &Context,
    asset: Option<&AssetId>,
    upload: UploadId,
    event: &E,
) -> Result<(), OriginError> {
    let key = key(&ctx.org, asset, upload);
    let unwritable = |e: serde_json::Error| OriginError::Record { key: key.clone(), reason: e.to_string() };
    let json = serde_json::to_string(event).map_err(unwritable)?;
    let data = if json.len() <= INLINE_BYTES {
        Data::Json(json)
    } else {
        let hash = asset.map_or_else(|| NONE.to_owned(), AssetId::hash);
        let prefix = format!("{}/{hash}/{upload}", ctx.org);
        Data::Blob(ctx.blobs.put(Bucket::Originals, &prefix, Bytes::from(json)).await?)
    };
    let headers = ctx.envelope.encode().headers;
    let headers = headers.into_iter().filter(|(name, _)| !OF_THE_MESSAGE.contains(&name.as_str())).collect();
    let value = serde_json::to_vec(&Origin { headers, data }).map_err(unwritable)?;
    ctx.ledger.create(&key, Bytes::from(value)).await?;
    Ok(())
}

/// The kept event, `None` when there is none.
///
/// # Errors
/// [`OriginError`].
pub async fn find(
    ledger: &dyn Ledger,
    org: &Org,
    asset: Option<&AssetId>,
    upload: UploadId,
) -> Result<Option<Origin>, OriginError> {
    let key = key(org, asset, upload);
    let Some((_, value)) = ledger.get(&key).await? else { return Ok(None) };
    read(&key, &value).map(Some)
}

/// A record as a listing shows it.
///
/// # Errors
/// [`OriginError::Record`].
pub fn read(key: &str, value: &[u8]) -> Result<Origin, OriginError> {
    let unreadable = |e: serde_json::Error| OriginError::Record { key: key.to_owned(), reason: e.to_string() };
    serde_json::from_slice(value).map_err(unreadable)
}

impl Origin {
    /// The event itself; its data, if they lie in a blob, are at most `limit` bytes.
    ///
    /// # Errors
    /// [`OriginError::Blob`] when the blob is gone, and [`OriginError::Envelope`].
    pub async fn envelope(&self, blobs: &dyn Blobs, limit: u64) -> Result<Envelope, OriginError> {
        let data = match &self.data {
            Data::Json(json) => Bytes::copy_from_slice(json.as_bytes()),
            Data::Blob(blob) => blobs.get(blob, limit).await?,
        };
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(Envelope::decode(headers, data)?)
    }

    /// The blob that holds the event's data, if one does.
    #[must_use]
    pub const fn blob(&self) -> Option<&BlobRef> {
        match &self.data {
            Data::Json(_) => None,
            Data::Blob(blob) => Some(blob),
        }
    }
}
