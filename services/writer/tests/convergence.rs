//! Whatever the order of deliveries, the duplicates and the crashes: the newest upload that was not deleted is live, exactly,
//! nothing of a deleted one is left, and each job has one current receipt, which says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use heimdex_index::{OrgScoped, State};
use heimdex_schemas::{AssetId, Org, Receipt, ReceiptState, UploadId};
use heimdex_stage::memory::MemoryLedger;
use heimdex_stage::{Blobs, Bucket, Class, Classify, Done, Ledger, done};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{Bench, Brings, Deletion, Faults, FlakyLedger, FlakyPoints, Store, Upload};

/// Deliveries handled at the same time.
const REPLICAS: usize = 3;

/// The asset of every case; each case has an org of its own.
const ASSET: &str = "asset";
/// Distance between two uploads in the stream and in their sequences: deletions come in between.
const STEP: u64 = 10;

/// One thing that a worker takes in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Part(usize, usize),
    Deletion(usize),
}

/// An upload: its parts, and its `sequence`. Its place in the list is its place in the stream.
#[derive(Debug, Clone)]
struct Plan {
    parts: Vec<Brings>,
    sequence: Option<u64>,
}

/// A deletion after so many uploads.
#[derive(Debug, Clone)]
struct Removal {
    after: usize,
    sequence: Option<u64>,
    whole_org: bool,
}

#[derive(Debug, Clone)]
struct Case {
    uploads: Vec<Plan>,
    deletions: Vec<Removal>,
    /// Each part and each deletion at least once.
    deliveries: Vec<Delivery>,
    /// Calls that fail, and whether after they took effect.
    faults: BTreeMap<usize, bool>,
}

fn brings() -> impl Strategy<Value = Brings> {
    prop_oneof![
        6 => (1_u32..4).prop_map(Brings::Points),
        1 => (0_u32..3).prop_map(Brings::PointsButOne),
        1 => Just(Brings::Failure),
    ]
}

/// No sequence, or one of five: equal and descending ones are among them.
fn sequence() -> impl Strategy<Value = Option<u64>> {
    proptest::option::of((1..6_u64).prop_map(|n| n * STEP))
}

fn plan() -> impl Strategy<Value = Plan> {
    let parts = proptest::collection::vec(brings(), 1..4);
    (parts, sequence()).prop_map(|(parts, sequence)| Plan { parts, sequence })
}

fn removal() -> impl Strategy<Value = Removal> {
    let sequence = proptest::option::of((0..6_u64).prop_map(|n| n * STEP + STEP / 2));
    let whole_org = prop_oneof![4 => Just(false), 1 => Just(true)];
    (0_usize..5, sequence, whole_org).prop_map(|(after, sequence, whole_org)| Removal { after, sequence, whole_org })
}

fn case(deletions: usize) -> impl Strategy<Value = Case> {
    let uploads = proptest::collection::vec(plan(), 1..5);
    let deletions = proptest::collection::vec(removal(), 0..=deletions);
    let with_deliveries = (uploads, deletions).prop_flat_map(|(uploads, deletions)| {
        let parts = uploads.iter().enumerate().flat_map(|(n, plan)| (0..plan.parts.len()).map(move |part| (n, part)));
        let parts = parts.map(|(upload, part)| Delivery::Part(upload, part));
        let every: Vec<Delivery> = parts.chain((0..deletions.len()).map(Delivery::Deletion)).collect();
        let again = proptest::sample::subsequence(every.clone(), 0..=every.len());
        let deliveries = again.prop_flat_map(move |again| Just([every.clone(), again].concat()).prop_shuffle());
        (Just(uploads), Just(deletions), deliveries)
    });
    let faults = proptest::collection::btree_map(0_usize..400, any::<bool>(), 0..24);
    (with_deliveries, faults).prop_map(|((uploads, deletions, deliveries), faults)| Case {
        uploads,
        deletions,
        deliveries,
        faults,
    })
}

/// A case with names.
#[derive(Clone)]
struct Scene {
    org: Org,
    uploads: Vec<Upload>,
    deletions: Vec<Deletion>,
}

impl Scene {
    fn of(case: &Case, number: u64) -> Self {
        let org: Org = format!("org-{number}").parse().unwrap();
        let upload = |(n, plan): (u64, &Plan)| {
            let upload = Upload::new(&org, ASSET, n, &plan.parts).stored_at(n * STEP);
            plan.sequence.map_or_else(|| upload.clone().unordered(), |sequence| upload.clone().ordered(sequence))
        };
        let deletion = |(n, removal): (u64, &Removal)| {
            // Places are unique: every deletion after the same upload has its own.
            let place = removal.after as u64 * STEP + 1 + n;
            let deletion = match removal.whole_org {
                true => Deletion::of_org(&org, place),
                false => Deletion::of(&org, ASSET, place),
            };
            removal.sequence.map_or_else(|| deletion.clone(), |sequence| deletion.clone().sequence(sequence))
        };
        let uploads = (1..).zip(&case.uploads).map(upload).collect();
        let deletions = (0..).zip(&case.deletions).map(deletion).collect();
        Self { org, uploads, deletions }
    }

