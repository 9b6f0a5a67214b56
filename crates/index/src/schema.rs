//! How a collection is laid out: created when absent, compared when present.

use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::{
    CollectionInfo, CollectionParams, CreateCollection, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder,
    Distance, FieldType, IntegerIndexParamsBuilder, KeywordIndexParamsBuilder, Modifier, QuantizationType,
    ScalarQuantizationBuilder, SparseVectorConfig, SparseVectorParamsBuilder, VectorParams, VectorParamsBuilder,
    VectorParamsMap, vectors_config,
};
use qdrant_client::{Qdrant, QdrantError};
use std::collections::HashMap;

use crate::collection::Space;
use crate::error::{IndexError, Result};
use crate::options::Options;
use crate::point::field;

/// The dense vector's name.
pub(crate) const DENSE: &str = "dense";
/// The sparse vector's name.
pub(crate) const BM25: &str = "bm25";

/// Creates the collection and its field indexes as far as they are missing, and compares its vectors with `space`.
pub(crate) async fn ensure(client: &Qdrant, options: &Options, name: &str, space: &Space) -> Result<()> {
    if !client.collection_exists(name).await? {
        create(client, definition(options, name, space)).await?;
    }
    let info = client.collection_info(name).await?.result.unwrap_or_default();
    let differences = differences(info.config.as_ref().and_then(|config| config.params.as_ref()), space);
    if !differences.is_empty() {
        return Err(IndexError::Mismatch { collection: name.to_owned(), differences });
    }
    index_fields(client, name, &info).await
}

/// A collection that another replica created in between is no error: it is compared like any other.
async fn create(client: &Qdrant, definition: CreateCollection) -> Result<()> {
    let name = definition.collection_name.clone();
    match client.create_collection(definition).await {
        Ok(_) => tracing::info!(collection = %name, "created the collection"),
        Err(error) => return already_there(client, &name, error).await,
    }
    Ok(())
}

async fn already_there(client: &Qdrant, name: &str, error: QdrantError) -> Result<()> {
    if client.collection_exists(name).await? { Ok(()) } else { Err(error.into()) }
}

fn definition(options: &Options, name: &str, space: &Space) -> CreateCollection {
    let mut dense = VectorParamsBuilder::new(u64::from(space.dimension), Distance::Cosine).on_disk(true);
    if options.quantize {
        let int8 = ScalarQuantizationBuilder::default().r#type(QuantizationType::Int8.into()).always_ram(true);
        dense = dense.quantization_config(int8);
    }
    let dense = VectorParamsMap { map: HashMap::from([(DENSE.to_owned(), dense.build())]) };
    let bm25 = SparseVectorParamsBuilder::default().modifier(Modifier::Idf).build();
    CreateCollectionBuilder::new(name)
        .vectors_config(vectors_config::Config::ParamsMap(dense))
        .sparse_vectors_config(SparseVectorConfig { map: HashMap::from([(BM25.to_owned(), bm25)]) })
        .on_disk_payload(true)
        .build()
}

/// Length of the collection's dense vectors; `None` when it has none of that name, or is gone by now.
pub(crate) async fn dimension(client: &Qdrant, name: &str) -> Result<Option<u32>> {
    if !client.collection_exists(name).await? {
        return Ok(None);
    }
    let info = client.collection_info(name).await?.result.unwrap_or_default();
    let params = info.config.and_then(|config| config.params).unwrap_or_default();
    Ok(dense(&params).and_then(|dense| u32::try_from(dense.size).ok()))
}

/// What of the collection found does not fit, one line a setting.
fn differences(found: Option<&CollectionParams>, space: &Space) -> Vec<String> {
    let Some(found) = found else { return vec!["its parameters are unknown".to_owned()] };
    let mut differences = dense_differences(dense(found), space);
    match found.sparse_vectors_config.as_ref().and_then(|config| config.map.get(BM25)) {
        None => differences.push(format!("it has no sparse vector {BM25:?}")),
        Some(sparse) => {
            let modifier = sparse.modifier.unwrap_or_default();
            compare(&mut differences, "the sparse modifier", name_of_modifier(modifier), "Idf");
        }
    }
    differences
}

