//! What waits, and which of it makes the next batch.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{Lane, Limits, Vector};
use crate::error::Error;

/// One text that waits.
pub(super) struct Job {
    /// Token ids with special tokens.
    pub row: Vec<u32>,
    /// Where the answer goes; closed when the caller left.
    pub reply: oneshot::Sender<Result<Vector, Error>>,
    /// Its share of the lane's room, given back with the job.
    #[expect(dead_code, reason = "held for its drop")]
    pub room: OwnedSemaphorePermit,
}

/// The three lanes and the state of the workers.
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    limits: Limits,
}

struct State {
    lanes: [Waiting; 3],
    batch_tokens: usize,
    closed: bool,
    lost: Option<String>,
}

#[derive(Default)]
struct Waiting {
    /// In order of arrival.
    jobs: VecDeque<Job>,
    /// Batches formed from other lanes while this one had work.
    passed_over: u32,
}

impl Queue {
    pub fn new(limits: Limits) -> Self {
        let state = State {
            lanes: Lane::ALL.map(|_| Waiting::default()),
            batch_tokens: limits.batch_tokens.max(1),
            closed: false,
            lost: None,
        };
        Self { state: Mutex::new(state), arrived: Condvar::new(), limits }
    }

    /// Puts a job at the end of its lane.
    pub fn push(&self, job: Job, lane: Lane) -> Result<(), Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(lost(&state));
        }
        if let Some(waiting) = state.lanes.get_mut(lane.index()) {
            waiting.jobs.push_back(job);
        }
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for work and forms a batch of it; `None` once closed.
    pub fn next_batch(&self) -> Option<Vec<Job>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            state.forget_left();
            if let Some(lane) = state.choose_lane(self.limits.starvation_batches) {
                return Some(state.take_batch(lane, self.limits.padding_percent));
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Halves the budget after a batch of `tokens` padded tokens ran out of memory.
    pub fn shrink(&self, tokens: usize) {
        let mut state = self.lock();
        let halved = (tokens.min(state.batch_tokens) / 2).max(1);
        if halved < state.batch_tokens {
            tracing::warn!(from = state.batch_tokens, to = halved, "out of memory: smaller batches");
            state.batch_tokens = halved;
        }
    }

    /// Refuses further work and drops what waits.
    pub fn close(&self) {
        self.end(None);
    }

    /// As [`Queue::close`], because the session is gone.
    pub fn lose(&self, reason: String) {
        self.end(Some(reason));
    }

    /// The error for callers of a session that is gone.
    pub fn lost(&self) -> Error {
        lost(&self.lock())
    }

    fn end(&self, reason: Option<String>) {
        let mut state = self.lock();
        state.closed = true;
        if state.lost.is_none() {
            state.lost = reason;
        }
        for lane in &mut state.lanes {
            lane.jobs.clear();
        }
        drop(state);
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost(state: &State) -> Error {
    let reason = state.lost.as_deref().unwrap_or("it was closed");
    Error::ProviderLost(reason.to_owned())
}

impl State {
    /// Jobs whose caller left make no part of any batch.
    fn forget_left(&mut self) {
        for lane in &mut self.lanes {
            lane.jobs.retain(|job| !job.reply.is_closed());
        }
    }

    /// The lane passed over longest if that is too long, else the first with work.
    fn choose_lane(&mut self, starvation_batches: u32) -> Option<usize> {
        let waiting = || {
            let lanes = self.lanes.iter().enumerate();
            lanes.filter(|(_, lane)| !lane.jobs.is_empty())
        };
        let starving = waiting()
            .filter(|(_, lane)| lane.passed_over >= starvation_batches)
            .max_by_key(|(_, lane)| lane.passed_over);
        let (chosen, _) = starving.or_else(|| waiting().next())?;
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            lane.passed_over = match index == chosen || lane.jobs.is_empty() {
                true => 0,
                false => lane.passed_over + 1,
            };
        }
        Some(chosen)
    }

    /// Takes the oldest job of the lane and those closest to it in length, as far as the budget goes.
    fn take_batch(&mut self, lane: usize, padding_percent: usize) -> Vec<Job> {
        let budget = self.batch_tokens;
        let Some(lane) = self.lanes.get_mut(lane) else {
            return Vec::new();
        };
        let lengths: Vec<usize> = lane.jobs.iter().map(|job| job.row.len()).collect();
        let mut chosen = vec![false; lengths.len()];
        for index in pack(&lengths, budget, padding_percent) {
            if let Some(chosen) = chosen.get_mut(index) {
                *chosen = true;
            }
        }
        let mut chosen = chosen.into_iter();
        let (batch, rest) = lane.jobs.drain(..).partition(|_| chosen.next().unwrap_or(false));
        lane.jobs = rest;
        Vec::from_iter::<VecDeque<Job>>(batch)
    }
}

/// Which of the waiting `lengths`, oldest first, make the next batch.
///
/// Always the oldest; then, of those still outside, whichever neighbour in length is closer to it, while rows × longest
/// stays within `budget` and padding within `padding_percent` of that.
pub(super) fn pack(lengths: &[usize], budget: usize, padding_percent: usize) -> Vec<usize> {
    let mut by_length: Vec<(usize, usize)> = lengths.iter().copied().zip(0..).collect();
    by_length.sort_unstable();
    let Some(leader) = by_length.iter().position(|(_, index)| *index == 0) else {
        return Vec::new();
    };
    let mut window = Window::new(&by_length, leader);
    while window.grow(budget, padding_percent) {}
    window.indexes()
}

/// A run of neighbours in the list sorted by length.
struct Window<'a> {
    sorted: &'a [(usize, usize)],
    start: usize,
    end: usize,
    leader: usize,
    tokens: usize,
}

impl<'a> Window<'a> {
    fn new(sorted: &'a [(usize, usize)], leader: usize) -> Self {
        let length = sorted.get(leader).map_or(0, |(length, _)| *length);
        Self { sorted, start: leader, end: leader + 1, leader: length, tokens: length }
    }

    fn length(&self, at: usize) -> Option<usize> {
        self.sorted.get(at).map(|(length, _)| *length)
    }

    /// Takes in the closer neighbour that fits; false when neither does.
    fn grow(&mut self, budget: usize, padding_percent: usize) -> bool {
        let shorter = self.start.checked_sub(1).and_then(|at| self.length(at));
        let longer = self.length(self.end);
        let fits = |added: usize, longest: usize, window: &Self| {
            let padded = (window.end - window.start + 1) * longest;
            let padding = padded.saturating_sub(window.tokens + added);
            padded <= budget && padding * 100 <= padded * padding_percent
        };
        let longest = self.length(self.end - 1).unwrap_or(self.leader);
        let shorter = shorter.filter(|length| fits(*length, longest, self));
        let longer = longer.filter(|length| fits(*length, *length, self));
        let down = match (shorter, longer) {
            (Some(shorter), Some(longer)) => self.leader - shorter <= longer - self.leader,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return false,
        };
        if down {
            self.start -= 1;
            self.tokens += shorter.unwrap_or(0);
        } else {
            self.end += 1;
            self.tokens += longer.unwrap_or(0);
        }
        true
    }

    fn indexes(&self) -> Vec<usize> {
        let window = self.sorted.get(self.start..self.end).unwrap_or_default();
        window.iter().map(|(_, index)| *index).collect()
    }
}
