//! What a deleted upload leaves outside of the index: its bytes, the payloads of its messages, and the kept event.

use std::collections::BTreeSet;

use heimdex_schemas::{AssetId, UploadId};
use heimdex_stage::{Bucket, Context, origin};

use crate::error::WriterError;
use crate::record;

const BUCKETS: [Bucket; 2] = [Bucket::Originals, Bucket::Work];

/// Deletes what is left of one upload. It must have its receipt already: a message of it that comes again finds nothing.
pub(crate) async fn of_upload(ctx: &Context, asset: &AssetId, upload: UploadId) -> Result<(), WriterError> {
    forget(ctx, asset, upload).await?;
    let prefix = format!("{}/{}/{upload}", ctx.org, asset.hash());
    for bucket in BUCKETS {
        for blob in ctx.blobs.list(bucket, &prefix).await? {
            ctx.blobs.delete(bucket, &blob.name).await?;
        }
    }
    Ok(())
}

/// Deletes the blobs of `uploads`, all of one asset or, without one, of any asset of the org. Returns how many.
pub(crate) async fn blobs(
    ctx: &Context,
    asset: Option<&AssetId>,
    uploads: &BTreeSet<UploadId>,
) -> Result<u64, WriterError> {
    let prefix = asset.map_or_else(|| ctx.org.to_string(), |asset| format!("{}/{}", ctx.org, asset.hash()));
    let mut deleted = 0;
    for bucket in BUCKETS {
        for blob in ctx.blobs.list(bucket, &prefix).await? {
            if owner(&blob.name).is_some_and(|upload| uploads.contains(&upload)) {
                ctx.blobs.delete(bucket, &blob.name).await?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}

/// The upload in `<org>/<asset hash>/<upload>/<sha256>`.
fn owner(name: &str) -> Option<UploadId> {
    name.split('/').nth(2)?.parse().ok()
}

/// Deletes the kept event, which may hold the text itself.
pub(crate) async fn forget(ctx: &Context, asset: &AssetId, upload: UploadId) -> Result<(), WriterError> {
    forget_key(ctx, &origin::key(&ctx.org, Some(asset), upload)).await
}

/// As [`forget`], by the key.
pub(crate) async fn forget_key(ctx: &Context, key: &str) -> Result<(), WriterError> {
    record::remove::<serde_json::Value>(ctx.ledger.as_ref(), key, |_| true).await
}
