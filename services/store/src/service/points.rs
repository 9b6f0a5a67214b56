//! Points: reads go to the search pool, writes to the collection's writer.

use std::sync::Arc;
use std::time::Instant;

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::points_server::Points;
use qdrant_edge::{FacetRequest, FacetValue, ScrollRequest};
use tonic::{Request, Response};

use super::{Reply, Service, seconds, unsupported};
use crate::collection::operation::Operation;
use crate::collection::{Collection, reads};
use crate::convert::points::{retrieved, scored, target};
use crate::convert::{self, filter, index, json_path, payload, point_id, point_ids, proto_id, query, vectors};
use crate::error::{Error, Result, invalid};
use crate::service::updates;

/// Points a scroll returns when it names no limit, as in Qdrant.
const SCROLL_LIMIT: u32 = 10;
/// Values a facet returns when it names no limit, as in Qdrant.
const FACET_LIMIT: u64 = 10;

#[async_trait::async_trait]
impl Points for Service {
    async fn upsert(&self, request: Request<proto::UpsertPoints>) -> Reply<proto::PointsOperationResponse> {
        let started = Instant::now();
        let request = request.into_inner();
        let collection = self.collection(&request.collection_name).await?;
        let (conditional, mode) = (request.update_filter.is_some(), request.update_mode);
        let operation = updates::upsert(request.points, conditional, mode, collection.config())?;
        collection.write(vec![operation]).await?;
        completed(started)
    }

    async fn delete(&self, request: Request<proto::DeletePoints>) -> Reply<proto::PointsOperationResponse> {
        let request = request.into_inner();
        let operation = Operation::delete(target(request.points)?);
        self.write(&request.collection_name, operation).await
    }

    async fn get(&self, request: Request<proto::GetPoints>) -> Reply<proto::GetResponse> {
        let started = Instant::now();
        let request = request.into_inner();
        let collection = self.collection(&request.collection_name).await?;
        let ids = point_ids(&request.ids)?;
        let with_payload = payload::selector(request.with_payload, true)?;
        let with_vectors = vectors::selector(request.with_vectors);
        let read = move |shard: &_| reads::get(shard, &ids, with_payload, with_vectors);
        let result = self.read(&collection, read).await?.into_iter().map(retrieved).collect();
        Ok(Response::new(proto::GetResponse { result, time: seconds(started), usage: None }))
    }

    async fn update_vectors(&self, _: Request<proto::UpdatePointVectors>) -> Reply<proto::PointsOperationResponse> {
        unsupported("Points/UpdateVectors")
    }

    async fn delete_vectors(&self, _: Request<proto::DeletePointVectors>) -> Reply<proto::PointsOperationResponse> {
        unsupported("Points/DeleteVectors")
    }

    async fn set_payload(&self, request: Request<proto::SetPayloadPoints>) -> Reply<proto::PointsOperationResponse> {
        let request = request.into_inner();
        let operation = updates::set_payload(request.payload, request.points_selector, request.key)?;
        self.write(&request.collection_name, operation).await
    }

    async fn overwrite_payload(
        &self,
        request: Request<proto::SetPayloadPoints>,
    ) -> Reply<proto::PointsOperationResponse> {
        let request = request.into_inner();
        let operation = updates::overwrite_payload(request.payload, request.points_selector, request.key)?;
        self.write(&request.collection_name, operation).await
    }

    async fn delete_payload(
        &self,
        request: Request<proto::DeletePayloadPoints>,
    ) -> Reply<proto::PointsOperationResponse> {
        let request = request.into_inner();
        let operation = updates::delete_payload(&request.keys, request.points_selector)?;
        self.write(&request.collection_name, operation).await
    }

    async fn clear_payload(
        &self,
        request: Request<proto::ClearPayloadPoints>,
    ) -> Reply<proto::PointsOperationResponse> {
        let request = request.into_inner();
        self.write(&request.collection_name, updates::clear_payload(request.points)?).await
    }

    async fn create_field_index(
        &self,
        request: Request<proto::CreateFieldIndexCollection>,
    ) -> Reply<proto::PointsOperationResponse> {
        let started = Instant::now();
        let request = request.into_inner();
        let schema = index::schema(&request)?;
        self.store().await?.set_index(&request.collection_name, request.field_name, Some(schema)).await?;
        completed(started)
    }

