//! Collection settings: a create request as the engine's configuration, and that as the answer to "get".
#![expect(
    deprecated,
    reason = "clients of the engine's generation say on_disk and always_ram; newer ones also say memory"
)]

use std::collections::HashMap;

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::quantization_config::Quantization;
use qdrant_client::qdrant::vectors_config;
use qdrant_edge::{
    DEFAULT_VECTOR_NAME, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeSparseVectorParams, EdgeVectorParams,
    HnswIndexConfig, Modifier, QuantizationConfig, VectorStorageDatatype,
};
use serde_json::json;

use super::{on_disk, size};
use crate::error::{Error, Result, invalid};

/// Dimensions Qdrant accepts.
const DIMENSIONS: std::ops::RangeInclusive<u64> = 1..=65_536;

/// The engine's configuration for a create request; `indexing_threads` bounds each optimization.
pub fn engine_config(request: &proto::CreateCollection, indexing_threads: usize) -> Result<EdgeConfig> {
    refuse_unsupported(request)?;
    let base = HnswIndexConfig { max_indexing_threads: indexing_threads, ..HnswIndexConfig::default() };
    let hnsw_config = hnsw(request.hnsw_config.as_ref(), base)?;
    let vectors = dense_messages(request.vectors_config.as_ref())
        .into_iter()
        .map(|(name, params)| Ok((name, dense(&params, hnsw_config)?)))
        .collect::<Result<HashMap<_, _>>>()?;
    let sparse_vectors = sparse_messages(request.sparse_vectors_config.as_ref())
        .map(|(name, params)| Ok((name.clone(), sparse(params)?)))
        .collect::<Result<HashMap<_, _>>>()?;
    if vectors.is_empty() && sparse_vectors.is_empty() {
        return Err(invalid("a collection needs at least one vector"));
    }
    if let Some(name) = sparse_vectors.keys().find(|name| vectors.contains_key(*name) || name.is_empty()) {
        return Err(invalid(format!("sparse vector {name:?} needs a name of its own")));
    }
    Ok(EdgeConfig {
        on_disk_payload: on_disk(request.payload.and_then(|p| p.memory), request.on_disk_payload)?.unwrap_or(true),
        vectors,
        sparse_vectors,
        hnsw_config,
        quantization_config: quantization(request.quantization_config.as_ref())?,
        optimizers: optimizers(request.optimizers_config.as_ref()),
        wal_options: None,
    })
}

fn refuse_unsupported(request: &proto::CreateCollection) -> Result<()> {
    let unsupported = [
        ("strict_mode_config", request.strict_mode_config.is_some()),
        ("id_tracker", request.id_tracker.is_some()),
        ("shard_number above 1", request.shard_number.unwrap_or(1) > 1),
        ("sharding_method", request.sharding_method.unwrap_or(0) != 0),
        ("replication_factor above 1", request.replication_factor.unwrap_or(1) > 1),
    ];
    refuse(&unsupported)
}

fn refuse(unsupported: &[(&str, bool)]) -> Result<()> {
    match unsupported.iter().find(|(_, used)| *used) {
        Some((name, _)) => Err(Error::Unimplemented(format!("the collection setting {name}"))),
        None => Ok(()),
    }
}

fn dense_messages(config: Option<&proto::VectorsConfig>) -> HashMap<String, proto::VectorParams> {
    match config.and_then(|config| config.config.clone()) {
        None => HashMap::new(),
        Some(vectors_config::Config::Params(params)) => HashMap::from([(DEFAULT_VECTOR_NAME.to_string(), params)]),
        Some(vectors_config::Config::ParamsMap(map)) => map.map,
    }
}

fn sparse_messages(
    config: Option<&proto::SparseVectorConfig>,
) -> impl Iterator<Item = (&String, &proto::SparseVectorParams)> {
    config.into_iter().flat_map(|config| config.map.iter())
}

fn dense(params: &proto::VectorParams, hnsw_config: HnswIndexConfig) -> Result<EdgeVectorParams> {
    refuse(&[("multivector_config", params.multivector_config.is_some())])?;
    if !DIMENSIONS.contains(&params.size) {
        return Err(invalid(format!("a vector of {} dimensions is outside 1 to 65536", params.size)));
    }
    let own_hnsw = params.hnsw_config.as_ref().map(|diff| hnsw(Some(diff), hnsw_config)).transpose()?;
    Ok(EdgeVectorParams {
        size: size(params.size),
        distance: distance(params.distance())?,
        on_disk: on_disk(params.memory, params.on_disk)?,
        multivector_config: None,
        datatype: params.datatype.map(datatype).transpose()?.flatten(),
        quantization_config: quantization(params.quantization_config.as_ref())?,
        hnsw_config: own_hnsw,
    })
}