    fn is_deleted(&self, upload: &Upload) -> bool {
        self.deletions.iter().any(|deletion| deletion.covers(upload))
    }

    fn winner(&self) -> Option<&Upload> {
        let eligible = self.uploads.iter().filter(|upload| upload.may_be_head() && !self.is_deleted(upload));
        eligible.max_by_key(|upload| upload.version())
    }
}

/// Everything one case needs to be judged.
struct Outcome {
    receipts: BTreeMap<UploadId, Vec<Receipt>>,
    recorded: BTreeMap<UploadId, Receipt>,
    blobs: usize,
    /// Times the asset was found without a live point after it had had one.
    gaps: u64,
    /// Calls that failed on purpose.
    struck: usize,
}

async fn run(store: &Store, case: &Case, scene: &Scene) -> Outcome {
    let faults = Faults::planned(case.faults.clone());
    let ledger = Arc::new(FlakyLedger(MemoryLedger::default(), Arc::clone(&faults)));
    let bench = Arc::new(Bench::over(FlakyPoints(store.index.clone(), Arc::clone(&faults)), ledger.clone()));
    leave_blobs(bench.blobs.as_ref(), scene).await;
    let watcher = Watcher::start(store.points(&scene.org).await, ASSET.parse().unwrap());
    let queue = Arc::new(Mutex::new(case.deliveries.iter().copied().collect::<VecDeque<_>>()));
    let workers = (0..REPLICAS).map(|_| tokio::spawn(work(Arc::clone(&bench), Arc::clone(&queue), scene.clone())));
    let mut receipts: BTreeMap<UploadId, Vec<Receipt>> = BTreeMap::new();
    for worker in workers.collect::<Vec<_>>() {
        for receipt in worker.await.unwrap() {
            receipts.entry(receipt.upload).or_default().push(receipt);
        }
    }
    let recorded = ledger.0.list(&done::prefix(&scene.org, None)).await.unwrap();
    let recorded = recorded.into_iter().map(|(_, value)| serde_json::from_slice::<Done>(&value).unwrap().receipt);
    let recorded = recorded.map(|receipt| (receipt.upload, receipt)).collect();
    let mut blobs = 0;
    for upload in scene.uploads.iter().filter(|upload| scene.is_deleted(upload)) {
        for bucket in [Bucket::Originals, Bucket::Work] {
            blobs += bench.blobs.list(bucket, &prefix(upload)).await.unwrap().len();
        }
    }
    Outcome { receipts, recorded, blobs, gaps: watcher.stop().await, struck: faults.struck.load(SeqCst) }
}

fn prefix(upload: &Upload) -> String {
    let lineage = &upload.lineage;
    format!("{}/{}/{}", lineage.org, lineage.asset_id.hash(), lineage.upload)
}

/// Every upload has bytes in both buckets.
async fn leave_blobs(blobs: &dyn Blobs, scene: &Scene) {
    for upload in &scene.uploads {
        for bucket in [Bucket::Originals, Bucket::Work] {
            blobs.put(bucket, &prefix(upload), "bytes".into()).await.unwrap();
        }
    }
}

/// Takes deliveries until none is left; one that failed goes to the end of the queue, as a redelivery would.
async fn work(bench: Arc<Bench<FlakyPoints>>, queue: Arc<Mutex<VecDeque<Delivery>>>, scene: Scene) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    loop {
        let Some(delivery) = queue.lock().unwrap().pop_front() else { return receipts };
        let handled = match delivery {
            Delivery::Part(upload, part) => bench.handle(scene.uploads[upload].event(part)).await,
            Delivery::Deletion(deletion) => bench.try_delete(&scene.deletions[deletion]).await,
        };
        match handled {
            Ok(outputs) => receipts.extend(outputs),
            Err(error) => {
                // What may work later comes again: planned failures, and those of a machine that is too busy.
                assert!(matches!(error.class(), Class::Transient | Class::Unavailable), "{error}");
                queue.lock().unwrap().push_back(delivery);
            }
        }
    }
}

/// Looks at the asset all the time, as searches would.
struct Watcher {
    stop: Arc<AtomicBool>,
    gaps: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Watcher {
    fn start(points: OrgScoped, asset: AssetId) -> Self {
        let (stop, gaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&gaps));
        let task = tokio::spawn(async move {
            let mut seen = false;
            while !stopped.load(SeqCst) {
                let live = points.count_asset(&asset, State::Live).await.unwrap() > 0;
                counted.fetch_add(u64::from(seen && !live), SeqCst);
                seen |= live;
            }
        });
        Self { stop, gaps, task }
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, SeqCst);
        self.task.await.unwrap();
        self.gaps.load(SeqCst)
    }
}

