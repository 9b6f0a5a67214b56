//! How much an org may ask of one gateway: a bucket for each org and kind of request, refilled evenly.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use heimdex_schemas::Org;

use crate::problem::Problem;
use crate::settings::Settings;

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Search,
    Embed,
    Assets,
    Jobs,
}

type Buckets = RateLimiter<Org, DashMapStateStore<Org>, DefaultClock, StateInformationMiddleware>;

/// Orgs that are remembered before those with a full bucket are forgotten.
const REMEMBERED: usize = 10_000;

pub(crate) struct Limits {
    search: Limit,
    embed: Limit,
    assets: Limit,
    jobs: Limit,
}

struct Limit {
    buckets: Buckets,
    per_minute: NonZeroU32,
}

/// What is left after a request, for its answer's headers (draft-ietf-httpapi-ratelimit-headers-06).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    limit: u32,
    remaining: u32,
    /// Seconds until there is one more, or until the bucket is full.
    reset: u64,
}

impl Limits {
    pub fn new(settings: &Settings) -> Self {
        Self {
            search: Limit::new(settings.search_per_minute),
            embed: Limit::new(settings.embed_per_minute),
            assets: Limit::new(settings.assets_per_minute),
            jobs: Limit::new(settings.jobs_per_minute),
        }
    }

    /// Takes one from the org's bucket.
    pub fn take(&self, kind: Kind, org: &Org) -> Result<Left, (Problem, Left)> {
        match kind {
            Kind::Search => self.search.take(org),
            Kind::Embed => self.embed.take(org),
            Kind::Assets => self.assets.take(org),
            Kind::Jobs => self.jobs.take(org),
        }
    }
}

impl Limit {
    fn new(per_minute: NonZeroU32) -> Self {
        let buckets = RateLimiter::dashmap(Quota::per_minute(per_minute)).with_middleware();
        Self { buckets, per_minute }
    }

    fn take(&self, org: &Org) -> Result<Left, (Problem, Left)> {
        if self.buckets.len() > REMEMBERED {
            self.buckets.retain_recent();
        }
        let limit = self.per_minute.get();
        match self.buckets.check_key(org) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Ok(Left { limit, remaining, reset: self.refill(limit - remaining.min(limit)) })
            }
            Err(wait) => {
                let wait = wait.wait_time_from(DefaultClock::default().now());
                let seconds = whole_seconds(wait);
                let detail = format!("this org may ask {limit} times a minute; ask again in {seconds} s");
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail).retry_after(seconds);
                Err((problem, Left { limit, remaining: 0, reset: seconds }))
            }
        }
    }

    fn refill(&self, missing: u32) -> u64 {
        whole_seconds(Duration::from_secs(60).saturating_mul(missing) / self.per_minute.get())
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl Left {
    pub fn write(self, headers: &mut HeaderMap) {
        for (name, value) in [
            ("ratelimit-limit", u64::from(self.limit)),
            ("ratelimit-remaining", u64::from(self.remaining)),
            ("ratelimit-reset", self.reset),
        ] {
            headers.insert(name, HeaderValue::from(value));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn an_org_uses_up_its_own_bucket_only() {
        let limits = Limits::new(&Settings::default());
        let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
        for left in (0..10).rev() {
            assert_eq!(limits.take(Kind::Embed, &acme).unwrap().remaining, left);
        }
        let (problem, left) = limits.take(Kind::Embed, &acme).unwrap_err();
        assert_eq!((problem.status(), left.remaining), (StatusCode::TOO_MANY_REQUESTS, 0));
        assert!((1..=6).contains(&left.reset), "ten a minute: one more every six seconds, not {}", left.reset);
        assert!(limits.take(Kind::Embed, &other).is_ok());
        assert!(limits.take(Kind::Search, &acme).is_ok());
    }
}
