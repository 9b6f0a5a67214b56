//! The batcher against encoders that record what they are asked and fail where they are told to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use proptest::prelude::*;

use super::{queue::pack, *};

/// A token that makes every batch it is in fail.
const POISON: u32 = 666;
/// A token whose vector is not finite.
const NAN: u32 = 667;
/// A token that makes the encoder panic.
const PANIC: u32 = 668;
/// A token that makes the session go away.
const LOST: u32 = 669;

/// Answers each row with its length and first token.
#[derive(Clone, Default)]
struct Recorder {
    batches: Arc<Mutex<Vec<Vec<Vec<u32>>>>>,
    memory: Option<usize>,
}

impl Encoder for Recorder {
    fn encode(&mut self, rows: &[&[u32]]) -> Result<Vec<Vector>, RunError> {
        let batch: Vec<Vec<u32>> = rows.iter().map(|row| row.to_vec()).collect();
        self.batches.lock().unwrap().push(batch);
        let has = |token: u32| rows.iter().any(|row| row.contains(&token));
        assert!(!has(PANIC), "asked to panic");
        if has(LOST) {
            return Err(RunError::Lost("asked to".into()));
        }
        if has(POISON) {
            return Err(RunError::Failed("asked to".into()));
        }
        let longest = rows.iter().map(|row| row.len()).max().unwrap();
        if self.memory.is_some_and(|most| longest * rows.len() > most) {
            return Err(RunError::OutOfMemory("asked to".into()));
        }
        Ok(rows.iter().map(|row| vector_of(row)).collect())
    }
}

fn vector_of(row: &[u32]) -> Vector {
    match row.contains(&NAN) {
        true => vec![f32::NAN],
        false => vec![row.len() as f32, row[0] as f32],
    }
}

/// Holds each batch until told to go on, so that a test decides what waits meanwhile.
struct Gate {
    inner: Recorder,
    go: mpsc::Receiver<()>,
    entered: tokio::sync::mpsc::UnboundedSender<()>,
}

impl Encoder for Gate {
    fn encode(&mut self, rows: &[&[u32]]) -> Result<Vec<Vector>, RunError> {
        let _ = self.entered.send(());
        let _ = self.go.recv();
        self.inner.encode(rows)
    }
}

struct Gated {
    batcher: Batcher,
    recorder: Recorder,
    go: mpsc::Sender<()>,
    entered: tokio::sync::mpsc::UnboundedReceiver<()>,
}

impl Gated {
    fn start(limits: Limits) -> Self {
        let recorder = Recorder::default();
        let (go, gate) = mpsc::channel();
        let (entering, entered) = tokio::sync::mpsc::unbounded_channel();
        let encoder = Gate { inner: recorder.clone(), go: gate, entered: entering };
        Self { batcher: Batcher::start([encoder], limits).unwrap(), recorder, go, entered }
    }

    /// Starts a request in the background and waits until all of it is in the queue.
    async fn queue(&self, rows: Vec<Vec<u32>>, lane: Lane) -> Running {
        let before = self.waiting(lane);
        let tokens: usize = rows.iter().map(Vec::len).sum();
        let batcher = self.batcher.clone();
        let running = tokio::spawn(async move { batcher.embed(rows, lane).await });
        while self.waiting(lane) < before + tokens {
            tokio::task::yield_now().await;
        }
        running
    }

    /// Tokens that hold room in `lane`.
    fn waiting(&self, lane: Lane) -> usize {
        let inner = &self.batcher.inner;
        inner.queue_tokens - inner.room[lane.index()].available_permits()
    }

    async fn until_a_batch_runs(&mut self) {
        self.entered.recv().await.unwrap();
    }

    fn first_tokens(&self) -> Vec<Vec<u32>> {
        let batches = self.recorder.batches.lock().unwrap();
        batches.iter().map(|batch| batch.iter().map(|row| row[0]).collect()).collect()
    }
}

type Running = tokio::task::JoinHandle<Vec<Result<Vector, Error>>>;

fn row(first: u32, length: usize) -> Vec<u32> {
    let mut row = vec![1; length];
    row[0] = first;
    row
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(Duration::from_secs(30), future).await })
        .unwrap()
}

