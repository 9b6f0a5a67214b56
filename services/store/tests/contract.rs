//! Every call Heimdex makes, over a real socket with Qdrant's own client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod support;

use std::collections::HashMap;

use ::qdrant_client::qdrant::r#match::MatchValue;
use ::qdrant_client::qdrant::point_id::PointIdOptions;
use ::qdrant_client::qdrant::points_update_operation::{self as batch, Operation};
use ::qdrant_client::qdrant::{self as proto, *};
use ::qdrant_client::{Payload, Qdrant, QdrantError};
use serde_json::json;
use support::{Served, collection, config, point};
use tonic::Code;

const NAME: &str = "chunks";

/// Ten points: even ids are English, odd ones German; `page` is the id; `dense` turns with the id.
async fn filled() -> (Served, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(config(dir.path())).await;
    served.client.create_collection(collection(NAME, 2, 10_000)).await.unwrap();
    let points = (1..=10u64).map(|id| {
        let angle = id as f32 / 10.0;
        let language = if id % 2 == 0 { "en" } else { "de" };
        let payload = json!({"org": "o", "language": language, "page": id, "live": id > 5, "nested": {"n": id}});
        let common = [(1, 1.0), (100 + id as u32, 2.0)];
        point(id, vec![angle.cos(), angle.sin()], &common, payload)
    });
    served.client.upsert_points(UpsertPointsBuilder::new(NAME, points.collect::<Vec<_>>()).wait(true)).await.unwrap();
    (served, dir)
}

fn number(id: &Option<PointId>) -> u64 {
    match id.as_ref().and_then(|id| id.point_id_options.as_ref()) {
        Some(PointIdOptions::Num(number)) => *number,
        other => panic!("not a number: {other:?}"),
    }
}

async fn matching(client: &Qdrant, filter: Filter) -> Vec<u64> {
    let request = ScrollPointsBuilder::new(NAME).filter(filter).limit(100).with_payload(false);
    client.scroll(request).await.unwrap().result.iter().map(|point| number(&point.id)).collect()
}

async fn count(client: &Qdrant, filter: Option<Filter>) -> u64 {
    let request = CountPoints { collection_name: NAME.into(), filter, exact: Some(true), ..CountPoints::default() };
    client.count(request).await.unwrap().result.unwrap().count
}

async fn payload_of(client: &Qdrant, id: u64) -> serde_json::Value {
    let request = GetPointsBuilder::new(NAME, vec![id.into()]).with_payload(true);
    let mut found = client.get_points(request).await.unwrap().result;
    Payload::from(found.pop().expect("the point").payload).into()
}