async fn judge(points: &OrgScoped, scene: &Scene, outcome: &Outcome) -> Result<(), TestCaseError> {
    let winner = scene.winner();
    let expected = winner.map_or(0, Upload::points);
    let live = points.count_all(State::Live).await.unwrap();
    prop_assert_eq!(live, u64::from(expected), "live points");
    if let Some(winner) = winner {
        let live = points.count(winner.lineage.upload, State::Live).await.unwrap();
        prop_assert_eq!(live, u64::from(expected), "the newest upload's points");
    }
    prop_assert_eq!(points.count_all(State::Staged).await.unwrap(), 0, "nothing stays staged");
    for stored in points.uploads(None).await.unwrap() {
        let deleted = scene.deletions.iter().any(|deletion| {
            scene.uploads.iter().any(|upload| upload.lineage.upload == stored.upload && deletion.covers(upload))
        });
        prop_assert!(!deleted, "points of a deleted upload: {:?}", stored);
    }
    prop_assert_eq!(outcome.blobs, 0, "blobs of deleted uploads");
    if scene.deletions.is_empty() {
        prop_assert_eq!(outcome.gaps, 0, "the asset was always found once it had been");
    }
    for upload in &scene.uploads {
        let receipt = current(outcome, upload.lineage.upload)?;
        judge_receipt(upload, scene, winner, &receipt)?;
    }
    for deletion in &scene.deletions {
        let receipt = current(outcome, deletion.job())?;
        prop_assert_eq!((receipt.state, receipt.chunks, receipt.version), (ReceiptState::Deleted, 0, 0));
    }
    Ok(())
}

/// The receipt of a job with the highest version that was published. It is what the ledger says, and all that were published
/// under one version say the same.
fn current(outcome: &Outcome, job: UploadId) -> Result<Receipt, TestCaseError> {
    let mut versions: BTreeMap<u32, &Receipt> = BTreeMap::new();
    for receipt in outcome.receipts.get(&job).into_iter().flatten() {
        let first = versions.entry(receipt.version).or_insert(receipt);
        prop_assert_eq!(*first, receipt, "one version, two receipts");
    }
    let Some(current) = versions.into_values().next_back() else {
        return Err(TestCaseError::fail("a job without a receipt"));
    };
    prop_assert_eq!(outcome.recorded.get(&job), Some(current), "the ledger's receipt was published last");
    Ok(current.clone())
}

fn judge_receipt(
    upload: &Upload,
    scene: &Scene,
    winner: Option<&Upload>,
    receipt: &Receipt,
) -> Result<(), TestCaseError> {
    let searchable = if upload.is_whole() { ReceiptState::Indexed } else { ReceiptState::Degraded };
    let is_winner = winner.is_some_and(|winner| winner.lineage.upload == upload.lineage.upload);
    let expected = match (scene.is_deleted(upload), upload.may_be_head(), is_winner) {
        (true, ..) => ReceiptState::Deleted,
        (false, false, _) => ReceiptState::Failed,
        (false, true, true) => searchable,
        (false, true, false) => ReceiptState::Superseded,
    };
    prop_assert_eq!(receipt.state, expected, "{:?}", upload.lineage);
    let chunks = if is_winner { upload.points() } else { 0 };
    prop_assert_eq!(receipt.chunks, chunks);
    match (receipt.state, receipt.superseded_by) {
        (ReceiptState::Superseded, Some(by)) => {
            let by = scene.uploads.iter().find(|other| other.lineage.upload == by).unwrap();
            prop_assert!(by.may_be_head() && by.version() > upload.version());
        }
        (ReceiptState::Deleted, Some(by)) => {
            prop_assert!(scene.deletions.iter().any(|deletion| deletion.job() == by));
        }
        (state, by) => {
            prop_assert!(by.is_none() && !matches!(state, ReceiptState::Superseded | ReceiptState::Deleted));
        }
    }
    Ok(())
}

/// Runs `cases` cases, or as many as `PROPTEST_CASES` says, and returns how many calls failed on purpose in each hundred.
fn converge(cases: u32, deletions: usize) -> u64 {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = asked.unwrap_or(cases).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = runtime.block_on(Store::start());
    let (numbers, struck) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&case(deletions), |case| {
        let scene = Scene::of(&case, numbers.fetch_add(1, SeqCst));
        runtime.block_on(async {
            let outcome = run(&store, &case, &scene).await;
            struck.fetch_add(outcome.struck as u64, SeqCst);
            judge(&store.points(&scene.org).await, &scene, &outcome).await
        })
    });
    result.unwrap();
    struck.load(SeqCst) * 100 / u64::from(cases)
}

#[test]
fn the_newest_upload_ends_live_whatever_happens_on_the_way() {
    assert!(converge(100, 0) > 50, "a run with few faults proves little");
}

#[test]
fn what_was_deleted_stays_deleted_and_the_newest_of_the_rest_ends_live() {
    assert!(converge(150, 3) > 100, "a run with few faults proves little");
}