fn embed_all(recorder: Recorder, limits: Limits, rows: Vec<Vec<u32>>) -> Vec<Result<Vector, Error>> {
    block_on(async {
        let batcher = Batcher::start([recorder], limits).unwrap();
        batcher.embed(rows, Lane::Bulk).await
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_text_gets_its_own_answer_and_no_batch_breaks_a_limit(
        lengths in prop::collection::vec(1_usize..300, 1..80),
        batch_tokens in 64_usize..2000,
        queue_tokens in 50_usize..5000,
        sessions in 1_usize..4,
    ) {
        let recorder = Recorder::default();
        let limits = Limits { batch_tokens, queue_tokens, ..Limits::default() };
        let rows: Vec<_> = lengths.iter().zip(10..).map(|(length, id)| row(id, *length)).collect();
        let vectors = block_on(async {
            let batcher = Batcher::start(vec![recorder.clone(); sessions], limits).unwrap();
            batcher.embed(rows.clone(), Lane::Bulk).await
        });
        for (row, vector) in rows.iter().zip(&vectors) {
            prop_assert_eq!(vector.as_ref().unwrap(), &vector_of(row));
        }
        for batch in recorder.batches.lock().unwrap().iter() {
            let longest = batch.iter().map(Vec::len).max().unwrap();
            let padded = longest * batch.len();
            prop_assert!(batch.len() == 1 || padded <= batch_tokens);
            let real: usize = batch.iter().map(Vec::len).sum();
            prop_assert!((padded - real) * 100 <= padded * limits.padding_percent);
        }
    }

    #[test]
    fn one_bad_text_fails_alone(
        lengths in prop::collection::vec(1_usize..40, 1..60),
        bad in prop::collection::vec(prop::bool::weighted(0.1), 60),
    ) {
        let rows: Vec<_> = lengths
            .iter()
            .zip(&bad)
            .map(|(length, bad)| row(if *bad { POISON } else { 5 }, *length))
            .collect();
        let vectors = embed_all(Recorder::default(), Limits::default(), rows.clone());
        for (row, vector) in rows.iter().zip(&vectors) {
            match row[0] == POISON {
                true => prop_assert!(matches!(vector, Err(Error::Inference(_)))),
                false => prop_assert_eq!(vector.as_ref().unwrap(), &vector_of(row)),
            }
        }
    }

    #[test]
    fn packing_takes_the_oldest_and_stays_in_budget(
        lengths in prop::collection::vec(1_usize..600, 1..200),
        budget in 1_usize..10_000,
        padding in 0_usize..50,
    ) {
        let chosen = pack(&lengths, budget, padding);
        prop_assert!(chosen.contains(&0));
        let longest = chosen.iter().map(|at| lengths[*at]).max().unwrap();
        let real: usize = chosen.iter().map(|at| lengths[*at]).sum();
        let padded = longest * chosen.len();
        prop_assert!(chosen.len() == 1 || padded <= budget);
        prop_assert!((padded - real) * 100 <= padded * padding);
        let mut unique = chosen.clone();
        unique.sort_unstable();
        unique.dedup();
        prop_assert_eq!(unique.len(), chosen.len());
    }

    #[test]
    fn memory_is_found_by_halving(
        lengths in prop::collection::vec(1_usize..50, 2..60),
        memory in 50_usize..400,
    ) {
        let recorder = Recorder { memory: Some(memory), ..Recorder::default() };
        let rows: Vec<_> = lengths.iter().map(|length| row(5, *length)).collect();
        let vectors = embed_all(recorder, Limits::default(), rows.clone());
        for (row, vector) in rows.iter().zip(&vectors) {
            prop_assert_eq!(vector.as_ref().unwrap(), &vector_of(row));
        }
    }
}

#[test]
fn packing_nothing_gives_nothing() {
    assert!(pack(&[], 100, 10).is_empty());
}

#[test]
fn a_text_too_big_for_memory_fails_alone_and_typed() {
    let recorder = Recorder { memory: Some(100), ..Recorder::default() };
    let vectors = embed_all(recorder, Limits::default(), vec![row(5, 101), row(5, 100)]);
    assert!(matches!(vectors[0], Err(Error::OutOfMemory { tokens: 101, .. })));
    assert!(vectors[1].is_ok());
}

#[test]
fn after_out_of_memory_batches_stay_small() {
    let recorder = Recorder { memory: Some(40), ..Recorder::default() };
    block_on(async {
        let batcher = Batcher::start([recorder.clone()], Limits::default()).unwrap();
        let rows = || (0..64).map(|_| row(5, 10)).collect::<Vec<_>>();
        let first = batcher.embed(rows(), Lane::Bulk).await;
        assert!(first.iter().all(Result::is_ok));
        recorder.batches.lock().unwrap().clear();
        let second = batcher.embed(rows(), Lane::Bulk).await;
        assert!(second.iter().all(Result::is_ok));
        let batches = recorder.batches.lock().unwrap();
        assert!(batches.iter().all(|batch| batch.len() * 10 <= 40), "no run failed again");
    });
}

#[test]
fn a_vector_that_is_not_finite_fails_alone() {
    let vectors = embed_all(Recorder::default(), Limits::default(), vec![row(5, 3), row(NAN, 3), row(7, 3)]);
    assert!(vectors[0].is_ok() && vectors[2].is_ok());
    assert!(matches!(vectors[1], Err(Error::NotFinite)));
}

#[test]
fn a_lost_session_fails_what_waits_and_what_comes() {
    for cause in [LOST, PANIC] {
        block_on(async {
            let batcher = Batcher::start([Recorder::default()], Limits::default()).unwrap();
            let vectors = batcher.embed(vec![row(cause, 3), row(5, 200)], Lane::Bulk).await;
            assert!(matches!(vectors[0], Err(Error::ProviderLost(_))));
            let later = batcher.embed(vec![row(5, 3)], Lane::Query).await;
            assert!(matches!(later[0], Err(Error::ProviderLost(_))));
        });
    }
}

#[test]
fn queries_overtake_interactive_work_and_that_overtakes_bulk() {
    block_on(async {
        let mut gated = Gated::start(Limits::default());
        let blocker = gated.queue(vec![row(1, 4)], Lane::Bulk).await;
        gated.until_a_batch_runs().await;
        let bulk = gated.queue(vec![row(30, 4)], Lane::Bulk).await;
        let interactive = gated.queue(vec![row(20, 4)], Lane::Interactive).await;
        let query = gated.queue(vec![row(10, 4)], Lane::Query).await;
        (0..4).for_each(|_| gated.go.send(()).unwrap());
        for running in [blocker, bulk, interactive, query] {
            assert!(running.await.unwrap()[0].is_ok());
        }
        assert_eq!(gated.first_tokens(), [[1], [10], [20], [30]]);
    });
}

#[test]
fn a_lane_that_was_passed_over_long_enough_gets_its_turn() {
    block_on(async {
        let limits = Limits { batch_tokens: 4, starvation_batches: 3, ..Limits::default() };
        let mut gated = Gated::start(limits);
        let blocker = gated.queue(vec![row(1, 4)], Lane::Query).await;
        gated.until_a_batch_runs().await;
        let bulk = gated.queue(vec![row(30, 4)], Lane::Bulk).await;
        let queries = (10..20).map(|id| row(id, 4)).collect();
        let queries = gated.queue(queries, Lane::Query).await;
        (0..12).for_each(|_| gated.go.send(()).unwrap());
        for running in [blocker, bulk, queries] {
            assert!(running.await.unwrap().iter().all(Result::is_ok));
        }
        let order = gated.first_tokens();
        let turn = order.iter().position(|batch| batch == &[30]).unwrap();
        assert_eq!(turn, 4, "the blocker, three queries, then the bulk text: {order:?}");
    });
}

#[test]
fn late_arrivals_join_the_batch_that_is_formed_when_the_session_is_free() {
    block_on(async {
        let mut gated = Gated::start(Limits::default());
        let blocker = gated.queue(vec![row(1, 4)], Lane::Bulk).await;
        gated.until_a_batch_runs().await;
        let mut waiting = Vec::new();
        for id in 20..26 {
            waiting.push(gated.queue(vec![row(id, 4)], Lane::Bulk).await);
        }
        (0..2).for_each(|_| gated.go.send(()).unwrap());
        assert!(blocker.await.unwrap()[0].is_ok());
        for running in waiting {
            assert!(running.await.unwrap()[0].is_ok());
        }
        assert_eq!(gated.first_tokens().len(), 2);
        assert_eq!(gated.first_tokens()[1].len(), 6);
    });
}

#[test]
fn a_caller_that_left_costs_no_work() {
    block_on(async {
        let mut gated = Gated::start(Limits::default());
        let blocker = gated.queue(vec![row(1, 4)], Lane::Bulk).await;
        gated.until_a_batch_runs().await;
        let left = gated.queue(vec![row(30, 4)], Lane::Bulk).await;
        let stayed = gated.queue(vec![row(31, 4)], Lane::Bulk).await;
        left.abort();
        assert!(left.await.unwrap_err().is_cancelled());
        (0..2).for_each(|_| gated.go.send(()).unwrap());
        assert!(blocker.await.unwrap()[0].is_ok());
        assert!(stayed.await.unwrap()[0].is_ok());
        assert_eq!(gated.first_tokens(), [[1], [31]]);
    });
}

#[test]
fn a_full_lane_holds_its_callers_back_and_no_others() {
    block_on(async {
        let limits = Limits { queue_tokens: 8, ..Limits::default() };
        let mut gated = Gated::start(limits);
        let blocker = gated.queue(vec![row(1, 8)], Lane::Bulk).await;
        gated.until_a_batch_runs().await;
        let mut held = Box::pin(gated.batcher.embed(vec![row(30, 8)], Lane::Bulk));
        assert!(futures_poll(&mut held).await.is_none());
        assert_eq!(gated.waiting(Lane::Bulk), 8, "only the running text holds room");
        let query = gated.queue(vec![row(10, 8)], Lane::Query).await;
        (0..3).for_each(|_| gated.go.send(()).unwrap());
        assert!(held.await[0].is_ok());
        assert!(blocker.await.unwrap()[0].is_ok());
        assert!(query.await.unwrap()[0].is_ok());
    });
}

/// Polls once.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut *future).poll(context);
        std::task::Poll::Ready(match polled {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn a_text_longer_than_every_limit_still_runs_alone() {
    let limits = Limits { batch_tokens: 10, queue_tokens: 10, ..Limits::default() };
    let vectors = embed_all(Recorder::default(), limits, vec![row(5, 50), row(6, 3)]);
    assert!(vectors.iter().all(Result::is_ok));
}