fn distance(distance: proto::Distance) -> Result<Distance> {
    match distance {
        proto::Distance::Cosine => Ok(Distance::Cosine),
        proto::Distance::Euclid => Ok(Distance::Euclid),
        proto::Distance::Dot => Ok(Distance::Dot),
        proto::Distance::Manhattan => Ok(Distance::Manhattan),
        proto::Distance::UnknownDistance => Err(invalid("a vector needs a distance")),
    }
}

fn datatype(datatype: i32) -> Result<Option<VectorStorageDatatype>> {
    match proto::Datatype::try_from(datatype) {
        Ok(proto::Datatype::Default) => Ok(None),
        Ok(proto::Datatype::Float32) => Ok(Some(VectorStorageDatatype::Float32)),
        Ok(proto::Datatype::Float16) => Ok(Some(VectorStorageDatatype::Float16)),
        Ok(proto::Datatype::Uint8) => Ok(Some(VectorStorageDatatype::Uint8)),
        Ok(other) => Err(Error::Unimplemented(format!("the vector datatype {}", other.as_str_name()))),
        Err(_) => Err(invalid(format!("vector datatype {datatype} does not exist"))),
    }
}

fn sparse(params: &proto::SparseVectorParams) -> Result<EdgeSparseVectorParams> {
    let index = params.index.unwrap_or_default();
    let modifier = match params.modifier() {
        proto::Modifier::Idf => Some(Modifier::Idf),
        proto::Modifier::None => None,
    };
    Ok(EdgeSparseVectorParams {
        full_scan_threshold: index.full_scan_threshold.map(size),
        on_disk: on_disk(index.memory, index.on_disk)?,
        modifier,
        datatype: index.datatype.map(datatype).transpose()?.flatten(),
    })
}

fn hnsw(diff: Option<&proto::HnswConfigDiff>, base: HnswIndexConfig) -> Result<HnswIndexConfig> {
    let Some(diff) = diff else { return Ok(base) };
    if diff.ef_construct.is_some_and(|ef| ef < 4) {
        return Err(invalid("hnsw_config.ef_construct must be at least 4"));
    }
    let asked = diff.max_indexing_threads.map_or(0, size);
    // The store's own bound holds: one collection must not take the machine.
    let threads = if asked == 0 { base.max_indexing_threads } else { asked.min(base.max_indexing_threads) };
    Ok(HnswIndexConfig {
        m: diff.m.map_or(base.m, size),
        ef_construct: diff.ef_construct.map_or(base.ef_construct, size),
        full_scan_threshold: diff.full_scan_threshold.map_or(base.full_scan_threshold, size),
        max_indexing_threads: threads,
        on_disk: on_disk(diff.memory, diff.on_disk)?.or(base.on_disk),
        payload_m: diff.payload_m.map(size).or(base.payload_m),
        inline_storage: diff.inline_storage.or(base.inline_storage),
    })
}

fn quantization(config: Option<&proto::QuantizationConfig>) -> Result<Option<QuantizationConfig>> {
    let scalar = match config.and_then(|config| config.quantization.as_ref()) {
        None => return Ok(None),
        Some(Quantization::Scalar(scalar)) => scalar,
        Some(Quantization::Product(_)) => return Err(Error::Unimplemented("product quantization".into())),
        Some(Quantization::Binary(_)) => return Err(Error::Unimplemented("binary quantization".into())),
        Some(Quantization::Turboquant(_)) => return Err(Error::Unimplemented("turbo quantization".into())),
    };
    if scalar.quantile.is_some_and(|quantile| !(0.5..=1.0).contains(&quantile)) {
        return Err(invalid("the quantile of scalar quantization is between 0.5 and 1"));
    }
    let in_memory = on_disk(scalar.memory, scalar.always_ram.map(|always| !always))?.map(|on_disk| !on_disk);
    // The engine's own name for this variant is not public; its JSON is.
    let scalar = json!({"scalar": {"type": "int8", "quantile": scalar.quantile, "always_ram": in_memory}});
    serde_json::from_value(scalar).map(Some).map_err(|e| invalid(format!("quantization: {e}")))
}

fn optimizers(diff: Option<&proto::OptimizersConfigDiff>) -> EdgeOptimizersConfig {
    let diff = diff.cloned().unwrap_or_default();
    EdgeOptimizersConfig {
        deleted_threshold: diff.deleted_threshold,
        vacuum_min_vector_number: diff.vacuum_min_vector_number.map(size),
        default_segment_number: diff.default_segment_number.map(size),
        max_segment_size: diff.max_segment_size.map(size),
        indexing_threshold: diff.indexing_threshold.map(size),
        prevent_unoptimized: None,
    }
}

