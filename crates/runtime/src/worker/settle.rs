//! Every way a message leaves the hand: acknowledged, given back, parked, or dead-lettered with its consequence.

use std::time::Duration;

use heimdex_bus::{AckError, DeadLetter, Delivery, Incoming, PublishError, Verdict};
use heimdex_schemas::{AssetId, FailureClass};
use heimdex_stage::{Class, LedgerError, Stage, failpoint};

use super::Worker;
use super::attempts::{Record, Standing};
use super::backoff;
use super::consequence;
use super::handle::{Outcome, Problem};
use crate::metrics::Failed;

impl<S: Stage> Worker<S> {
    /// Acts on what happened.
    pub(crate) async fn settle(
        &self,
        delivery: &Delivery,
        mut standing: Standing,
        is_suspect: bool,
        (outcome, decoded): (Outcome, Option<Incoming>),
    ) {
        match outcome {
            Outcome::Done => self.done(delivery, standing, is_suspect).await,
            Outcome::Newer(found) => self.park(delivery, standing, &found).await,
            Outcome::Abandoned => self.give_back(delivery, &mut standing, Duration::ZERO).await,
            Outcome::Failed(problem) => match problem.class {
                Class::Transient => self.later(delivery, standing, problem, decoded).await,
                Class::Unavailable => self.unavailable(delivery, standing, &problem).await,
                Class::Permanent | Class::Poison => {
                    self.bury(delivery, &mut standing, &problem, decoded).await;
                }
            },
        }
    }

    async fn done(&self, delivery: &Delivery, mut standing: Standing, is_suspect: bool) {
        self.breaker.succeed();
        // An ack can get lost; the mark must not then count as a death.
        if is_suspect && let Err(error) = self.attempts.write(delivery, &mut standing, clear).await {
            tracing::warn!(%error, "a suspect that came through is still marked");
        }
        report(delivery.ack().await);
        failpoint::pass("after_ack");
    }

    /// The handler said "later": one attempt is charged.
    async fn later(&self, delivery: &Delivery, mut standing: Standing, problem: Problem, decoded: Option<Incoming>) {
        self.metrics.count_failed(Failed::Transient);
        let attempts = standing.record.attempts.saturating_add(1);
        tracing::warn!(attempts, code = problem.code, message = problem.message, "failed, will be tried again");
        if attempts >= self.config.max_attempts {
            standing.record.attempts = attempts;
            self.bury(delivery, &mut standing, &problem, decoded).await;
            return;
        }
        let charge = |record: &mut Record| {
            record.attempts = record.attempts.max(attempts);
            clear(record);
        };
        let delay = backoff::delay(attempts, self.config.backoff_base, self.config.backoff_cap);
        match self.attempts.write(delivery, &mut standing, charge).await {
            Ok(()) => report(delivery.nak(delay).await),
            Err(error) => self.ledger_away(delivery, &error).await,
        }
    }

    /// A dependency is away: nothing is charged, and the stage stops pulling until it is back.
    async fn unavailable(&self, delivery: &Delivery, mut standing: Standing, problem: &Problem) {
        self.metrics.count_failed(Failed::Unavailable);
        let pause = self.breaker.trip();
        tracing::warn!(code = problem.code, message = problem.message, ?pause, "a dependency is away, pausing");
        self.give_back(delivery, &mut standing, pause).await;
    }

    /// Without the ledger nothing can be charged or explained; the message comes back as a suspect at worst.
    pub(crate) async fn ledger_away(&self, delivery: &Delivery, error: &LedgerError) {
        self.metrics.count_failed(Failed::Unavailable);
        let pause = self.breaker.trip();
        tracing::warn!(%error, ?pause, "the ledger is away, pausing");
        report(delivery.nak(pause).await);
    }

    /// Gives the message back with its delivery explained, so that nobody suspects it.
    async fn give_back(&self, delivery: &Delivery, standing: &mut Standing, delay: Duration) {
        if let Err(error) = self.attempts.write(delivery, standing, clear).await {
            tracing::warn!(%error, "a message is given back unexplained");
        }
        report(delivery.nak(delay).await);
    }

