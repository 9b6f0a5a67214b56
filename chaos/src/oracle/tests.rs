#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use heimdex_index::{Document, Point};
use heimdex_schemas::{ModelName, Order, Org, Receipt, ReceiptState, Sparse};

use super::*;
use crate::observe::Dead;
use crate::producer::Produced;

fn job(name: &str) -> UploadId {
    UploadId::new(&org(), "/s", name)
}

fn org() -> Org {
    "acme".parse().unwrap()
}

fn model() -> ModelName {
    "m".parse().unwrap()
}

fn point(asset: &str, upload: &str, state: State) -> StoredPoint {
    let document = Document {
        org_id: org(),
        asset_id: asset.parse().unwrap(),
        upload: job(upload),
        order: Order::by_stream(1, 1),
        ordinal: 0,
        total: 1,
        text: asset.to_owned(),
        pages: vec![1],
        page_starts: vec![0],
        span: [0, 1],
        heading_path: Vec::new(),
        language: None,
        title: None,
        source: None,
        model: model(),
        space: "s".to_owned(),
        numerics: "n".to_owned(),
        content_hash: "h".to_owned(),
        state,
        indexed_at: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let sparse = Sparse { indices: vec![1], values: vec![1.0] };
    let point = Point { id: PointId::new(job(upload), "s", 0), document };
    StoredPoint { point, dense: vec![0.6, 0.8], sparse }
}

fn receipt(asset: &str, state: ReceiptState) -> Receipt {
    Receipt {
        org: org(),
        asset_id: asset.parse().unwrap(),
        upload: job(asset),
        state,
        version: 0,
        order: Order::by_stream(1, 1),
        model: model(),
        chunks: 1,
        pages: 1,
        format: None,
        language: None,
        warnings: Vec::new(),
        missing: Vec::new(),
        failures: Vec::new(),
        superseded_by: None,
        accepted_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        completed_at: "2026-01-01T00:00:01Z".parse().unwrap(),
    }
}

fn observation() -> Observation {
    let points = vec![point("a", "a", State::Live), point("b", "b", State::Live)];
    let receipts = ["a", "b"].map(|asset| (job(asset), receipt(asset, ReceiptState::Indexed)));
    Observation { receipts: BTreeMap::from(receipts), dead: Vec::new(), live_count: 2, points }
}

fn run(observation: Observation) -> Run {
    Run {
        produced: Produced { accepted: vec![job("a"), job("b")], retries: 0 },
        strikes: Fault::ALL.map(|fault| (fault, 1)).into(),
        exits: BTreeMap::new(),
        struck_for: Duration::ZERO,
        settled_in: Duration::ZERO,
        waiting: Vec::new(),
        queued: 0,
        observation,
    }
}

/// The verdict after `change` to an otherwise perfect run.
fn after(change: impl FnOnce(&mut Run)) -> Verdict {
    let mut run = run(observation());
    change(&mut run);
    judge(&run, &observation())
}

#[test]
fn the_same_holds() {
    let verdict = after(|_| {});
    assert!(verdict.holds(), "{verdict:?}");
    assert!((verdict.lowest_cosine - 1.0).abs() < 1e-6);
}

#[test]
fn an_upload_without_receipt_is_lost_or_stuck() {
    let lost = after(|run| run.waiting.push(job("a")));
    assert!((lost.lost.len(), lost.stuck.len()) == (1, 0) && !lost.holds());
    let stuck = after(|run| {
        run.waiting.push(job("a"));
        run.queued = 1;
    });
    assert!((stuck.lost.len(), stuck.stuck.len()) == (0, 2) && !stuck.holds());
}

#[test]
fn points_are_missing_foreign_doubled_staged_or_changed() {
    let missing = after(|run| {
        run.observation.points.pop();
        run.observation.live_count = 1;
    });
    assert!(missing.missing_points.len() == 1 && !missing.holds());
    let foreign = after(|run| run.observation.points.push(point("x", "x", State::Dead)));
    assert!(foreign.foreign.len() == 1 && !foreign.holds());
    let twice = after(|run| run.observation.points.push(point("a", "a", State::Live)));
    assert!(twice.doubled.len() == 1 && !twice.holds());
    let counted = after(|run| run.observation.live_count = 3);
    assert!(counted.doubled.len() == 1 && !counted.holds());
    let staged = after(|run| run.observation.points.push(point("b", "b", State::Staged)));
    assert!(staged.staged.len() == 1 && !staged.holds());
    let changed = after(|run| run.observation.points[0].point.document.text.push('!'));
    assert!(changed.changed_points.len() == 1 && !changed.holds());
    let turned = after(|run| run.observation.points[0].dense = vec![0.61, 0.79]);
    assert!(turned.lowest_cosine < 1.0 && turned.lowest_cosine > COSINE && turned.holds());
    let other = after(|run| run.observation.points[0].dense = vec![0.8, 0.6]);
    assert!(other.lowest_cosine < COSINE && !other.holds());
}

#[test]
fn two_live_uploads_of_an_asset_are_doubled() {
    let verdict = after(|run| {
        run.observation.points.push(point("a", "b2", State::Live));
        run.observation.live_count = 3;
        run.produced.accepted.push(job("b2"));
    });
    assert_eq!(verdict.doubled.len(), 1, "{verdict:?}");
}

#[test]
fn outcomes_and_dead_letters_must_be_those_of_the_undisturbed_run() {
    let failed = after(|run| {
        run.observation.receipts.insert(job("a"), receipt("a", ReceiptState::Failed));
    });
    assert!(failed.other_outcome.len() == 1 && !failed.holds());
    a_replaced_upload_may_be_indexed_first_or_superseded();
    let dead = after(|run| {
        let (stage, code, message) = ("writer".to_owned(), "poison".to_owned(), "killed".to_owned());
        run.observation.dead.push(Dead { asset_hash: "0a".to_owned(), stage, code, message });
    });
    assert!(dead.innocent_dead_letters.len() == 1 && !dead.holds());
}

fn a_replaced_upload_may_be_indexed_first_or_superseded() {
    let newer = Receipt { upload: job("a2"), order: Order::by_stream(1, 2), ..receipt("a", ReceiptState::Indexed) };
    let mut undisturbed = observation();
    undisturbed.receipts.insert(job("a2"), newer);
    let outcome = |state| {
        let mut run = run(undisturbed.clone());
        run.produced.accepted.push(job("a2"));
        run.observation.receipts.insert(job("a"), receipt("a", state));
        judge(&run, &undisturbed).other_outcome.len()
    };
    assert_eq!([ReceiptState::Superseded, ReceiptState::Indexed, ReceiptState::Failed].map(outcome), [0, 0, 1]);
}

#[test]
fn a_drill_that_left_out_a_fault_proves_nothing() {
    let verdict = after(|run| {
        run.strikes.remove(&Fault::ALL[0]);
    });
    assert_eq!(verdict.unstruck, [Fault::ALL[0].to_string()]);
    assert!(!verdict.holds());
}
