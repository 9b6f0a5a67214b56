//! The breaker: while a dependency is away nothing is pulled, except one probe at a time; when it is back, work goes on
//! with one message, then two, then four, so that nothing stampedes into what has just got up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::backoff;

/// Of one stage in one process.
pub(crate) struct Breaker {
    inner: Mutex<Inner>,
    changed: Notify,
    base: Duration,
    cap: Duration,
    /// Messages that may be in hand when nothing is wrong.
    permits: usize,
}

struct Inner {
    state: State,
    /// What the last failure said.
    reason: String,
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
    /// It answered. `allowed` may be in hand, `out` are; after as many `returned` well, twice as many may.
    Ramping {
        failures: u32,
        allowed: usize,
        out: usize,
        returned: usize,
    },
}

/// Leave to pull one message and see it through, given back when dropped.
pub(crate) struct Pass {
    breaker: Arc<Breaker>,
    is_counted: bool,
}

impl Breaker {
    pub fn new(base: Duration, cap: Duration, permits: usize) -> Arc<Self> {
        let inner = Mutex::new(Inner { state: State::Closed, reason: String::new() });
        Arc::new(Self { inner, changed: Notify::new(), base, cap, permits })
    }

    /// Waits until pulling is allowed.
    pub async fn admit(self: &Arc<Self>) -> Pass {
        loop {
            let changed = self.changed.notified();
            let wait = match self.try_admit() {
                Ok(is_counted) => return Pass { breaker: Arc::clone(self), is_counted },
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
        self.set(|state| match state {
            State::Probing { failures } => State::Ramping { failures, allowed: 1, out: 1, returned: 0 },
            // What was in hand before the outage may succeed for other reasons: the probe decides.
            other => other,
        });
    }

    /// A dependency is away. Returns how long pulling pauses.
    pub fn trip(&self, code: &str, message: &str) -> Duration {
        let mut pause = self.base;
        self.lock().reason = format!("{code}: {message}");
        self.set(|state| {
            let failures = match state {
                State::Closed => 1,
                State::Probing { failures } | State::Ramping { failures, .. } => failures.saturating_add(1),
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

    /// What is away, while something is.
    pub fn trouble(&self) -> Option<String> {
        let inner = self.lock();
        let is_away = matches!(inner.state, State::Open { .. } | State::Probing { .. });
        is_away.then(|| inner.reason.clone())
    }

    /// Whether the pass must be counted; else when to ask again.
    fn try_admit(&self) -> Result<bool, Option<Instant>> {
        let mut inner = self.lock();
        match &mut inner.state {
            State::Closed => Ok(false),
            State::Open { failures, until } if *until <= Instant::now() => {
                inner.state = State::Probing { failures: *failures };
                Ok(true)
            }
            State::Open { until, .. } => Err(Some(*until)),
            State::Ramping { allowed, out, .. } if *out < *allowed => {
                *out += 1;
                Ok(true)
            }
            State::Probing { .. } | State::Ramping { .. } => Err(None),
        }
    }

    /// A counted pass comes back. A probe that brought nothing (an empty queue, another kind of failure) hands over.
    fn leave(&self) {
        self.set(|state| match state {
            State::Probing { failures } => State::Open { failures, until: Instant::now() },
            State::Ramping { allowed, returned, .. } if returned + 1 >= allowed && allowed * 2 >= self.permits => {
                State::Closed
            }
            State::Ramping { failures, allowed, out, returned } if returned + 1 >= allowed => {
                State::Ramping { failures, allowed: allowed * 2, out: out.saturating_sub(1), returned: 0 }
            }
            State::Ramping { failures, allowed, out, returned } => {
                State::Ramping { failures, allowed, out: out.saturating_sub(1), returned: returned + 1 }
            }
            other => other,
        });
    }

    fn set(&self, next: impl FnOnce(State) -> State) {
        let mut inner = self.lock();
        inner.state = next(inner.state);
        drop(inner);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_counted {
            self.breaker.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    const BASE: Duration = Duration::from_millis(20);

    fn breaker(permits: usize) -> Arc<Breaker> {
        Breaker::new(BASE, Duration::from_secs(60), permits)
    }

    async fn is_shut(breaker: &Arc<Breaker>) -> bool {
        tokio::time::timeout(BASE * 5, breaker.admit()).await.is_err()
    }

    #[tokio::test]
    async fn an_open_breaker_lets_one_probe_through_after_its_pause() {
        let breaker = breaker(1);
        drop(breaker.admit().await);
        let pause = breaker.trip("storage_full", "no room");
        assert_eq!(breaker.trouble().unwrap(), "storage_full: no room");
        let start = Instant::now();
        let probe = breaker.admit().await;
        assert!(start.elapsed() >= pause);
        assert!(is_shut(&breaker).await, "one probe at a time");
        breaker.succeed();
        drop(probe);
        assert_eq!(breaker.trouble(), None);
        let _first = breaker.admit().await;
        assert!(!is_shut(&breaker).await, "closed again");
    }

    #[tokio::test]
    async fn pauses_grow_with_failed_probes_only() {
        let breaker = breaker(8);
        let first = breaker.trip("away", "");
        assert!(breaker.trip("away", "") <= first, "a second failure of the same outage");
        let _probe = breaker.admit().await;
        assert!(breaker.trip("away", "") >= BASE * 3 / 2);
    }

    #[tokio::test]
    async fn a_probe_that_found_nothing_hands_over() {
        let breaker = breaker(8);
        breaker.trip("away", "");
        drop(breaker.admit().await);
        assert!(breaker.trouble().is_some());
        let _probe = breaker.admit().await;
        assert!(is_shut(&breaker).await);
    }

    #[tokio::test]
    async fn after_an_outage_work_goes_on_with_one_then_two_then_four() {
        let breaker = breaker(8);
        breaker.trip("away", "");
        let probe = breaker.admit().await;
        breaker.succeed();
        assert!(is_shut(&breaker).await, "the probe is the first");
        drop(probe);
        for allowed in [2, 4] {
            let mut passes = Vec::new();
            for _ in 0..allowed {
                passes.push(breaker.admit().await);
            }
            assert!(is_shut(&breaker).await, "{allowed} at a time");
        }
        let mut all = Vec::new();
        for _ in 0..32 {
            all.push(breaker.admit().await);
        }
    }

    #[tokio::test]
    async fn a_relapse_goes_on_with_longer_pauses() {
        let breaker = breaker(8);
        breaker.trip("away", "");
        let probe = breaker.admit().await;
        breaker.succeed();
        drop(probe);
        let _two = breaker.admit().await;
        assert!(breaker.trip("away", "") >= BASE * 3 / 2);
        assert!(breaker.trouble().is_some());
    }
}
