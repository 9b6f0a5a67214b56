//! Reading every point of an organization with its vectors: for comparisons and checks, not for searches.

use heimdex_schemas::Sparse;
use qdrant_client::qdrant::vector_output::Vector;
use qdrant_client::qdrant::{PointId as QdrantId, RetrievedPoint, ScrollPointsBuilder};

use crate::error::{IndexError, Result};
use crate::filter::of_org;
use crate::point::{self, Point};
use crate::schema::{BM25, DENSE};
use crate::scoped::OrgScoped;

/// A point and its vectors, as the index holds them.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPoint {
    pub point: Point,
    /// Of length one: a collection of cosine distance normalizes what it stores.
    pub dense: Vec<f32>,
    pub sparse: Sparse,
}

impl OrgScoped {
    /// Every point of the organization, whatever its state, in id order. All of them are held in memory at once, some
    /// 4 KiB each; points that are written meanwhile may or may not be among them.
    ///
    /// # Errors
    /// What the server says, and [`IndexError::Payload`] for a point that cannot be read.
    pub async fn audit(&self) -> Result<Vec<StoredPoint>> {
        let mut points = Vec::new();
        let mut offset = None;
        loop {
            let (page, next) = self.audit_page(offset).await?;
            for found in page {
                points.push(stored(found)?);
            }
            let Some(next) = next else { return Ok(points) };
            offset = Some(next);
        }
    }

    async fn audit_page(&self, offset: Option<QdrantId>) -> Result<(Vec<RetrievedPoint>, Option<QdrantId>)> {
        let inner = &self.collection.inner;
        let request = ScrollPointsBuilder::new(&self.collection.name).filter(of_org(&self.org, []));
        let mut request = request.limit(inner.options.scroll_page.max(1)).with_payload(true).with_vectors(true);
        if let Some(offset) = offset {
            request = request.offset(offset);
        }
        let page = self.checked(inner.client.scroll(request).await)?;
        Ok((page.result, page.next_page_offset))
    }
}

fn stored(found: RetrievedPoint) -> Result<StoredPoint> {
    let id = point::id(found.id)?;
    let vector = |name| found.vectors.as_ref().and_then(|vectors| vectors.get_vector_by_name(name));
    let without = |name| IndexError::Payload { point: id.to_string(), reason: format!("it has no vector {name:?}") };
    let Some(Vector::Dense(dense)) = vector(DENSE) else { return Err(without(DENSE)) };
    let sparse = match vector(BM25) {
        Some(Vector::Sparse(sparse)) => Sparse { indices: sparse.indices, values: sparse.values },
        // A text without a single term has an empty sparse vector, which the server may leave out.
        None => Sparse::default(),
        Some(_) => return Err(without(BM25)),
    };
    Ok(StoredPoint { point: Point { id, document: point::read(id, found.payload)? }, dense: dense.data, sparse })
}
