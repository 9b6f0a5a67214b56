//! The breaker: while a dependency is away nothing is pulled, except one probe at a time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::backoff;

/// Of one stage in one process.
pub(crate) struct Breaker {
    state: Mutex<State>,
    changed: Notify,
    base: Duration,
    cap: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// `failures` in a row; a probe may go at `until`.
    Open {
        failures: u32,
        until: Instant,
    },
    /// One message is on its way to find out.
    Probing {
        failures: u32,
    },
}

/// What a slot was let through for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    Normal,
    /// This slot must report, by [`Breaker::succeed`], [`Breaker::trip`] or [`Breaker::undecided`].
    Probe,
}

impl Breaker {
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { state: Mutex::new(State::Closed), changed: Notify::new(), base, cap }
    }

    /// Waits until pulling is allowed.
    pub async fn admit(&self) -> Pass {
        loop {
            let changed = self.changed.notified();
            let wait = match self.try_admit() {
                Ok(pass) => return pass,
                Err(until) => until,
            };
            match wait {
                Some(until) => tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    /// Dependencies answered.
    pub fn succeed(&self) {
        self.set(|_| State::Closed);
    }

    /// A dependency is away. Returns how long pulling pauses.
    pub fn trip(&self) -> Duration {
        let mut pause = self.base;
        self.set(|state| {
            let failures = match state {
                State::Closed => 1,
                State::Probing { failures } => failures.saturating_add(1),
                // Others in hand fail for the same reason: that is one failure, not many.
                State::Open { failures, until } => {
                    pause = until.saturating_duration_since(Instant::now());
                    return State::Open { failures, until };
                }
            };
            pause = backoff::delay(failures, self.base, self.cap);
            State::Open { failures, until: Instant::now() + pause }
        });
        pause
    }

    /// The probe brought nothing (an empty queue, or another kind of failure): the next may probe at once.
    pub fn undecided(&self) {
        self.set(|state| match state {
            State::Probing { failures } => State::Open { failures, until: Instant::now() },
            other => other,
        });
    }

    pub fn is_closed(&self) -> bool {
        *self.lock() == State::Closed
    }

    fn try_admit(&self) -> Result<Pass, Option<Instant>> {
        let mut state = self.lock();
        match *state {
            State::Closed => Ok(Pass::Normal),
            State::Open { failures, until } if until <= Instant::now() => {
                *state = State::Probing { failures };
                Ok(Pass::Probe)
            }
            State::Open { until, .. } => Err(Some(until)),
            State::Probing { .. } => Err(None),
        }
    }

    fn set(&self, next: impl FnOnce(State) -> State) {
        let mut state = self.lock();
        *state = next(*state);
        drop(state);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    const BASE: Duration = Duration::from_millis(20);

    fn breaker() -> Breaker {
        Breaker::new(BASE, Duration::from_secs(60))
    }

    #[tokio::test]
    async fn an_open_breaker_lets_one_probe_through_after_its_pause() {
        let breaker = breaker();
        assert_eq!(breaker.admit().await, Pass::Normal);
        let pause = breaker.trip();
        let start = Instant::now();
        assert_eq!(breaker.admit().await, Pass::Probe);
        assert!(start.elapsed() >= pause);
        assert!(tokio::time::timeout(BASE * 10, breaker.admit()).await.is_err(), "one probe at a time");
        breaker.succeed();
        assert_eq!(breaker.admit().await, Pass::Normal);
    }

    #[tokio::test]
    async fn pauses_grow_with_failed_probes_only() {
        let breaker = breaker();
        let first = breaker.trip();
        assert!(breaker.trip() <= first, "a second failure of the same outage");
        breaker.admit().await;
        assert!(breaker.trip() >= BASE * 3 / 2);
    }

    #[tokio::test]
    async fn a_probe_that_found_nothing_hands_over() {
        let breaker = breaker();
        breaker.trip();
        assert_eq!(breaker.admit().await, Pass::Probe);
        breaker.undecided();
        assert_eq!(breaker.admit().await, Pass::Probe);
    }
}
