//! The envelope: what goes out comes back, and what is wrong is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use bytes::Bytes;
use heimdex_schemas::{AssetUploaded, Content, DocumentExtracted, Envelope, EnvelopeError};
use proptest::prelude::*;

const DATA: &str = r#"{"asset_id":"a","content":{"text":"hello"}}"#;

fn headers() -> Vec<(&'static str, &'static str)> {
    vec![
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/cms"),
        ("ce-type", "heimdex.asset.uploaded.v1"),
        ("content-type", "application/json"),
    ]
}

fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    headers().into_iter().filter(|(n, _)| *n != name).collect()
}

fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    without(name).into_iter().chain([(name, value)]).collect()
}

fn decode(headers: Vec<(&str, &str)>) -> Result<Envelope, EnvelopeError> {
    Envelope::decode(headers, Bytes::from_static(DATA.as_bytes()))
}

fn structured(json: &'static str) -> Result<Envelope, EnvelopeError> {
    Envelope::decode(
        [("content-type", "application/cloudevents+json; charset=utf-8")],
        Bytes::from_static(json.as_bytes()),
    )
}

#[test]
fn binary_mode_is_read() {
    let envelope = decode(headers()).unwrap();
    let data: AssetUploaded = envelope.data_as().unwrap();
    assert_eq!((envelope.id(), envelope.source(), data.asset_id.as_str()), ("1", "/cms", "a"));
    assert_eq!(data.content, Content::Text("hello".to_owned()));
}

#[test]
fn header_names_have_no_case() {
    let envelope = decode(vec![
        ("CE-SpecVersion", "1.0"),
        ("Ce-Id", "1"),
        ("ce-Source", "/cms"),
        ("Ce-Type", "heimdex.asset.uploaded.v1"),
    ]);
    assert_eq!(envelope.unwrap().id(), "1");
}

#[test]
fn structured_mode_is_read_with_and_without_its_content_type() {
    let json = r#"{"specversion":"1.0","id":"1","source":"/cms","type":"heimdex.asset.uploaded.v1",
        "sequence":7,"data":{"asset_id":"a","content":{"text":"hello"}}}"#;
    for envelope in [structured(json), Envelope::decode([], Bytes::from_static(json.as_bytes()))] {
        let envelope = envelope.unwrap();
        assert_eq!(envelope.sequence(), Some("7"));
        assert_eq!(envelope.data_as::<AssetUploaded>().unwrap().asset_id.as_str(), "a");
    }
}

#[test]
fn structured_base64_data_is_read() {
    let json = r#"{"specversion":"1.0","id":"1","source":"/cms","type":"heimdex.asset.uploaded.v1",
        "data_base64":"eyJhc3NldF9pZCI6ImEiLCJjb250ZW50Ijp7InRleHQiOiJoIn19"}"#;
    assert_eq!(structured(json).unwrap().data_as::<AssetUploaded>().unwrap().asset_id.as_str(), "a");
}

#[test]
fn each_missing_required_attribute_is_named() {
    for name in ["specversion", "id", "source", "type"] {
        let found = decode(without(&format!("ce-{name}"))).unwrap_err();
        assert_eq!(found, EnvelopeError::Missing(name));
    }
}

#[test]
fn bad_headers_are_named() {
    let invalid = |headers, name: &str| match decode(headers).unwrap_err() {
        EnvelopeError::Invalid { name: found, .. } => assert_eq!(found, name),
        other => panic!("{other}"),
    };
    invalid(with("ce-subject", "%C0%A0"), "subject");
    invalid(with("ce-subject", "%FF"), "subject");
    invalid(with("ce-subject", "line%0Abreak"), "subject");
    invalid(with("ce-id", ""), "id");
    invalid(with("ce-time", "yesterday"), "time");
    invalid(with("ce-bad_name", "x"), "bad_name");
    assert_eq!(decode(with("ce-specversion", "0.3")).unwrap_err(), EnvelopeError::SpecVersion("0.3".to_owned()));
}

