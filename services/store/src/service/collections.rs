//! Collections and aliases.

use std::collections::HashMap;
use std::time::Instant;

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::alias_operations::Action;
use qdrant_client::qdrant::collections_server::Collections;
use qdrant_edge::Payload;
use tonic::{Request, Response};

use super::{Reply, Service, seconds, unsupported};
use crate::convert::collection::config_message;
use crate::convert::index::info_message;
use crate::convert::payload::proto_payload;
use crate::error::{Result, invalid};
use crate::registry::{AliasStep, Registry};

#[async_trait::async_trait]
impl Collections for Service {
    async fn get(&self, request: Request<proto::GetCollectionInfoRequest>) -> Reply<proto::GetCollectionInfoResponse> {
        let started = Instant::now();
        let result = Some(self.info(&request.into_inner().collection_name).await?);
        Ok(Response::new(proto::GetCollectionInfoResponse { result, time: seconds(started) }))
    }

    async fn list(&self, _: Request<proto::ListCollectionsRequest>) -> Reply<proto::ListCollectionsResponse> {
        let started = Instant::now();
        let store = self.store().await?;
        let registry = store.registry().await;
        let names = registry.collections().keys().cloned();
        let collections = names.map(|name| proto::CollectionDescription { name }).collect();
        Ok(Response::new(proto::ListCollectionsResponse { collections, time: seconds(started) }))
    }

    async fn create(&self, request: Request<proto::CreateCollection>) -> Reply<proto::CollectionOperationResponse> {
        let started = Instant::now();
        self.store().await?.create(request.into_inner()).await?;
        done(true, started)
    }

    async fn update(&self, _: Request<proto::UpdateCollection>) -> Reply<proto::CollectionOperationResponse> {
        unsupported("Collections/Update")
    }

    async fn delete(&self, request: Request<proto::DeleteCollection>) -> Reply<proto::CollectionOperationResponse> {
        let started = Instant::now();
        let existed = self.store().await?.delete(&request.into_inner().collection_name).await?;
        done(existed, started)
    }

    async fn update_aliases(
        &self,
        request: Request<proto::ChangeAliases>,
    ) -> Reply<proto::CollectionOperationResponse> {
        let started = Instant::now();
        let steps = request.into_inner().actions.into_iter().map(alias_step).collect::<Result<_>>()?;
        self.store().await?.change_aliases(steps).await?;
        done(true, started)
    }

    async fn list_collection_aliases(
        &self,
        request: Request<proto::ListCollectionAliasesRequest>,
    ) -> Reply<proto::ListAliasesResponse> {
        let started = Instant::now();
        let name = request.into_inner().collection_name;
        let store = self.store().await?;
        let registry = store.registry().await;
        let name = registry.resolve(&name)?;
        Ok(Response::new(aliases(&registry, |collection| collection == name, started)))
    }

    async fn list_aliases(&self, _: Request<proto::ListAliasesRequest>) -> Reply<proto::ListAliasesResponse> {
        let started = Instant::now();
        let store = self.store().await?;
        Ok(Response::new(aliases(&*store.registry().await, |_| true, started)))
    }

    async fn collection_cluster_info(
        &self,
        _: Request<proto::CollectionClusterInfoRequest>,
    ) -> Reply<proto::CollectionClusterInfoResponse> {
        unsupported("Collections/CollectionClusterInfo")
    }

    async fn collection_exists(
        &self,
        request: Request<proto::CollectionExistsRequest>,
    ) -> Reply<proto::CollectionExistsResponse> {
        let started = Instant::now();
        let store = self.store().await?;
        let exists = store.collection(&request.into_inner().collection_name).is_ok();
        let result = Some(proto::CollectionExists { exists });
        Ok(Response::new(proto::CollectionExistsResponse { result, time: seconds(started) }))
    }

    async fn update_collection_cluster_setup(
        &self,
        _: Request<proto::UpdateCollectionClusterSetupRequest>,
    ) -> Reply<proto::UpdateCollectionClusterSetupResponse> {
        unsupported("Collections/UpdateCollectionClusterSetup")
    }

    async fn create_shard_key(&self, _: Request<proto::CreateShardKeyRequest>) -> Reply<proto::CreateShardKeyResponse> {
        unsupported("Collections/CreateShardKey")
    }

    async fn delete_shard_key(&self, _: Request<proto::DeleteShardKeyRequest>) -> Reply<proto::DeleteShardKeyResponse> {
        unsupported("Collections/DeleteShardKey")
    }

    async fn list_shard_keys(&self, _: Request<proto::ListShardKeysRequest>) -> Reply<proto::ListShardKeysResponse> {
        unsupported("Collections/ListShardKeys")
    }
}

impl Service {
    async fn info(&self, name: &str) -> Result<proto::CollectionInfo> {
        let collection = self.collection(name).await?;
        let metadata = self.metadata(name).await?;
        let info = self.read(&collection, |shard| Ok(shard.info())).await?;
        let troubles = collection.troubles();
        let status = match (troubles.is_empty(), collection.is_optimizing()) {
            (false, _) => proto::CollectionStatus::Red,
            (true, true) => proto::CollectionStatus::Yellow,
            (true, false) => proto::CollectionStatus::Green,
        };
        let optimizer_status = proto::OptimizerStatus { ok: troubles.is_empty(), error: troubles.to_string() };
        let schema = info.payload_schema.iter().map(|(field, index)| (field.to_string(), info_message(index)));
        Ok(proto::CollectionInfo {
            status: status.into(),
            optimizer_status: Some(optimizer_status),
            segments_count: info.segments_count as u64,
            config: Some(config_message(collection.config(), metadata)),
            payload_schema: schema.collect(),
            points_count: Some(info.points_count as u64),
            indexed_vectors_count: Some(info.indexed_vectors_count as u64),
            ..proto::CollectionInfo::default()
        })
    }

    async fn metadata(&self, name: &str) -> Result<HashMap<String, proto::Value>> {
        let store = self.store().await?;
        let registry = store.registry().await;
        let spec = registry.collections().get(registry.resolve(name)?);
        Ok(spec.map(|spec| proto_payload(Payload(spec.metadata.clone()))).unwrap_or_default())
    }
}

fn done(result: bool, started: Instant) -> Reply<proto::CollectionOperationResponse> {
    Ok(Response::new(proto::CollectionOperationResponse { result, time: seconds(started) }))
}

fn alias_step(operation: proto::AliasOperations) -> Result<AliasStep> {
    match operation.action.ok_or_else(|| invalid("an alias action is empty"))? {
        Action::CreateAlias(create) => {
            Ok(AliasStep::Create { alias: create.alias_name, collection: create.collection_name })
        }
        Action::RenameAlias(rename) => Ok(AliasStep::Rename { from: rename.old_alias_name, to: rename.new_alias_name }),
        Action::DeleteAlias(delete) => Ok(AliasStep::Delete { alias: delete.alias_name }),
    }
}

fn aliases(registry: &Registry, wanted: impl Fn(&str) -> bool, started: Instant) -> proto::ListAliasesResponse {
    let pairs = registry.aliases().iter().filter(|(_, collection)| wanted(collection));
    let aliases = pairs.map(|(alias, collection)| proto::AliasDescription {
        alias_name: alias.clone(),
        collection_name: collection.clone(),
    });
    proto::ListAliasesResponse { aliases: aliases.collect(), time: seconds(started) }
}