fn code<T: std::fmt::Debug>(result: Result<T, QdrantError>) -> (Code, String) {
    match result.unwrap_err() {
        QdrantError::ResponseError { status } => (status.code(), status.message().to_string()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn health_says_which_engine_answers() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(config(dir.path())).await;
    let health = served.client.health_check().await.unwrap();
    assert!(health.title.starts_with("heimdex-store"));
    assert_eq!(health.version, "1.18.0");
    served.stop().await.unwrap();
}

#[tokio::test]
async fn collections_come_and_go() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let names: Vec<String> = client.list_collections().await.unwrap().collections.into_iter().map(|c| c.name).collect();
    assert_eq!(names, [NAME]);
    assert!(client.collection_exists(NAME).await.unwrap());
    assert_eq!(code(client.create_collection(collection(NAME, 2, 1)).await).0, Code::AlreadyExists);
    assert!(client.delete_collection(NAME).await.unwrap().result);
    assert!(!client.delete_collection(NAME).await.unwrap().result);
    assert!(!client.collection_exists(NAME).await.unwrap());
    assert_eq!(code(client.collection_info(NAME).await).0, Code::NotFound);
    client.create_collection(collection(NAME, 3, 1)).await.unwrap();
    assert_eq!(count(client, None).await, 0);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_collection_tells_its_settings_and_size() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    client.create_field_index(CreateFieldIndexCollectionBuilder::new(NAME, "page", FieldType::Integer)).await.unwrap();
    let info = client.collection_info(NAME).await.unwrap().result.unwrap();
    assert_eq!(info.points_count, Some(10));
    assert_eq!(info.payload_schema["page"].data_type(), PayloadSchemaType::Integer);
    let config = info.config.unwrap();
    let params = config.params.unwrap();
    let Some(vectors_config::Config::ParamsMap(dense)) = params.vectors_config.unwrap().config else { panic!() };
    assert_eq!((dense.map["dense"].size, dense.map["dense"].distance()), (2, Distance::Dot));
    assert_eq!(params.sparse_vectors_config.unwrap().map["bm25"].modifier(), Modifier::Idf);
    assert!(matches!(
        config.quantization_config.unwrap().quantization,
        Some(quantization_config::Quantization::Scalar(_))
    ));
    served.stop().await.unwrap();
}

#[tokio::test]
async fn an_alias_works_wherever_a_name_does() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    client.create_alias(CreateAliasBuilder::new(NAME, "live")).await.unwrap();
    assert!(client.collection_exists("live").await.unwrap());
    let got = client.get_points(GetPointsBuilder::new("live", vec![1.into()])).await.unwrap();
    assert_eq!(got.result.len(), 1);
    client.delete_points(DeletePointsBuilder::new("live").points(vec![PointId::from(1)])).await.unwrap();
    assert_eq!(count(client, None).await, 9);
    client.create_collection(collection("other", 2, 1)).await.unwrap();
    client.create_alias(CreateAliasBuilder::new("other", "live")).await.unwrap();
    assert!(client.get_points(GetPointsBuilder::new("live", vec![2.into()])).await.unwrap().result.is_empty());
    let aliases = client.list_aliases().await.unwrap().aliases;
    assert_eq!((aliases[0].alias_name.as_str(), aliases[0].collection_name.as_str()), ("live", "other"));
    assert_eq!(client.list_collection_aliases("other").await.unwrap().aliases.len(), 1);
    assert!(client.list_collection_aliases(NAME).await.unwrap().aliases.is_empty());
    client.rename_alias(RenameAliasBuilder::new("live", "current")).await.unwrap();
    client.delete_alias("current").await.unwrap();
    assert_eq!(code(client.delete_alias("current").await).0, Code::NotFound);
    assert_eq!(code(client.create_alias(CreateAliasBuilder::new(NAME, "other")).await).0, Code::AlreadyExists);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn filters_select_what_they_say() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let must = |condition: Condition| Filter::must([condition]);
    let cases = [
        (must(Condition::matches("language", "en".to_string())), vec![2, 4, 6, 8, 10]),
        (must(Condition::matches("language", vec!["en".to_string(), "fr".to_string()])), vec![2, 4, 6, 8, 10]),
        (
            must(Condition::matches(
                "language",
                MatchValue::ExceptKeywords(RepeatedStrings { strings: vec!["en".into()] }),
            )),
            vec![1, 3, 5, 7, 9],
        ),
        (must(Condition::matches("page", 3i64)), vec![3]),
        (must(Condition::matches("page", vec![3i64, 4])), vec![3, 4]),
        (must(Condition::matches("live", true)), vec![6, 7, 8, 9, 10]),
        (must(Condition::matches("nested.n", 7i64)), vec![7]),
        (must(Condition::range("page", Range { gt: Some(2.0), lte: Some(4.0), ..Range::default() })), vec![3, 4]),
        (must(Condition::has_id([1u64, 99])), vec![1]),
        (must(Condition::is_empty("absent")), (1..=10).collect()),
        (must(Condition::is_empty("org")), vec![]),
        (Filter::must_not([Condition::matches("live", true)]), vec![1, 2, 3, 4, 5]),
        (Filter::should([Condition::matches("page", 1i64), Condition::matches("page", 10i64)]), vec![1, 10]),
        (
            Filter::must([
                Filter::should([Condition::matches("page", 1i64), Condition::matches("page", 2i64)]).into(),
                Condition::matches("language", "de".to_string()),
            ]),
            vec![1],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(matching(client, filter.clone()).await, expected, "{filter:?}");
        assert_eq!(count(client, Some(filter)).await, expected.len() as u64);
    }
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_scroll_pages_through_everything_once() {
    let (served, _dir) = filled().await;
    let mut seen = Vec::new();
    let mut offset: Option<PointId> = None;
    loop {
        let mut request = ScrollPointsBuilder::new(NAME).limit(4).with_payload(false).with_vectors(true);
        if let Some(offset) = offset {
            request = request.offset(offset);
        }
        let page = served.client.scroll(request).await.unwrap();
        assert!(page.result.iter().all(|point| point.payload.is_empty() && point.vectors.is_some()));
        seen.extend(page.result.iter().map(|point| number(&point.id)));
        match page.next_page_offset {
            Some(next) => offset = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    served.stop().await.unwrap();
}

#[tokio::test]
async fn deletes_by_id_and_by_filter() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    client
        .delete_points(DeletePointsBuilder::new(NAME).points(vec![PointId::from(1), 2.into(), 77.into()]))
        .await
        .unwrap();
    let filter = Filter::must([Condition::matches("live", true)]);
    client.delete_points(DeletePointsBuilder::new(NAME).points(filter)).await.unwrap();
    assert_eq!(matching(client, Filter::default()).await, [3, 4, 5]);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn payloads_change_by_id_and_by_filter() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let payload = |value| Payload::try_from(value).unwrap();
    let ids = |ids: &[u64]| PointsIdsList { ids: ids.iter().map(|id| (*id).into()).collect() };
    let set =
        SetPayloadPointsBuilder::new(NAME, payload(json!({"state": "live", "page": 77}))).points_selector(ids(&[1]));
    client.set_payload(set).await.unwrap();
    let one = payload_of(client, 1).await;
    assert_eq!((&one["state"], &one["page"], &one["org"]), (&json!("live"), &json!(77), &json!("o")));
    let english = Filter::must([Condition::matches("language", "en".to_string())]);
    let set = SetPayloadPointsBuilder::new(NAME, payload(json!({"state": "dead"}))).points_selector(english);
    client.set_payload(set).await.unwrap();
    let dead = Filter::must([Condition::matches("state", "dead".to_string())]);
    assert_eq!(matching(client, dead).await, [2, 4, 6, 8, 10]);
    let at = SetPayloadPointsBuilder::new(NAME, payload(json!({"m": 1}))).key("nested").points_selector(ids(&[3]));
    client.set_payload(at).await.unwrap();
    assert_eq!(payload_of(client, 3).await["nested"], json!({"n": 3, "m": 1}));
    let missing = SetPayloadPointsBuilder::new(NAME, payload(json!({"state": "x"}))).points_selector(ids(&[3, 99]));
    assert_eq!(code(client.set_payload(missing).await).0, Code::NotFound);
    assert_eq!(payload_of(client, 3).await.get("state"), None);
    let keys = DeletePayloadPointsBuilder::new(NAME, vec!["nested".into()]).points_selector(ids(&[3]));
    client.delete_payload(keys).await.unwrap();
    assert_eq!(payload_of(client, 3).await.get("nested"), None);
    let whole = SetPayloadPointsBuilder::new(NAME, payload(json!({"a": 1}))).points_selector(ids(&[3]));
    client.overwrite_payload(whole).await.unwrap();
    assert_eq!(payload_of(client, 3).await, json!({"a": 1}));
    client.clear_payload(ClearPayloadPointsBuilder::new(NAME).points(ids(&[3]))).await.unwrap();
    assert_eq!(payload_of(client, 3).await, json!({}));
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_takes_its_operations_in_order() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let set = |value: &str| {
        Operation::SetPayload(batch::SetPayload {
            payload: HashMap::from([("state".to_string(), value.into())]),
            points_selector: Some(Filter::must([Condition::has_id([20u64])]).into()),
            ..batch::SetPayload::default()
        })
    };
    let operations = vec![
        Operation::Upsert(batch::PointStructList {
            points: vec![point(20, vec![1.0, 0.0], &[], json!({}))],
            ..batch::PointStructList::default()
        }),
        set("staged"),
        set("live"),
        Operation::DeletePoints(batch::DeletePoints {
            points: Some(vec![PointId::from(1)].into()),
            ..batch::DeletePoints::default()
        }),
    ];
    let operations: Vec<PointsUpdateOperation> =
        operations.into_iter().map(|operation| PointsUpdateOperation { operation: Some(operation) }).collect();
    let answer = client.update_points_batch(UpdateBatchPointsBuilder::new(NAME, operations).wait(true)).await.unwrap();
    assert_eq!(answer.result.len(), 4);
    assert_eq!(payload_of(client, 20).await, json!({"state": "live"}));
    assert_eq!(count(client, None).await, 10);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn an_upsert_replaces_the_whole_point() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let vectors = NamedVectors::default().add_vector("dense", Vector::new_dense(vec![0.5, 0.5]));
    let replaced = PointStruct::new(1, vectors, Payload::new());
    client.upsert_points(UpsertPointsBuilder::new(NAME, vec![replaced]).wait(true)).await.unwrap();
    let request = GetPointsBuilder::new(NAME, vec![1.into()]).with_vectors(true);
    let point = client.get_points(request).await.unwrap().result.pop().unwrap();
    assert!(point.payload.is_empty());
    let Some(vectors_output::VectorsOptions::Vectors(named)) = point.vectors.unwrap().vectors_options else { panic!() };
    assert_eq!(named.vectors.keys().collect::<Vec<_>>(), ["dense"]);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn insert_only_leaves_what_exists_as_it_is() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let (before, existing) = (payload_of(client, 1).await, count(client, None).await);
    let points = [1, 901].map(|id| point(id, vec![0.5, 0.5], &[(1, 1.0)], serde_json::json!({"new": true})));
    let request = UpsertPointsBuilder::new(NAME, points.to_vec()).update_mode(UpdateMode::InsertOnly);
    client.upsert_points(request.wait(true)).await.unwrap();
    assert_eq!(payload_of(client, 1).await, before);
    assert_eq!(
        (payload_of(client, 901).await, count(client, None).await),
        (serde_json::json!({"new": true}), existing + 1)
    );
    served.stop().await.unwrap();
}

#[tokio::test]
async fn nearest_by_dense_sparse_and_stored_vectors() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let ids = |points: Vec<ScoredPoint>| points.iter().map(|point| number(&point.id)).collect::<Vec<_>>();
    let dense = || QueryPointsBuilder::new(NAME).query(vec![1.0f32, 0.0]).using("dense");
    assert_eq!(ids(client.query(dense().limit(3)).await.unwrap().result), [1, 2, 3]);
    assert_eq!(ids(client.query(dense().limit(2).offset(2)).await.unwrap().result), [3, 4]);
    let threshold = 0.35f32.cos();
    assert_eq!(ids(client.query(dense().score_threshold(threshold)).await.unwrap().result), [1, 2, 3]);
    let live = Filter::must([Condition::matches("live", true)]);
    let found = client.query(dense().limit(2).filter(live).with_payload(true)).await.unwrap().result;
    assert_eq!(found[0].payload["page"].as_integer(), Some(6));
    assert_eq!(ids(found), [6, 7]);
    let by_id = QueryPointsBuilder::new(NAME).query(PointId::from(5)).using("dense").limit(2);
    let mut near = ids(client.query(by_id).await.unwrap().result);
    near.sort_unstable();
    assert_eq!(near, [4, 6]);
    let unknown = QueryPointsBuilder::new(NAME).query(PointId::from(99)).using("dense");
    assert_eq!(code(client.query(unknown).await).0, Code::NotFound);
    let sparse = QueryPointsBuilder::new(NAME).query(vec![(1u32, 1.0f32), (104, 1.0)]).using("bm25").limit(2);
    let found = client.query(sparse).await.unwrap().result;
    // A term every point has weighs ln(1 + 0.5 / 10.5), one that a single point has ln(1 + 9.5 / 1.5).
    let (frequent, rare) = ((1.0f32 + 0.5 / 10.5).ln(), (1.0f32 + 9.5 / 1.5).ln());
    assert_eq!(number(&found[0].id), 4);
    assert!((found[0].score - (frequent + 2.0 * rare)).abs() < 1e-4, "{}", found[0].score);
    assert!((found[1].score - frequent).abs() < 1e-4, "{}", found[1].score);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn selectors_return_what_they_name() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let query = || QueryPointsBuilder::new(NAME).query(vec![1.0f32, 0.0]).using("dense").limit(1);
    let bare = client.query(query()).await.unwrap().result;
    assert!(bare[0].payload.is_empty() && bare[0].vectors.is_none());
    let include = PayloadIncludeSelector { fields: vec!["page".into(), "nested.n".into()] };
    let some = client.query(query().with_payload(include)).await.unwrap().result;
    let payload: serde_json::Value = Payload::from(some[0].payload.clone()).into();
    assert_eq!(payload, json!({"page": 1, "nested": {"n": 1}}));
    let exclude = PayloadExcludeSelector { fields: vec!["page".into()] };
    let rest = client.query(query().with_payload(exclude)).await.unwrap().result;
    assert!(!rest[0].payload.contains_key("page") && rest[0].payload.contains_key("org"));
    let vectors =
        client.query(query().with_vectors(VectorsSelector { names: vec!["bm25".into()] })).await.unwrap().result;
    let Some(vectors_output::VectorsOptions::Vectors(named)) = vectors[0].vectors.clone().unwrap().vectors_options
    else {
        panic!()
    };
    assert_eq!(named.vectors.keys().collect::<Vec<_>>(), ["bm25"]);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_query_batch_answers_in_order_and_fails_whole() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let params = SearchParamsBuilder::default()
        .hnsw_ef(64)
        .exact(false)
        .quantization(QuantizationSearchParamsBuilder::default().rescore(true).oversampling(2.0));
    let dense = QueryPointsBuilder::new(NAME).query(vec![1.0f32, 0.0]).using("dense").limit(1).params(params).build();
    let sparse = QueryPointsBuilder::new(NAME).query(vec![(109u32, 1.0f32)]).using("bm25").limit(1).build();
    let batch =
        client.query_batch(QueryBatchPointsBuilder::new(NAME, vec![dense.clone(), sparse])).await.unwrap().result;
    assert_eq!(batch.iter().map(|answer| number(&answer.result[0].id)).collect::<Vec<_>>(), [1, 9]);
    let wrong = QueryPointsBuilder::new(NAME).query(vec![1.0f32]).using("dense").build();
    let failed = client.query_batch(QueryBatchPointsBuilder::new(NAME, vec![dense, wrong])).await;
    assert_eq!(code(failed).0, Code::InvalidArgument);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn facets_and_field_indexes() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let facet = || FacetCountsBuilder::new(NAME, "language").exact(true);
    assert_eq!(code(client.facet(facet()).await).0, Code::InvalidArgument);
    let tenant = KeywordIndexParamsBuilder::default().is_tenant(true).enable_hnsw(false);
    let index = CreateFieldIndexCollectionBuilder::new(NAME, "language", FieldType::Keyword).field_index_params(tenant);
    client.create_field_index(index.clone()).await.unwrap();
    client.create_field_index(index).await.unwrap();
    for (field, kind) in
        [("page", FieldType::Integer), ("live", FieldType::Bool), ("x", FieldType::Float), ("u", FieldType::Uuid)]
    {
        client.create_field_index(CreateFieldIndexCollectionBuilder::new(NAME, field, kind)).await.unwrap();
    }
    let live = Filter::must([Condition::matches("live", true)]);
    let hits = client.facet(facet().filter(live)).await.unwrap().hits;
    let counts: HashMap<String, u64> = hits
        .into_iter()
        .map(|hit| match hit.value.unwrap().variant.unwrap() {
            facet_value::Variant::StringValue(text) => (text, hit.count),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(counts, HashMap::from([("en".to_string(), 3), ("de".to_string(), 2)]));
    let schema = client.collection_info(NAME).await.unwrap().result.unwrap().payload_schema;
    assert_eq!(schema.len(), 5);
    let Some(payload_index_params::IndexParams::KeywordIndexParams(params)) =
        schema["language"].params.as_ref().and_then(|params| params.index_params.as_ref())
    else {
        panic!()
    };
    assert_eq!((params.is_tenant, params.enable_hnsw), (Some(true), Some(false)));
    client.delete_field_index(DeleteFieldIndexCollectionBuilder::new(NAME, "language")).await.unwrap();
    assert_eq!(client.collection_info(NAME).await.unwrap().result.unwrap().payload_schema.len(), 4);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn bad_points_are_refused_before_anything_changes() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let wrong = [
        PointStruct::new(30, NamedVectors::default().add_vector("dense", Vector::new_dense(vec![1.0])), Payload::new()),
        PointStruct::new(
            30,
            NamedVectors::default().add_vector("none", Vector::new_dense(vec![1.0, 1.0])),
            Payload::new(),
        ),
        PointStruct::new(
            30,
            NamedVectors::default().add_vector("dense", Vector::new_dense(vec![1.0, f32::NAN])),
            Payload::new(),
        ),
        PointStruct::new(
            30,
            NamedVectors::default().add_vector("bm25", Vector::new_sparse(vec![1, 1], vec![1.0, 2.0])),
            Payload::new(),
        ),
        PointStruct { id: Some("no-uuid".into()), ..PointStruct::default() },
    ];
    for bad in wrong {
        let good = point(31, vec![1.0, 0.0], &[], json!({}));
        let result = client.upsert_points(UpsertPointsBuilder::new(NAME, vec![good, bad]).wait(true)).await;
        assert_eq!(code(result).0, Code::InvalidArgument);
    }
    assert_eq!(count(client, None).await, 10);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_supported_is_answered_by_name() {
    let (served, _dir) = filled().await;
    let client = &served.client;
    let (status, message) = code(client.create_full_snapshot().await);
    assert_eq!(
        (status, message.as_str()),
        (Code::Unimplemented, "Snapshots/CreateFull is not supported by this store")
    );
    let (status, message) = code(client.search_points(SearchPointsBuilder::new(NAME, vec![1.0, 0.0], 1)).await);
    assert_eq!((status, message.as_str()), (Code::Unimplemented, "Points/Search is not supported by this store"));
    let fused = QueryPointsBuilder::new(NAME).query(Query::new_fusion(Fusion::Rrf));
    let (status, message) = code(client.query(fused).await);
    assert_eq!((status, message.as_str()), (Code::Unimplemented, "the query fusion is not supported by this store"));
    let text = CreateFieldIndexCollectionBuilder::new(NAME, "t", FieldType::Text);
    let (status, message) = code(client.create_field_index(text).await);
    assert_eq!(status, Code::Unimplemented, "{message}");
    let update = UpdateCollectionBuilder::new(NAME);
    assert_eq!(code(client.update_collection(update).await).1, "Collections/Update is not supported by this store");
    served.stop().await.unwrap();
}

#[tokio::test]
async fn an_unnamed_vector_works_too() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(config(dir.path())).await;
    let created = CreateCollectionBuilder::new(NAME).vectors_config(VectorParamsBuilder::new(2, Distance::Cosine));
    served.client.create_collection(created).await.unwrap();
    let uuid = "6a1b2c3d-0000-4000-8000-000000000001";
    let points = vec![PointStruct::new(uuid, vec![3.0, 4.0], Payload::new())];
    served.client.upsert_points(UpsertPointsBuilder::new(NAME, points)).await.unwrap();
    let query = QueryPointsBuilder::new(NAME).query(vec![3.0f32, 4.0]).with_vectors(true);
    let found = served.client.query(query).await.unwrap().result.pop().unwrap();
    assert_eq!(found.id, Some(proto::PointId::from(uuid)));
    assert!((found.score - 1.0).abs() < 1e-5);
    served.stop().await.unwrap();
}
