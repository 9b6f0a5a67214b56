//! When work that failed is tried again.

use std::time::{Duration, Instant};

/// Work that is tried again after a failure: each in a row doubles the wait, from a shortest to a longest.
#[derive(Debug)]
pub struct Retry {
    work: &'static str,
    shortest: Duration,
    longest: Duration,
    failures: u32,
    last: Option<(String, Instant)>,
}

impl Retry {
    /// `work` has not failed yet.
    pub fn new(work: &'static str, shortest: Duration, longest: Duration) -> Self {
        Self { work, shortest, longest, failures: 0, last: None }
    }

    /// Notes a failure; the wait before the next try.
    pub fn fail(&mut self, reason: String) -> Duration {
        let doubled = self.shortest.saturating_mul(2u32.saturating_pow(self.failures));
        let wait = doubled.min(self.longest);
        self.failures = self.failures.saturating_add(1);
        tracing::error!(self.work, reason, self.failures, wait_ms = wait.as_millis(), "failed; it is tried again");
        self.last = Some((reason, Instant::now() + wait));
        wait
    }

    /// Notes a success.
    pub fn succeed(&mut self) {
        if self.failures > 0 {
            tracing::info!(self.work, self.failures, "succeeded again");
        }
        self.failures = 0;
        self.last = None;
    }

    /// Whether the last try failed.
    pub fn is_failing(&self) -> bool {
        self.last.is_some()
    }

    /// How long until the next try; zero when nothing forbids it.
    pub fn wait(&self) -> Duration {
        self.last.as_ref().map_or(Duration::ZERO, |(_, due)| due.saturating_duration_since(Instant::now()))
    }

    /// What is wrong, for people.
    pub fn trouble(&self) -> Option<String> {
        let (reason, _) = self.last.as_ref()?;
        Some(format!("{} failed (failures in a row: {}) and is tried again: {reason}", self.work, self.failures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again_after_a_success() {
        let seconds = Duration::from_secs;
        let mut retry = Retry::new("a checkpoint", seconds(1), seconds(5));
        assert_eq!((retry.is_failing(), retry.wait()), (false, Duration::ZERO));
        assert_eq!([(); 4].map(|()| retry.fail("planned".into())), [1, 2, 4, 5].map(seconds));
        assert!(retry.is_failing() && retry.wait() > seconds(4));
        let trouble = retry.trouble();
        assert!(trouble.is_some_and(|text| text.contains("a checkpoint") && text.contains("4")));
        retry.succeed();
        assert_eq!((retry.trouble(), retry.wait()), (None, Duration::ZERO));
        assert_eq!(retry.fail("planned".into()), seconds(1));
    }
}
