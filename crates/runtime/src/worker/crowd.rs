//! Orgs that crowd the interactive lane at the first stage: what they have too much of goes on in lane bulk.
//!
//! Publishers of ours do that themselves; this is for all others. The order of an upload is fixed before it moves.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use heimdex_bus::{Delivery, Incoming};
use heimdex_schemas::{AssetUploaded, Lane, Org};
use heimdex_stage::{Context, Stage, accept};

use super::Worker;

/// Interactive uploads that wait, by org, counted down as they move on.
pub(crate) struct Crowd {
    waiting: Mutex<HashMap<Org, u64>>,
    /// How many an org may have waiting.
    depth: u64,
}

impl Crowd {
    pub fn new(depth: u64) -> Self {
        Self { waiting: Mutex::default(), depth }
    }

    /// What a look at the queue found; only orgs with too much are kept.
    pub fn set(&self, mut waiting: HashMap<Org, u64>) {
        waiting.retain(|_, uploads| *uploads > self.depth);
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }

    /// Whether one upload of `org` must move; it counts as moved.
    fn takes_one_out(&self, org: &Org) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(uploads) = waiting.get_mut(org).filter(|uploads| **uploads > self.depth) else { return false };
        *uploads -= 1;
        true
    }
}

impl<S: Stage> Worker<S> {
    /// Puts the upload at the end of its org's lane bulk, if that is where it belongs. `false` when it is to be handled
    /// here and now, as everything is that is not a crowding upload, or that bulk has no room for.
    pub(crate) async fn demote(
        &self,
        delivery: &Delivery,
        incoming: &Incoming,
        (context, input): (&Context, &S::In),
    ) -> bool {
        let any: &dyn Any = input;
        let Some(uploaded) = any.downcast_ref::<AssetUploaded>() else { return false };
        let is_first = context.lane == Lane::Interactive && delivery.delivered() == 1;
        if !is_first || !self.crowd.takes_one_out(&context.org) {
            return false;
        }
        let model = uploaded.model.as_ref().unwrap_or(&self.config.model);
        if accept::accept(context, &uploaded.asset_id, model).await.is_err() {
            return false;
        }
        match self.publisher.demote(delivery, incoming).await {
            Ok(_) => {
                self.metrics.demoted.inc();
                true
            }
            Err(error) => {
                tracing::debug!(%error, org = %context.org, "not demoted");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn an_org_gives_up_what_it_has_too_much_of() {
        let (crowd, org) = (Crowd::new(100), |name: &str| name.parse::<Org>().unwrap());
        assert!(!crowd.takes_one_out(&org("a")));
        crowd.set([(org("a"), 102), (org("b"), 100)].into());
        assert_eq!([(); 3].map(|()| crowd.takes_one_out(&org("a"))), [true, true, false]);
        assert!(!crowd.takes_one_out(&org("b")));
    }
}