    /// Gives back a message that was never looked at.
    pub(crate) async fn give_back_unopened(&self, delivery: &Delivery) {
        match self.attempts.look(delivery).await {
            Ok(super::attempts::Treatment::Normal(mut standing)) => {
                self.give_back(delivery, &mut standing, Duration::ZERO).await;
            }
            // Suspects and poison stay what they are.
            Ok(_) | Err(_) => report(delivery.nak(Duration::ZERO).await),
        }
    }

    /// A newer build can read it: an alarm, not a dead letter.
    async fn park(&self, delivery: &Delivery, mut standing: Standing, found: &str) {
        self.metrics.count_failed(Failed::Parked);
        tracing::error!(found, park = ?self.config.park, "an event of a newer major version is parked");
        self.give_back(delivery, &mut standing, self.config.park).await;
    }

    /// Dead letter confirmed, then the consequence confirmed, then term.
    pub(crate) async fn bury(
        &self,
        delivery: &Delivery,
        standing: &mut Standing,
        problem: &Problem,
        decoded: Option<Incoming>,
    ) {
        let verdict = verdict::<S>(problem, standing.record);
        tracing::error!(class = ?verdict.class, code = verdict.code, message = verdict.message, "dead letter");
        if let Err(error) = self.bury_confirmed(delivery, standing, &verdict, decoded).await {
            let pause = self.breaker.trip();
            tracing::error!(error, ?pause, "a dead letter could not be written, pausing");
            self.give_back(delivery, standing, pause).await;
            return;
        }
        let class = if problem.is_undecodable { Failed::Undecodable } else { label(verdict.class) };
        self.metrics.count_failed(class);
        self.metrics.count_dead_letter(class);
        failpoint::pass("before_term");
        report(delivery.term(&format!("dead-lettered: {}", verdict.code)).await);
    }

    async fn bury_confirmed(
        &self,
        delivery: &Delivery,
        standing: &mut Standing,
        verdict: &Verdict,
        decoded: Option<Incoming>,
    ) -> Result<(), String> {
        let asset = decoded.as_ref().and_then(consequence::asset);
        let replay = decoded.as_ref().map_or(0, |incoming| incoming.envelope.replay());
        self.write_dead_letter(delivery, verdict, asset.as_ref(), replay).await.map_err(|e| e.to_string())?;
        failpoint::pass("after_dead_letter");
        let decoded = match decoded {
            None if standing.record.buried => None,
            None => {
                // Reading it may be what kills: remember that the dead letter stands before trying once.
                let buried = |record: &mut Record| record.buried = true;
                self.attempts.write(delivery, standing, buried).await.map_err(|e| e.to_string())?;
                delivery.decode(self.blobs.as_ref(), self.config.input_bytes).await.ok()
            }
            decoded => decoded,
        };
        match decoded {
            Some(incoming) => self.consequence(delivery, &incoming, verdict).await,
            None => {
                tracing::error!("nobody can be told: the message does not say whose it is");
                Ok(())
            }
        }
    }

    async fn write_dead_letter(
        &self,
        delivery: &Delivery,
        verdict: &Verdict,
        asset: Option<&AssetId>,
        replay: u32,
    ) -> Result<(), PublishError> {
        let letter = DeadLetter { delivery, verdict, asset, replay };
        self.bus.dead_letters().publish(letter).await.map(|_| ())
    }
}

/// Heard from: the process outlived this delivery. Earlier deaths are not forgotten.
fn clear(record: &mut Record) {
    record.alone = false;
}

fn verdict<S: Stage>(problem: &Problem, record: Record) -> Verdict {
    let class = match problem.class {
        Class::Permanent => FailureClass::Rejected,
        Class::Transient | Class::Unavailable => FailureClass::Exhausted,
        Class::Poison => FailureClass::Poison,
    };
    Verdict {
        stage: S::NAME,
        class,
        code: problem.code.clone(),
        message: problem.message.clone(),
        attempts: record.attempts.max(1),
    }
}

const fn label(class: FailureClass) -> Failed {
    match class {
        FailureClass::Rejected => Failed::Permanent,
        FailureClass::Exhausted => Failed::Exhausted,
        FailureClass::Poison => Failed::Poison,
    }
}

/// Without a confirmation the message comes again; every sink copes with that.
fn report(settled: Result<(), AckError>) {
    if let Err(error) = settled {
        tracing::warn!(%error, "not confirmed, it may come again");
    }
}
