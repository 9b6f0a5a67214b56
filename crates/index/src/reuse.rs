//! Dense vectors that were computed before, found by the hash of their text.

use std::collections::HashMap;

use heimdex_schemas::UploadId;
use qdrant_client::qdrant::vector_output::Vector;
use qdrant_client::qdrant::{Condition, PayloadIncludeSelector, RetrievedPoint, ScrollPointsBuilder, VectorsSelector};
use serde::Deserialize;

use crate::error::Result;
use crate::filter::{of_org, of_upload};
use crate::point::{self, field};
use crate::schema::DENSE;
use crate::scoped::OrgScoped;

/// A chunk that has a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownChunk {
    pub text: String,
    /// Provider, precision and library that computed the vector.
    pub numerics: String,
    pub dense: Vec<f32>,
}

#[derive(Deserialize)]
struct Text {
    content_hash: String,
    text: String,
    numerics: String,
}

impl OrgScoped {
    /// The chunks of an upload whose content hash is one of `hashes`, by that hash. Of several with the same hash, one.
    ///
    /// # Errors
    /// What the server says, and [`crate::IndexError::Payload`] for a point that cannot be read.
    pub async fn known(&self, upload: UploadId, hashes: Vec<String>) -> Result<HashMap<String, KnownChunk>> {
        let mut known = HashMap::new();
        let inner = &self.collection.inner;
        let filter = of_org(&self.org, [of_upload(upload), Condition::matches(field::CONTENT_HASH, hashes)]);
        let mut offset = None;
        loop {
            let fields = [field::CONTENT_HASH, field::TEXT, field::NUMERICS].map(str::to_owned).to_vec();
            let request = ScrollPointsBuilder::new(&self.collection.name).filter(filter.clone());
            let request = request.with_payload(PayloadIncludeSelector { fields });
            let mut request = request.limit(inner.options.scroll_page.max(1));
            request = request.with_vectors(VectorsSelector { names: vec![DENSE.to_owned()] });
            if let Some(offset) = offset {
                request = request.offset(offset);
            }
            let page = self.checked(inner.client.scroll(request).await)?;
            known.extend(page.result.into_iter().map(chunk).collect::<Result<Vec<_>>>()?.into_iter().flatten());
            let Some(next) = page.next_page_offset else { return Ok(known) };
            offset = Some(next);
        }
    }
}

/// `None` for a point without a dense vector, which no upload of ours has.
fn chunk(found: RetrievedPoint) -> Result<Option<(String, KnownChunk)>> {
    let vector = found.vectors.as_ref().and_then(|vectors| vectors.get_vector_by_name(DENSE));
    let Text { content_hash, text, numerics } = point::read(point::id(found.id)?, found.payload)?;
    let Some(Vector::Dense(dense)) = vector else { return Ok(None) };
    Ok(Some((content_hash, KnownChunk { text, numerics, dense: dense.data })))
}
