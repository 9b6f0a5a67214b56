//! Whatever the order of deliveries, the duplicates and the crashes: the newest upload is live, exactly, and each upload
//! has one receipt that never changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use heimdex_index::{OrgScoped, State};
use heimdex_schemas::{AssetId, Org, Receipt, ReceiptState, UploadId};
use heimdex_stage::memory::MemoryLedger;
use heimdex_writer::Writer;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::{Bench, Brings, Faults, FlakyLedger, FlakyPoints, Store, Upload};

/// Deliveries handled at the same time.
const REPLICAS: usize = 3;

#[derive(Debug, Clone)]
struct Case {
    /// Parts of each upload; the place in the list is the upload's order.
    uploads: Vec<Vec<Brings>>,
    /// Upload and part, each at least once.
    deliveries: Vec<(usize, usize)>,
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

fn case() -> impl Strategy<Value = Case> {
    let uploads = proptest::collection::vec(proptest::collection::vec(brings(), 1..4), 1..4);
    let with_deliveries = uploads.prop_flat_map(|uploads| {
        let every: Vec<(usize, usize)> =
            uploads.iter().enumerate().flat_map(|(n, parts)| (0..parts.len()).map(move |part| (n, part))).collect();
        let again = proptest::sample::subsequence(every.clone(), 0..=every.len());
        let deliveries = again.prop_flat_map(move |again| Just([every.clone(), again].concat()).prop_shuffle());
        (Just(uploads), deliveries)
    });
    let faults = proptest::collection::btree_map(0_usize..160, any::<bool>(), 0..14);
    (with_deliveries, faults).prop_map(|((uploads, deliveries), faults)| Case { uploads, deliveries, faults })
}

/// Everything one case needs to be judged.
struct Outcome {
    receipts: BTreeMap<UploadId, Vec<Receipt>>,
    /// Times the asset was found without a live point after it had had one.
    gaps: u64,
    /// Calls that failed on purpose.
    struck: usize,
}

async fn run(store: &Store, case: &Case, uploads: &[Upload]) -> Outcome {
    let faults = Faults::planned(case.faults.clone());
    let bench = Arc::new(Bench {
        writer: Writer::new(FlakyPoints(store.index.clone(), Arc::clone(&faults))),
        ledger: Arc::new(FlakyLedger(MemoryLedger::default(), Arc::clone(&faults))),
    });
    let first = &uploads[0].lineage;
    let watcher = Watcher::start(store.points(&first.org).await, first.asset_id.clone());
    let queue = Arc::new(Mutex::new(case.deliveries.iter().copied().collect::<VecDeque<_>>()));
    let workers = (0..REPLICAS).map(|_| tokio::spawn(work(Arc::clone(&bench), Arc::clone(&queue), uploads.to_vec())));
    let mut receipts: BTreeMap<UploadId, Vec<Receipt>> = BTreeMap::new();
    for worker in workers.collect::<Vec<_>>() {
        for receipt in worker.await.unwrap() {
            receipts.entry(receipt.upload).or_default().push(receipt);
        }
    }
    Outcome { receipts, gaps: watcher.stop().await, struck: faults.struck.load(SeqCst) }
}

/// Takes deliveries until none is left; one that failed goes to the end of the queue, as a redelivery would.
async fn work(
    bench: Arc<Bench<FlakyPoints>>,
    queue: Arc<Mutex<VecDeque<(usize, usize)>>>,
    uploads: Vec<Upload>,
) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    loop {
        let Some((upload, part)) = queue.lock().unwrap().pop_front() else { return receipts };
        match bench.handle(uploads[upload].event(part)).await {
            Ok(outputs) => receipts.extend(outputs),
            Err(error) => {
                assert!(error.to_string().contains("as planned"), "{error}");
                queue.lock().unwrap().push_back((upload, part));
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

async fn judge(points: &OrgScoped, uploads: &[Upload], outcome: &Outcome) -> Result<(), TestCaseError> {
    let asset = &uploads[0].lineage.asset_id;
    let winner = uploads.iter().filter(|upload| upload.may_be_head()).max_by_key(|upload| upload.version());
    let expected = winner.map_or(0, Upload::points);
    prop_assert_eq!(points.count_asset(asset, State::Live).await.unwrap(), u64::from(expected), "live points");
    if let Some(winner) = winner {
        let live = points.count(winner.lineage.upload, State::Live).await.unwrap();
        prop_assert_eq!(live, u64::from(expected), "the newest upload's points");
    }
    prop_assert_eq!(points.count_asset(asset, State::Staged).await.unwrap(), 0, "nothing stays staged");
    prop_assert_eq!(outcome.gaps, 0, "the asset was always found once it had been");
    for upload in uploads {
        let receipts = outcome.receipts.get(&upload.lineage.upload).cloned().unwrap_or_default();
        let Some(receipt) = receipts.first() else { return Err(TestCaseError::fail("an upload without a receipt")) };
        prop_assert!(receipts.iter().all(|other| other == receipt), "one receipt, always the same: {:?}", receipts);
        judge_receipt(upload, uploads, winner, receipt)?;
    }
    Ok(())
}

fn judge_receipt(
    upload: &Upload,
    uploads: &[Upload],
    winner: Option<&Upload>,
    receipt: &Receipt,
) -> Result<(), TestCaseError> {
    let searchable = if upload.is_whole() { ReceiptState::Indexed } else { ReceiptState::Degraded };
    let is_winner = winner.is_some_and(|winner| winner.version() == upload.version());
    prop_assert_eq!(receipt.version, 0);
    match receipt.state {
        ReceiptState::Failed => prop_assert!(!upload.may_be_head()),
        ReceiptState::Superseded => {
            let by = uploads.iter().find(|other| Some(other.lineage.upload) == receipt.superseded_by).unwrap();
            prop_assert!(upload.may_be_head() && by.may_be_head() && by.version() > upload.version());
        }
        state => {
            prop_assert!(upload.may_be_head());
            prop_assert_eq!((state, receipt.chunks), (searchable, upload.points()));
        }
    }
    prop_assert!(!is_winner || receipt.state == searchable, "the newest upload is not {:?}", receipt.state);
    Ok(())
}

#[test]
fn the_newest_upload_ends_live_whatever_happens_on_the_way() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = runtime.block_on(Store::start());
    let org: Org = "acme".parse().unwrap();
    let (cases, struck) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let result = runner.run(&case(), |case| {
        let asset = format!("asset-{}", cases.fetch_add(1, SeqCst));
        let uploads: Vec<Upload> =
            (1..).zip(&case.uploads).map(|(order, parts)| Upload::new(&org, &asset, order, parts)).collect();
        runtime.block_on(async {
            let outcome = run(&store, &case, &uploads).await;
            struck.fetch_add(outcome.struck as u64, SeqCst);
            judge(&store.points(&org).await, &uploads, &outcome).await
        })
    });
    result.unwrap();
    assert!(struck.load(SeqCst) > 100, "a run with few faults proves little");
}
