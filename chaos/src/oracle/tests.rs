#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use heimdex_index::{Document, Point};
use heimdex_schemas::{Lane, ModelName, Order, Org, Receipt};

use super::*;
use crate::injector::Struck;
use crate::observe::Queues;
use crate::reference::Known;
use crate::workload::{Event, Wish, Workload};

fn org() -> Org {
    "acme".parse().unwrap()
}

fn event(asset: &str, id: &str, wish: Wish, rank: u64) -> Event {
    let asset = Some(asset.parse().unwrap());
    Event { org: org(), asset, id: id.to_owned(), wish, rank, is_numbered: true, lane: Lane::Bulk, skew: 0 }
}

/// Asset `a` was uploaded twice, `b` once and deleted, `c` cannot be read. Entry 0 has two chunks.
fn workload() -> Workload {
    let events = vec![
        event("a", "a1", Wish::Upload(0), 1),
        event("a", "a2", Wish::Upload(0), 2),
        event("b", "b1", Wish::Upload(0), 1),
        event("b", "b2", Wish::Delete, 2),
        event("c", "c1", Wish::Upload(1), 1),
    ];
    Workload { events, ..Workload::default() }
}

fn reference() -> Reference {
    Reference { space: "s".to_owned(), entries: vec![Known::good(2), Known::unreadable()] }
}

fn job(id: &str) -> UploadId {
    workload().events.iter().find(|event| event.id == id).unwrap().job()
}