    async fn delete_field_index(
        &self,
        request: Request<proto::DeleteFieldIndexCollection>,
    ) -> Reply<proto::PointsOperationResponse> {
        let started = Instant::now();
        let request = request.into_inner();
        self.store().await?.set_index(&request.collection_name, request.field_name, None).await?;
        completed(started)
    }

    async fn create_vector_name(
        &self,
        _: Request<proto::CreateVectorNameRequest>,
    ) -> Reply<proto::PointsOperationResponse> {
        unsupported("Points/CreateVectorName")
    }

    async fn delete_vector_name(
        &self,
        _: Request<proto::DeleteVectorNameRequest>,
    ) -> Reply<proto::PointsOperationResponse> {
        unsupported("Points/DeleteVectorName")
    }

    async fn search(&self, _: Request<proto::SearchPoints>) -> Reply<proto::SearchResponse> {
        unsupported("Points/Search")
    }

    async fn search_batch(&self, _: Request<proto::SearchBatchPoints>) -> Reply<proto::SearchBatchResponse> {
        unsupported("Points/SearchBatch")
    }

    async fn search_groups(&self, _: Request<proto::SearchPointGroups>) -> Reply<proto::SearchGroupsResponse> {
        unsupported("Points/SearchGroups")
    }

    async fn scroll(&self, request: Request<proto::ScrollPoints>) -> Reply<proto::ScrollResponse> {
        let started = Instant::now();
        let request = request.into_inner();
        let collection = self.collection(&request.collection_name).await?;
        let request = scroll_request(request)?;
        let read = move |shard: &_| reads::scroll(shard, request);
        let (records, next) = self.read(&collection, read).await?;
        Ok(Response::new(proto::ScrollResponse {
            next_page_offset: next.map(proto_id),
            result: records.into_iter().map(retrieved).collect(),
            time: seconds(started),
            usage: None,
        }))
    }

    async fn recommend(&self, _: Request<proto::RecommendPoints>) -> Reply<proto::RecommendResponse> {
        unsupported("Points/Recommend")
    }

    async fn recommend_batch(&self, _: Request<proto::RecommendBatchPoints>) -> Reply<proto::RecommendBatchResponse> {
        unsupported("Points/RecommendBatch")
    }

    async fn recommend_groups(&self, _: Request<proto::RecommendPointGroups>) -> Reply<proto::RecommendGroupsResponse> {
        unsupported("Points/RecommendGroups")
    }

    async fn discover(&self, _: Request<proto::DiscoverPoints>) -> Reply<proto::DiscoverResponse> {
        unsupported("Points/Discover")
    }

    async fn discover_batch(&self, _: Request<proto::DiscoverBatchPoints>) -> Reply<proto::DiscoverBatchResponse> {
        unsupported("Points/DiscoverBatch")
    }

    async fn count(&self, request: Request<proto::CountPoints>) -> Reply<proto::CountResponse> {
        let started = Instant::now();
        let request = request.into_inner();
        let collection = self.collection(&request.collection_name).await?;
        let filter = filter::optional(request.filter.as_ref())?;
        let exact = request.exact.unwrap_or(true);
        let count = self.read(&collection, move |shard| reads::count(shard, filter, exact)).await?;
        let result = Some(proto::CountResult { count: count as u64 });
        Ok(Response::new(proto::CountResponse { result, time: seconds(started), usage: None }))
    }

    async fn update_batch(&self, request: Request<proto::UpdateBatchPoints>) -> Reply<proto::UpdateBatchResponse> {
        let started = Instant::now();
        let request = request.into_inner();
        let collection = self.collection(&request.collection_name).await?;
        let read = |operation| updates::batched(operation, collection.config());
        let operations = request.operations.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        let result = vec![update_result(); operations.len()];
        collection.write(operations).await?;
        Ok(Response::new(proto::UpdateBatchResponse { result, time: seconds(started), usage: None }))
    }

    async fn query(&self, request: Request<proto::QueryPoints>) -> Reply<proto::QueryResponse> {
        let started = Instant::now();
        let request = request.into_inner();
        let collection = self.collection(&request.collection_name).await?;
        let result = self.nearest(&collection, request).await?;
        Ok(Response::new(proto::QueryResponse { result, time: seconds(started), usage: None }))
    }

