//! A limit of messages per second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one through each interval, and saves nothing up: after a pause it does not hurry.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// `rate` is per second; 0 is no limit.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        let interval = if rate > 0.0 { Duration::from_secs_f64(1.0 / rate) } else { Duration::ZERO };
        Self { interval, next: Mutex::new(None) }
    }

    /// Waits for a turn.
    pub async fn turn(&self) {
        let wait = self.reserve(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes the next turn and says how long after `now` it is.
    fn reserve(&self, now: Instant) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + self.interval);
        turn - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns taken in `time` by somebody who waits for each, on a clock of our own.
    fn turns(pace: &Pace, start: Instant, time: Duration) -> u32 {
        let mut now = start;
        let mut taken = 0;
        loop {
            now += pace.reserve(now);
            if now >= start + time {
                return taken;
            }
            taken += 1;
        }
    }

    #[test]
    fn the_rate_is_kept() {
        let start = Instant::now();
        for (rate, seconds, expected) in [(50.0, 10, 500), (1000.0, 10, 10_000), (0.5, 60, 30)] {
            let taken = turns(&Pace::new(rate), start, Duration::from_secs(seconds));
            assert!(taken.abs_diff(expected) <= 1, "{rate} a second for {seconds} s: {taken}");
        }
    }

    #[test]
    fn turns_taken_together_are_spread() {
        let (pace, now) = (Pace::new(10.0), Instant::now());
        let waits: Vec<u128> = (0..4).map(|_| pace.reserve(now).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200, 300]);
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let (pace, start) = (Pace::new(10.0), Instant::now());
        pace.reserve(start);
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.reserve(later), Duration::ZERO);
        assert_eq!(pace.reserve(later).as_millis(), 100);
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        let (pace, now) = (Pace::new(0.0), Instant::now());
        assert!((0..1000).all(|_| pace.reserve(now).is_zero()));
    }
}