fn point(asset: &str, upload: UploadId, ordinal: u32, state: State) -> StoredPoint {
    let known = reference().entries[0].chunks[ordinal as usize].clone();
    let document = Document {
        org_id: org(),
        asset_id: asset.parse().unwrap(),
        upload,
        order: Order::by_uploader(1),
        position: Order::by_stream(1, 1),
        ordinal,
        total: known.total,
        text: known.text,
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
        content_hash: known.content_hash,
        state,
        indexed_at: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let point = Point { id: PointId::new(upload, "s", ordinal), document };
    StoredPoint { point, dense: known.dense, sparse: known.sparse }
}

fn model() -> ModelName {
    "m".parse().unwrap()
}

fn receipt(event: &Event, state: ReceiptState, chunks: u32) -> Receipt {
    Receipt {
        org: org(),
        asset_id: event.asset.clone(),
        upload: event.job(),
        state,
        version: 0,
        order: Order::by_uploader(event.rank),
        model: Some(model()),
        chunks,
        pages: 1,
        format: None,
        language: None,
        warnings: Vec::new(),
        missing: Vec::new(),
        failures: Vec::new(),
        reused: 0,
        truncated_tokens: 0,
        removed: 0,
        stages: Vec::new(),
        superseded_by: None,
        accepted_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        completed_at: "2026-01-01T00:00:01Z".parse().unwrap(),
    }
}

/// A run after which everything is as it must be.
fn perfect() -> Run {
    use ReceiptState::{Deleted, Failed, Indexed, Superseded};
    let endings = [(Superseded, 0), (Indexed, 2), (Deleted, 0), (Deleted, 0), (Failed, 0)];
    let mut run = Run::default();
    for (event, (state, chunks)) in workload().events.iter().zip(endings) {
        run.observation.receipts.insert(event.job(), receipt(event, state, chunks));
        run.produced.accepted.insert(event.job(), 1);
    }
    run.observation.receipts_stored = 5;
    run.observation.points = vec![
        point("a", job("a2"), 0, State::Live),
        point("a", job("a2"), 1, State::Live),
        point("a", job("a1"), 0, State::Dead),
    ];
    run.observation.live_count = 2;
    let hash = AssetId::hash(&"c".parse().unwrap());
    run.observation.dead.push(dead(&hash, "rejected"));
    run.planned.insert(Kind::Kill);
    run.struck.blows.insert((Kind::Kill, "writer".to_owned()), 1);
    run
}

fn dead(asset_hash: &str, class: &str) -> Dead {
    let (stage, code, message) = ("extractor".to_owned(), "encrypted".to_owned(), String::new());
    let (org, asset_hash, class) = (org().to_string(), asset_hash.to_owned(), class.to_owned());
    Dead { org, asset_hash, stage, class, code, message }
}

/// The columns with findings after `change` to a perfect run.
fn after(change: impl FnOnce(&mut Run)) -> Vec<(&'static str, usize)> {
    let mut run = perfect();
    change(&mut run);
    let verdict = verdict(&run);
    let found: Vec<_> = verdict.columns().into_iter().map(|(name, found)| (name, found.len())).collect();
    let found: Vec<_> = found.into_iter().filter(|(_, n)| *n > 0).collect();
    assert_eq!(found.is_empty() && verdict.lowest_cosine >= COSINE, verdict.holds());
    found
}

fn verdict(run: &Run) -> Verdict {
    judge(run, &Expected::new(&workload(), &reference(), &BTreeSet::new()), &reference())
}

#[test]
fn a_perfect_run_holds() {
    assert!(verdict(&perfect()).holds(), "{:?}", verdict(&perfect()));
}

#[test]
fn a_job_without_receipt_is_lost_or_stuck() {
    let lost = after(|run| {
        run.observation.receipts.remove(&job("a1"));
        run.observation.receipts_stored -= 1;
    });
    assert_eq!(lost, [("lost", 1)]);
    let stuck = after(|run| {
        run.observation.receipts.remove(&job("a1"));
        run.observation.receipts_stored -= 1;
        run.unsettled.queues = Queues { messages: 1, ..Queues::default() };
    });
    assert_eq!(stuck, [("stuck", 2)], "the job and the message");
    assert_eq!(after(|run| run.unsettled.queues.orphans = 1), [("stuck", 1)]);
    let refused = after(|run| {
        run.produced.accepted.remove(&job("a1"));
    });
    assert_eq!(refused, [("stuck", 1)]);
}

#[test]
fn an_asset_with_a_job_that_waits_is_stuck_and_nothing_else() {
    let stuck = after(|run| {
        run.observation.receipts.remove(&job("a2"));
        run.observation.receipts_stored -= 1;
        run.observation.points = vec![point("a", job("a1"), 0, State::Live)];
        run.observation.live_count = 1;
        run.observation.receipts.get_mut(&job("a1")).unwrap().state = ReceiptState::Indexed;
        run.unsettled.queues = Queues { messages: 1, ..Queues::default() };
    });
    assert_eq!(stuck, [("stuck", 2)], "the job and the message");
}

#[test]
fn a_job_that_ends_otherwise_is_named() {
    let state =
        |id: &'static str, state| after(move |run| run.observation.receipts.get_mut(&job(id)).unwrap().state = state);
    assert_eq!(state("a1", ReceiptState::Indexed), [("wrong ending", 1)]);
    assert_eq!(state("a2", ReceiptState::Degraded), [("wrong ending", 1)]);
    assert_eq!(state("b2", ReceiptState::Failed), [("wrong ending", 1)]);
    assert_eq!(state("b1", ReceiptState::Superseded), [], "superseded before it was deleted");
    assert_eq!(after(|run| run.observation.receipts.get_mut(&job("a2")).unwrap().chunks = 1), [("wrong ending", 1)]);
    let truncated = after(|run| run.observation.receipts.get_mut(&job("a2")).unwrap().truncated_tokens = 1);
    assert_eq!(truncated, [("wrong ending", 1)]);
}

#[test]
fn points_are_lost_foreign_doubled_or_resurrected() {
    let missing = after(|run| {
        run.observation.points.remove(0);
        run.observation.live_count = 1;
    });
    assert_eq!(missing, [("lost", 1)]);
    let stranger = UploadId::new(&org(), "/elsewhere", "x");
    assert_eq!(after(|run| run.observation.points.push(point("a", stranger, 0, State::Dead))), [("foreign", 1)]);
    let other_org = after(|run| run.observation.points[2].point.document.org_id = "other".parse().unwrap());
    assert_eq!(other_org, [("foreign", 1)]);
    let twice = after(|run| run.observation.points.push(point("a", job("a1"), 0, State::Dead)));
    assert_eq!(twice, [("doubled", 1)]);
    assert_eq!(after(|run| run.observation.live_count = 3), [("doubled", 1)]);
    let dead = after(|run| run.observation.points.push(point("b", job("b1"), 0, State::Dead)));
    assert_eq!(dead, [("resurrected", 1)], "nothing of a deleted upload may be left, in whatever state");
    assert_eq!(after(|run| run.observation.blobs.push("acme/b/x/y".to_owned())), [("resurrected", 1)]);
    let staged = after(|run| run.observation.points[2].point.document.state = State::Staged);
    assert_eq!(staged, [("stuck", 1)]);
}

#[test]
fn an_old_upload_that_is_live_is_resurrected_and_doubles_its_asset() {
    let found = after(|run| {
        run.observation.points[2].point.document.state = State::Live;
        run.observation.live_count = 3;
    });
    assert_eq!(found, [("doubled", 1), ("resurrected", 1)]);
}

#[test]
fn content_and_vectors_must_be_those_of_the_undisturbed_run() {
    assert_eq!(after(|run| run.observation.points[0].point.document.text.push('!')), [("lost", 1)]);
    assert_eq!(after(|run| run.observation.points[0].sparse.values[0] = 2.0), [("lost", 1)]);
    let turned = |dense: [f32; 2]| {
        let mut run = perfect();
        run.observation.points[0].dense = dense.to_vec();
        verdict(&run)
    };
    assert!(turned([0.601, 0.799]).holds());
    assert!(!turned([0.8, 0.6]).holds());
}

#[test]
fn receipts_are_one_for_each_job_and_under_its_name() {
    assert_eq!(after(|run| run.observation.receipts_stored = 6), [("doubled", 1)]);
    let renamed = after(|run| run.observation.receipts.get_mut(&job("a1")).unwrap().asset_id = None);
    assert_eq!(renamed, [("foreign", 1)]);
    let stranger = after(|run| {
        let other = receipt(&event("x", "x", Wish::Delete, 1), ReceiptState::Deleted, 0);
        run.observation.receipts.insert(other.upload, other);
        run.observation.receipts_stored += 1;
    });
    assert_eq!(stranger, [("foreign", 1)]);
}

#[test]
fn only_the_guilty_and_the_deleted_may_have_dead_letters() {
    let hash = |asset: &str| AssetId::hash(&asset.parse().unwrap());
    assert_eq!(after(|run| run.observation.dead.push(dead(&hash("a"), "poison"))), [("innocent dead letters", 1)]);
    assert_eq!(after(|run| run.observation.dead.push(dead(&hash("b"), "poison"))), [("innocent dead letters", 1)]);
    assert_eq!(after(|run| run.observation.dead.push(dead(&hash("b"), "cancelled"))), []);
}

#[test]
fn what_a_reader_and_the_logs_saw_counts() {
    assert_eq!(after(|run| run.sightings.gaps.push(String::new())), [("lost", 1)]);
    assert_eq!(after(|run| run.sightings.twins.push(String::new())), [("doubled", 1)]);
    assert_eq!(after(|run| run.acked_again.push(String::new())), [("doubled", 1)]);
    assert_eq!(after(|run| run.sightings.ghosts.push(String::new())), [("resurrected", 1)]);
    assert_eq!(after(|run| run.sightings.strangers.push(String::new())), [("foreign", 1)]);
}

#[test]
fn a_run_in_which_a_kind_never_struck_proves_nothing() {
    assert_eq!(after(|run| run.struck = Struck::default()), [("unstruck", 1)]);
    let unable = after(|run| {
        run.struck = Struck::default();
        run.struck.missed.insert(Kind::Kill, "no rights".to_owned());
    });
    assert_eq!(unable, [], "the report says what it needs");
    assert_eq!(after(|run| run.struck.rough_ends.push(String::new())), [("rough ends", 1)]);
}