    async fn query_batch(&self, request: Request<proto::QueryBatchPoints>) -> Reply<proto::QueryBatchResponse> {
        let started = Instant::now();
        let request = request.into_inner();
        let collection = self.collection(&request.collection_name).await?;
        let mut running = Vec::with_capacity(request.query_points.len());
        for query in request.query_points {
            let (service, collection) = (self.clone(), collection.clone());
            running.push(tokio::spawn(async move { service.nearest(&collection, query).await }));
        }
        let mut result = Vec::with_capacity(running.len());
        for query in running {
            let points = query.await.map_err(|e| Error::unfinished("a query", &e))??;
            result.push(proto::BatchResult { result: points });
        }
        Ok(Response::new(proto::QueryBatchResponse { result, time: seconds(started), usage: None }))
    }

    async fn query_groups(&self, _: Request<proto::QueryPointGroups>) -> Reply<proto::QueryGroupsResponse> {
        unsupported("Points/QueryGroups")
    }

    async fn facet(&self, request: Request<proto::FacetCounts>) -> Reply<proto::FacetResponse> {
        let started = Instant::now();
        let request = request.into_inner();
        let collection = self.collection(&request.collection_name).await?;
        let request = FacetRequest {
            key: json_path(&request.key)?,
            limit: convert::size(request.limit.unwrap_or(FACET_LIMIT)).max(1),
            filter: filter::optional(request.filter.as_ref())?,
            exact: request.exact.unwrap_or(false),
        };
        let found = self.read(&collection, move |shard| reads::facet(shard, request)).await?;
        let hits = found.hits.into_iter().map(|hit| proto::FacetHit {
            value: Some(proto::FacetValue { variant: Some(facet_value(hit.value)) }),
            count: hit.count as u64,
        });
        Ok(Response::new(proto::FacetResponse { hits: hits.collect(), time: seconds(started), usage: None }))
    }

    async fn search_matrix_pairs(
        &self,
        _: Request<proto::SearchMatrixPoints>,
    ) -> Reply<proto::SearchMatrixPairsResponse> {
        unsupported("Points/SearchMatrixPairs")
    }

    async fn search_matrix_offsets(
        &self,
        _: Request<proto::SearchMatrixPoints>,
    ) -> Reply<proto::SearchMatrixOffsetsResponse> {
        unsupported("Points/SearchMatrixOffsets")
    }
}

impl Service {
    async fn write(&self, collection: &str, operation: Operation) -> Reply<proto::PointsOperationResponse> {
        let started = Instant::now();
        self.collection(collection).await?.write(vec![operation]).await?;
        completed(started)
    }

    async fn nearest(
        &self,
        collection: &Arc<Collection>,
        request: proto::QueryPoints,
    ) -> Result<Vec<proto::ScoredPoint>> {
        let query = query::query(request, collection.config())?;
        let points = self.read(collection, move |shard| reads::query(shard, query)).await?;
        Ok(points.into_iter().map(scored).collect())
    }
}

fn scroll_request(request: proto::ScrollPoints) -> Result<ScrollRequest> {
    if request.order_by.is_some() {
        return Err(Error::Unimplemented("the scroll field order_by".into()));
    }
    let limit = request.limit.unwrap_or(SCROLL_LIMIT);
    if limit == 0 {
        return Err(invalid("a scroll's limit must be at least 1"));
    }
    Ok(ScrollRequest {
        offset: request.offset.as_ref().map(point_id).transpose()?,
        limit: Some(convert::size(limit.into())),
        filter: filter::optional(request.filter.as_ref())?,
        with_payload: Some(payload::selector(request.with_payload, true)?),
        with_vector: vectors::selector(request.with_vectors),
        order_by: None,
    })
}

fn facet_value(value: FacetValue) -> proto::facet_value::Variant {
    use proto::facet_value::Variant;
    match value {
        FacetValue::Keyword(text) => Variant::StringValue(text),
        FacetValue::Int(number) => Variant::IntegerValue(number),
        FacetValue::Bool(flag) => Variant::BoolValue(flag),
        FacetValue::Uuid(number) => Variant::StringValue(uuid::Uuid::from_u128(number).to_string()),
    }
}

fn update_result() -> proto::UpdateResult {
    proto::UpdateResult { operation_id: None, status: proto::UpdateStatus::Completed.into() }
}

fn completed(started: Instant) -> Reply<proto::PointsOperationResponse> {
    let result = Some(update_result());
    Ok(Response::new(proto::PointsOperationResponse { result, time: seconds(started), usage: None }))
}
