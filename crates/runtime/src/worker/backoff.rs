//! Delays between attempts: exponential with jitter, computed here because the broker's own backoff would override
//! the lease.

use std::time::Duration;

use rand::RngExt as _;

/// The delay after the `attempt`th failure (from 1): `base` tripled with each, at most `cap`, of which between half and
/// all is taken at random, so that what failed together does not come back together.
pub(crate) fn delay(attempt: u32, base: Duration, cap: Duration) -> Duration {
    let factor = 3_u32.saturating_pow(attempt.saturating_sub(1).min(20));
    let full = base.saturating_mul(factor).min(cap);
    full.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_triple_up_to_the_cap() {
        let (base, cap) = (Duration::from_secs(5), Duration::from_secs(3600));
        for (attempt, full) in [(1, 5), (2, 15), (3, 45), (7, 3600), (u32::MAX, 3600)] {
            let full = Duration::from_secs(full);
            let found = delay(attempt, base, cap);
            assert!(found >= full / 2 && found <= full, "{attempt}: {found:?}");
        }
    }
}