fn dense(found: &CollectionParams) -> Option<&VectorParams> {
    match found.vectors_config.as_ref()?.config.as_ref()? {
        vectors_config::Config::ParamsMap(params) => params.map.get(DENSE),
        vectors_config::Config::Params(_) => None,
    }
}

fn dense_differences(found: Option<&VectorParams>, space: &Space) -> Vec<String> {
    let Some(found) = found else { return vec![format!("it has no dense vector {DENSE:?}")] };
    let mut differences = Vec::new();
    compare(&mut differences, "the dense size", &found.size.to_string(), &space.dimension.to_string());
    let distance = Distance::try_from(found.distance).map_or("unknown", |distance| distance.as_str_name());
    compare(&mut differences, "the dense distance", distance, Distance::Cosine.as_str_name());
    differences
}

fn name_of_modifier(modifier: i32) -> &'static str {
    Modifier::try_from(modifier).map_or("unknown", |modifier| modifier.as_str_name())
}

fn compare(differences: &mut Vec<String>, setting: &str, found: &str, wanted: &str) {
    if found != wanted {
        differences.push(format!("{setting} is {found}, wanted is {wanted}"));
    }
}

/// Every field that filters name. None of them adds links to the graph (`enable_hnsw: false`): each would cost build time
/// and memory, and the tenant's own sub-graph covers the filters used.
fn field_indexes() -> [(&'static str, FieldType, IndexParams); 6] {
    let keyword = || KeywordIndexParamsBuilder::default().enable_hnsw(false);
    let keyword_field = |name| (name, FieldType::Keyword, IndexParams::from(keyword().build()));
    let tenant = IndexParams::from(keyword().is_tenant(true).build());
    let number = IndexParams::from(IntegerIndexParamsBuilder::new(true, true).enable_hnsw(false).build());
    [
        (field::ORG, FieldType::Keyword, tenant),
        keyword_field(field::ASSET),
        keyword_field(field::UPLOAD),
        keyword_field(field::STATE),
        keyword_field(field::LANGUAGE),
        (field::PAGES, FieldType::Integer, number),
    ]
}

async fn index_fields(client: &Qdrant, name: &str, info: &CollectionInfo) -> Result<()> {
    for (field, kind, params) in field_indexes() {
        if !info.payload_schema.contains_key(field) {
            let request = CreateFieldIndexCollectionBuilder::new(name, field, kind);
            client.create_field_index(request.field_index_params(params).wait(true)).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn space(dimension: u32) -> Space {
        Space { model: "m".parse().unwrap(), id: "s".to_owned(), dimension }
    }

    fn params(space: &Space) -> CollectionParams {
        let definition = definition(&Options::default(), "c", space);
        CollectionParams {
            vectors_config: definition.vectors_config,
            sparse_vectors_config: definition.sparse_vectors_config,
            ..CollectionParams::default()
        }
    }

    #[test]
    fn what_we_create_fits_and_every_other_setting_is_named() {
        assert!(differences(Some(&params(&space(384))), &space(384)).is_empty());
        let other = differences(Some(&params(&space(768))), &space(384));
        assert_eq!(other, ["the dense size is 768, wanted is 384"]);
        let mut plain = params(&space(384));
        plain.sparse_vectors_config = None;
        assert_eq!(differences(Some(&plain), &space(384)), ["it has no sparse vector \"bm25\""]);
        plain.vectors_config = None;
        assert_eq!(differences(Some(&plain), &space(384)).len(), 2);
    }

    #[test]
    fn quantization_is_a_setting() {
        let quantized = |quantize| {
            let params = definition(&Options { quantize, ..Options::default() }, "c", &space(4)).vectors_config;
            let Some(vectors_config::Config::ParamsMap(map)) = params.and_then(|p| p.config) else { return false };
            map.map.get(DENSE).is_some_and(|dense| dense.quantization_config.is_some())
        };
        assert!(quantized(true) && !quantized(false));
    }
}