/// The configuration as Qdrant's answer shows it.
pub fn config_message(config: &EdgeConfig, metadata: HashMap<String, proto::Value>) -> proto::CollectionConfig {
    let mut dense: HashMap<String, proto::VectorParams> =
        config.vectors.iter().map(|(name, params)| (name.clone(), dense_message(params))).collect();
    let vectors = match dense.remove(DEFAULT_VECTOR_NAME) {
        Some(lone) => vectors_config::Config::Params(lone),
        None => vectors_config::Config::ParamsMap(proto::VectorParamsMap { map: dense }),
    };
    let sparse = config.sparse_vectors.iter().map(|(name, params)| (name.clone(), sparse_message(params)));
    proto::CollectionConfig {
        params: Some(proto::CollectionParams {
            shard_number: 1,
            on_disk_payload: config.on_disk_payload,
            vectors_config: Some(proto::VectorsConfig { config: Some(vectors) }),
            replication_factor: Some(1),
            sparse_vectors_config: Some(proto::SparseVectorConfig { map: sparse.collect() }),
            ..proto::CollectionParams::default()
        }),
        hnsw_config: Some(hnsw_message(&config.hnsw_config)),
        optimizer_config: Some(optimizers_message(&config.optimizers)),
        quantization_config: config.quantization_config.as_ref().and_then(quantization_message),
        metadata,
        ..proto::CollectionConfig::default()
    }
}

fn dense_message(params: &EdgeVectorParams) -> proto::VectorParams {
    let distance = match params.distance {
        Distance::Cosine => proto::Distance::Cosine,
        Distance::Euclid => proto::Distance::Euclid,
        Distance::Dot => proto::Distance::Dot,
        Distance::Manhattan => proto::Distance::Manhattan,
    };
    proto::VectorParams {
        size: params.size as u64,
        distance: distance.into(),
        hnsw_config: params.hnsw_config.as_ref().map(hnsw_message),
        quantization_config: params.quantization_config.as_ref().and_then(quantization_message),
        on_disk: params.on_disk,
        datatype: params.datatype.as_ref().map(datatype_message),
        ..proto::VectorParams::default()
    }
}

fn datatype_message(datatype: &VectorStorageDatatype) -> i32 {
    let datatype = match datatype {
        VectorStorageDatatype::Float32 => proto::Datatype::Float32,
        VectorStorageDatatype::Float16 => proto::Datatype::Float16,
        VectorStorageDatatype::Uint8 => proto::Datatype::Uint8,
        VectorStorageDatatype::Turbo4 => proto::Datatype::Turbo4,
    };
    datatype.into()
}

fn sparse_message(params: &EdgeSparseVectorParams) -> proto::SparseVectorParams {
    proto::SparseVectorParams {
        index: Some(proto::SparseIndexConfig {
            full_scan_threshold: params.full_scan_threshold.map(|n| n as u64),
            on_disk: params.on_disk,
            datatype: params.datatype.as_ref().map(datatype_message),
            ..proto::SparseIndexConfig::default()
        }),
        modifier: params.modifier.map(|modifier| match modifier {
            Modifier::Idf => proto::Modifier::Idf.into(),
            Modifier::None => proto::Modifier::None.into(),
        }),
    }
}

fn hnsw_message(config: &HnswIndexConfig) -> proto::HnswConfigDiff {
    proto::HnswConfigDiff {
        m: Some(config.m as u64),
        ef_construct: Some(config.ef_construct as u64),
        full_scan_threshold: Some(config.full_scan_threshold as u64),
        max_indexing_threads: Some(config.max_indexing_threads as u64),
        on_disk: config.on_disk,
        payload_m: config.payload_m.map(|m| m as u64),
        inline_storage: config.inline_storage,
        ..proto::HnswConfigDiff::default()
    }
}

fn optimizers_message(config: &EdgeOptimizersConfig) -> proto::OptimizersConfigDiff {
    proto::OptimizersConfigDiff {
        deleted_threshold: config.deleted_threshold,
        vacuum_min_vector_number: config.vacuum_min_vector_number.map(|n| n as u64),
        default_segment_number: config.default_segment_number.map(|n| n as u64),
        max_segment_size: config.max_segment_size.map(|n| n as u64),
        indexing_threshold: config.indexing_threshold.map(|n| n as u64),
        ..proto::OptimizersConfigDiff::default()
    }
}

fn quantization_message(config: &QuantizationConfig) -> Option<proto::QuantizationConfig> {
    let QuantizationConfig::Scalar(scalar) = config else { return None };
    let quantization = Quantization::Scalar(proto::ScalarQuantization {
        r#type: proto::QuantizationType::Int8.into(),
        quantile: scalar.scalar.quantile,
        always_ram: scalar.scalar.always_ram,
        ..proto::ScalarQuantization::default()
    });
    Some(proto::QuantizationConfig { quantization: Some(quantization) })
}
