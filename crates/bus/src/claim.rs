//! The claim check: data too large for a message travels as a blob, named by the `dataref` extension of CloudEvents
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/dataref.md>), verified when read.

use bytes::Bytes;
use heimdex_schemas::{Envelope, Org};
use heimdex_stage::{BlobError, BlobRef, Blobs, Bucket};

use crate::error::DecodeError;
use crate::topology::WORK_BUCKET;

const SCHEME: &str = "nats-object://";
const REFERENCE: &str = "dataref";
const DIGEST: &str = "datarefsha256";
const SIZE: &str = "datarefsize";

/// Moves the envelope's data to a blob when it is larger than `inline` bytes. `prefix` is `<org>/<asset hash>/<upload>`.
pub(crate) async fn check_in(
    blobs: &dyn Blobs,
    envelope: Envelope,
    prefix: &str,
    inline: usize,
) -> Result<Envelope, BlobError> {
    if envelope.data().len() <= inline {
        return Ok(envelope);
    }
    let blob = blobs.put(Bucket::Work, prefix, envelope.data().clone()).await?;
    Ok(envelope
        .with_data(Bytes::new())
        .with_extension(REFERENCE, &format!("{SCHEME}{WORK_BUCKET}/{}", blob.name))
        .with_extension(DIGEST, &blob.sha256)
        .with_extension(SIZE, &blob.size.to_string()))
}

/// Puts referenced data back. The blob must belong to `org`: a stranger's reference must not read another's bytes.
pub(crate) async fn check_out(
    blobs: &dyn Blobs,
    envelope: Envelope,
    org: &Org,
    limit: u64,
) -> Result<Envelope, DecodeError> {
    let Some(reference) = envelope.extension(REFERENCE) else { return Ok(envelope) };
    let blob = parse(&envelope, reference)?;
    if !blob.name.starts_with(&format!("{org}/")) {
        return Err(DecodeError::Reference(format!("{} is not of org {org}", blob.name)));
    }
    let data = blobs.get(&blob, limit).await.map_err(DecodeError::Blob)?;
    Ok(envelope.with_data(data))
}

fn parse(envelope: &Envelope, reference: &str) -> Result<BlobRef, DecodeError> {
    let bad = |what: &str| DecodeError::Reference(format!("{what} of {reference:?}"));
    let path = reference.strip_prefix(SCHEME).ok_or_else(|| bad("the scheme"))?;
    let name =
        path.strip_prefix(WORK_BUCKET).and_then(|rest| rest.strip_prefix('/')).ok_or_else(|| bad("the bucket"))?;
    let sha256 = envelope.extension(DIGEST).ok_or_else(|| bad("no digest"))?;
    let size = envelope.extension(SIZE).and_then(|text| text.parse().ok()).ok_or_else(|| bad("no size"))?;
    Ok(BlobRef { bucket: Bucket::Work, name: name.to_owned(), sha256: sha256.to_owned(), size })
}
