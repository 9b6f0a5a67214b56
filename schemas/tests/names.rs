//! Subjects, tokens, ids and the order of uploads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use heimdex_schemas::subject::{self, Address};
use heimdex_schemas::{AssetId, Lane, MsgId, Order, Org, PointId, StageName, UploadId};
use proptest::prelude::*;

fn org() -> impl Strategy<Value = Org> {
    "[A-Za-z0-9_-]{1,64}".prop_map(|text| text.parse().unwrap())
}

#[test]
fn tokens_that_would_change_a_subject_are_refused() {
    for text in ["", "a.b", "*", ">", "a b", "ä", "a\n", &"x".repeat(65)] {
        assert!(text.parse::<Org>().is_err(), "{text:?}");
    }
    assert!("a.b c/ä".parse::<AssetId>().is_ok());
    assert!("a\u{0}".parse::<AssetId>().is_err());
    assert!(serde_json::from_str::<Org>(r#""a.b""#).is_err(), "serde checks too");
}

#[test]
fn foreign_subjects_are_refused() {
    for text in
        ["", "heimdex.asset.uploaded.interactive", "other.asset.uploaded.bulk.acme", "heimdex.asset.uploaded.fast.acme"]
    {
        assert!(text.parse::<Address>().is_err(), "{text:?}");
    }
}

#[test]
fn an_invalid_org_still_has_a_dead_letter_subject() {
    assert_eq!(subject::dead_letter(StageName::Extractor, "a b", None), "heimdex.dlq.extractor._._");
}

#[test]
fn ids_never_change() {
    let upload = UploadId::new(&"acme".parse().unwrap(), "/cms", "0001");
    // Computed with Python's hashlib from the definition in `ids.rs`, not with this crate.
    assert_eq!(upload.to_string(), "664b8ec4-3cb6-5efd-bb8e-51aa77a5a8c8");
    assert_eq!(PointId::new(upload, "space", 3).to_string(), "7bbe2e75-b862-59ec-b93c-647bb8fd22a8");
    assert_eq!(MsgId::new(upload, StageName::Chunker, 2, 0).0, "a151aec0-3c2f-5a07-b934-555137b57b9d");
}

proptest! {
    #[test]
    fn addresses_round_trip(org in org(), bulk in any::<bool>()) {
        let lane = if bulk { Lane::Bulk } else { Lane::Interactive };
        let address = Address::new("heimdex.asset.uploaded", lane, &org);
        prop_assert_eq!(address.subject().parse::<Address>().unwrap(), address);
    }

    #[test]
    fn order_text_sorts_as_order(a in any::<(bool, u64, u64)>(), b in any::<(bool, u64, u64)>()) {
        let order = |(uploader, epoch, sequence): (bool, u64, u64)| {
            if uploader { Order::by_uploader(sequence) } else { Order::by_stream(epoch, sequence) }
        };
        let (a, b) = (order(a), order(b));
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        prop_assert_eq!(a.to_string().parse::<Order>().unwrap(), a);
    }

    #[test]
    fn no_two_uploads_share_an_id(org_a in org(), org_b in org(), parts in any::<[String; 4]>()) {
        let [source_a, id_a, source_b, id_b] = parts;
        let same = (&org_a, &source_a, &id_a) == (&org_b, &source_b, &id_b);
        prop_assert_eq!(UploadId::new(&org_a, &source_a, &id_a) == UploadId::new(&org_b, &source_b, &id_b), same);
    }

    #[test]
    fn moving_a_boundary_changes_the_id(text in "[a-z]{2,20}", cut in 1usize..19) {
        let org: Org = "acme".parse().unwrap();
        prop_assume!(cut < text.len());
        let (source, id) = text.split_at(cut);
        prop_assert_ne!(UploadId::new(&org, source, id), UploadId::new(&org, &text, ""));
    }
}
