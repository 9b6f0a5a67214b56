//! Vectors that need not be computed again: those of unchanged chunks of the upload that is current now.

use std::collections::HashMap;

use async_trait::async_trait;
use heimdex_embedding::Vector;
use heimdex_index::{Index, IndexError, KnownChunk, Space};
use heimdex_schemas::{Chunk, Lineage, UploadId};
use heimdex_stage::{Context, Head, head};

/// Where vectors of earlier uploads are.
#[async_trait]
pub trait Known: Send + Sync + 'static {
    /// The chunks of an upload whose content hash is one of `hashes`, by that hash.
    async fn known(
        &self,
        lineage: &Lineage,
        space: &Space,
        upload: UploadId,
        hashes: Vec<String>,
    ) -> Result<HashMap<String, KnownChunk>, IndexError>;
}

#[async_trait]
impl Known for Index {
    async fn known(
        &self,
        lineage: &Lineage,
        space: &Space,
        upload: UploadId,
        hashes: Vec<String>,
    ) -> Result<HashMap<String, KnownChunk>, IndexError> {
        self.collection(space).await?.scoped(&lineage.org).known(upload, hashes).await
    }
}

/// The vector of each chunk that the current upload of its asset has, too; `None` for the others. One look at the ledger
/// where the asset has no current upload in this space. Nothing here may fail a part: what cannot be looked up is
/// embedded.
pub(crate) async fn reusable(
    ctx: &Context,
    known: Option<&dyn Known>,
    (lineage, space, numerics): (&Lineage, &Space, &str),
    chunks: &[Chunk],
) -> Vec<Option<Vector>> {
    let Some(known) = known else { return vec![None; chunks.len()] };
    let found = match current(ctx, lineage).await {
        Some(head) if head.space == space.id && head.upload != lineage.upload && !chunks.is_empty() => {
            let hashes = chunks.iter().map(|chunk| chunk.content_hash.clone()).collect();
            known.known(lineage, space, head.upload, hashes).await
        }
        _ => Ok(HashMap::new()),
    };
    let found = found.unwrap_or_else(|error| {
        tracing::warn!(%error, upload = %lineage.upload, "no vectors can be kept: embedding every chunk");
        HashMap::new()
    });
    chunks.iter().map(|chunk| found.get(&chunk.content_hash).and_then(|known| same(known, chunk, numerics))).collect()
}

/// The hash is of the normalized prefix and text, the vector of the text itself; and a part says how all of its vectors
/// were computed.
fn same(known: &KnownChunk, chunk: &Chunk, numerics: &str) -> Option<Vector> {
    (known.text == chunk.text && known.numerics == numerics).then(|| known.dense.clone())
}

async fn current(ctx: &Context, lineage: &Lineage) -> Option<Head> {
    let key = head::key(&lineage.org, &lineage.model, &lineage.asset_id);
    let found = ctx.ledger.get(&key).await;
    let found = found.inspect_err(|error| tracing::warn!(%error, key, "cannot tell whether vectors can be kept"));
    let (_, value) = found.ok().flatten()?;
    let head = serde_json::from_slice(&value);
    head.inspect_err(|error| tracing::warn!(%error, key, "cannot tell whether vectors can be kept")).ok()
}