#[test]
fn duplicates_are_refused_in_both_modes() {
    let mut twice = headers();
    twice.push(("CE-ID", "2"));
    assert_eq!(decode(twice).unwrap_err(), EnvelopeError::Duplicate("id".to_owned()));
    let json = r#"{"specversion":"1.0","id":"1","id":"2","source":"/cms","type":"t"}"#;
    assert_eq!(structured(json).unwrap_err(), EnvelopeError::Duplicate("id".to_owned()));
    let json = r#"{"specversion":"1.0","id":"1","source":"/cms","type":"t","data":1,"data_base64":"AA=="}"#;
    assert_eq!(structured(json).unwrap_err(), EnvelopeError::Duplicate("data_base64".to_owned()));
}

#[test]
fn a_newer_major_is_told_apart_from_a_wrong_type() {
    let newer = decode(with("ce-type", "heimdex.asset.uploaded.v2")).unwrap().data_as::<AssetUploaded>();
    assert!(matches!(newer.unwrap_err(), EnvelopeError::NewerMajor { .. }));
    for ty in [
        "heimdex.asset.uploaded.v0",
        "heimdex.asset.uploaded",
        "heimdex.asset.deleted.v2",
        "heimdex.asset.uploaded.v1x",
    ] {
        let wrong = decode(with("ce-type", ty)).unwrap().data_as::<AssetUploaded>();
        assert!(matches!(wrong.unwrap_err(), EnvelopeError::Type { .. }), "{ty}");
    }
}

#[test]
fn unknown_fields_of_a_public_event_are_refused_by_name() {
    let data = Bytes::from_static(br#"{"asset_id":"a","content":{"text":"x"},"asset":1}"#);
    let error = Envelope::decode(headers(), data).unwrap().data_as::<AssetUploaded>().unwrap_err();
    assert!(error.to_string().contains("asset"), "{error}");
}

#[test]
fn a_replay_is_said_beside_the_event_in_both_modes() {
    let binary = decode(with("Heimdex-Replay", "2")).unwrap();
    assert_eq!((binary.replay(), decode(headers()).unwrap().replay()), (2, 0));
    let structured = format!(
        r#"{{"specversion":"1.0","id":"1","source":"/cms","type":"heimdex.asset.uploaded.v1","data":{DATA},"heimdexreplay":1}}"#
    );
    let decode = |headers: Vec<(&'static str, &'static str)>| {
        Envelope::decode(headers, Bytes::from(structured.clone())).unwrap().replay()
    };
    assert_eq!((decode(vec![]), decode(vec![("heimdex-replay", "3")])), (1, 3));
    assert_eq!(decode(vec![("content-type", "application/cloudevents+json"), ("Heimdex-Replay", "x")]), 1);
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        id in "[^\\p{Cc}]{1,60}",
        source in "[^\\p{Cc}]{1,60}",
        traceparent in proptest::option::of("[^\\p{Cc}]{1,60}"),
        text in ".{0,200}",
    ) {
        let asset = AssetUploaded {
            asset_id: "a".parse().unwrap(), content: Content::Text(text), org: None, title: None, source: None, model: None,
            password: None,
        };
        let mut sent = Envelope::wrap(&source, &id, &asset).unwrap();
        if let Some(traceparent) = traceparent {
            sent = sent.with_extension("traceparent", &traceparent);
        }
        let wire = sent.encode();
        for (_, value) in &wire.headers {
            prop_assert!(value.bytes().all(|b| (0x21..0x7f).contains(&b)), "{value:?} is not header-safe");
        }
        let headers = wire.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let received = Envelope::decode(headers, wire.payload).unwrap();
        prop_assert_eq!(&received, &sent);
        prop_assert_eq!(received.data_as::<AssetUploaded>().unwrap(), asset);
    }

    #[test]
    fn decoding_never_panics(
        headers in proptest::collection::vec(("(ce-)?[a-zA-Z-]{0,12}", ".{0,40}"), 0..8),
        payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let headers = headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        if let Ok(envelope) = Envelope::decode(headers, Bytes::from(payload)) {
            let _ = envelope.data_as::<DocumentExtracted>();
        }
    }
}
