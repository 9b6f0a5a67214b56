//! Every way a message leaves the hand: acknowledged, given back, parked, or dead-lettered with its consequence.

use std::sync::atomic::Ordering;
use std::time::Duration;

use heimdex_bus::{AckError, DeadLetter, Delivery, Incoming, PublishError, Verdict};
use heimdex_schemas::FailureClass;
use heimdex_stage::{Class, LedgerError, Stage, failpoint};

use super::Worker;
use super::attempts::{self, Record, Standing};
use super::backoff;
use super::handle::{InHand, Outcome, Problem};
use crate::metrics::Failed;

impl<S: Stage> Worker<S> {
    /// Acts on what happened.
    pub(crate) async fn settle(
        &self,
        delivery: &Delivery,
        mut standing: Standing,
        is_suspect: bool,
        (outcome, in_hand): (Outcome, InHand),
    ) {
        match outcome {
            Outcome::Done => self.done(delivery, standing, is_suspect).await,
            Outcome::Newer(found) => self.park(delivery, standing, &found).await,
            Outcome::Abandoned => self.give_back(delivery, &mut standing, Duration::ZERO).await,
            Outcome::Failed(problem) => match problem.class {
                Class::Transient => self.later(delivery, standing, problem, in_hand).await,
                Class::Unavailable => self.unavailable(delivery, standing, &problem).await,
                Class::Permanent | Class::Poison | Class::Cancelled => {
                    self.bury(delivery, &mut standing, &problem, in_hand).await;
                }
            },
        }
    }

    async fn done(&self, delivery: &Delivery, mut standing: Standing, is_suspect: bool) {
        self.breaker.succeed();
        // An ack can get lost; the mark must not then count as a death.
        if is_suspect && let Err(error) = self.attempts.write(delivery, &mut standing, self.heard_from()).await {
            tracing::warn!(%error, "a suspect that came through is still marked");
        }
        failpoint::before("ack");
        let settled = delivery.ack().await;
        failpoint::after("ack");
        self.settled(delivery, &standing, settled).await;
    }

    /// Without a confirmation the message comes again, and its record is still needed; every sink copes with that.
    async fn settled(&self, delivery: &Delivery, standing: &Standing, settled: Result<(), AckError>) {
        match settled {
            Ok(()) => {
                tracing::debug!(
                    stream = delivery.stream(),
                    sequence = delivery.position().sequence,
                    "the broker confirmed"
                );
                self.attempts.forget(delivery, standing).await;
            }
            Err(error) => report(Err(error)),
        }
    }

    /// The process outlived this delivery. Earlier deaths are not forgotten.
    fn heard_from(&self) -> impl Fn(&mut Record) + Send + use<S> {
        let holder = self.holder;
        move |record| attempts::clear(record, holder)
    }

    /// The handler said "later": one attempt is charged.
    async fn later(&self, delivery: &Delivery, mut standing: Standing, problem: Problem, in_hand: InHand) {
        self.metrics.count_failed(Failed::Transient);
        let attempts = standing.record.attempts.saturating_add(1);
        tracing::warn!(attempts, code = problem.code, message = problem.message, "failed, will be tried again");
        if attempts >= self.config.max_attempts {
            standing.record.attempts = attempts;
            self.bury(delivery, &mut standing, &problem, in_hand).await;
            return;
        }
        let heard_from = self.heard_from();
        let charge = |record: &mut Record| {
            record.attempts = record.attempts.max(attempts);
            heard_from(record);
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
        let pause = self.breaker.trip(&problem.code, &problem.message);
        tracing::warn!(code = problem.code, message = problem.message, ?pause, "a dependency is away, pausing");
        self.give_back(delivery, &mut standing, pause).await;
    }

    /// Without the ledger nothing can be charged or explained; the message comes back as a suspect at worst.
    pub(crate) async fn ledger_away(&self, delivery: &Delivery, error: &LedgerError) {
        self.metrics.count_failed(Failed::Unavailable);
        let pause = self.breaker.trip(error.code(), &error.to_string());
        tracing::warn!(%error, ?pause, "the ledger is away, pausing");
        report(delivery.nak(pause).await);
    }

    /// Gives the message back with its delivery explained, so that nobody suspects it.
    async fn give_back(&self, delivery: &Delivery, standing: &mut Standing, delay: Duration) {
        if let Err(error) = self.attempts.write(delivery, standing, self.heard_from()).await {
            tracing::warn!(%error, "a message is given back unexplained");
        }
        report(delivery.nak(delay).await);
    }

    /// Another process may have it in hand, alone: nothing is known of this delivery, and nothing happened to it.
    pub(crate) async fn leave_to_holder(&self, delivery: &Delivery, left: Duration) {
        tracing::debug!(?left, "another process has it in hand alone");
        report(delivery.nak(left).await);
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
    pub(crate) async fn bury(&self, delivery: &Delivery, standing: &mut Standing, problem: &Problem, in_hand: InHand) {
        let verdict = verdict::<S>(problem, &standing.record);
        if problem.leaves_a_letter() {
            tracing::error!(class = ?verdict.class, code = verdict.code, message = verdict.message, "dead letter");
        } else {
            tracing::info!(code = verdict.code, message = verdict.message, "nobody wants it any more");
        }
        if let Err(error) = self.bury_confirmed(delivery, standing, (problem, &verdict), in_hand).await {
            self.unburied.store(true, Ordering::Relaxed);
            let pause = self.breaker.trip("dead_letter_unwritten", &error);
            tracing::error!(error, ?pause, "a dead letter could not be written, pausing");
            self.give_back(delivery, standing, pause).await;
            return;
        }
        // What stopped the stage was the dead-letter stream, and it takes letters again.
        if self.unburied.swap(false, Ordering::Relaxed) {
            self.breaker.succeed();
        }
        let class = if problem.is_undecodable { Failed::Undecodable } else { label(verdict.class) };
        self.metrics.count_failed(class);
        if problem.leaves_a_letter() {
            self.metrics.count_dead_letter(class);
        }
        failpoint::before("term");
        let settled = delivery.term(&format!("{:?}: {}", verdict.class, verdict.code)).await;
        failpoint::after("term");
        self.settled(delivery, standing, settled).await;
    }

    async fn bury_confirmed(
        &self,
        delivery: &Delivery,
        standing: &mut Standing,
        (problem, verdict): (&Problem, &Verdict),
        in_hand: InHand,
    ) -> Result<(), String> {
        if problem.leaves_a_letter() {
            failpoint::before("dead_letter");
            self.write_dead_letter(delivery, verdict, in_hand.decoded.as_ref()).await?;
            failpoint::after("dead_letter");
        }
        let decoded = match in_hand.decoded {
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
            Some(incoming) => {
                failpoint::before("consequence");
                self.consequence(delivery, (&incoming, in_hand.since), verdict).await?;
                failpoint::after("consequence");
                Ok(())
            }
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
        incoming: Option<&Incoming>,
    ) -> Result<(), String> {
        let letter = DeadLetter { delivery, verdict, incoming };
        let written = self.bus.dead_letters().publish(letter).await;
        written.map(|_| ()).map_err(|error| match error {
            PublishError::StreamFull { reason, .. } => {
                format!(
                    "the dead-letter stream is full ({reason}): replay or purge some, or raise HEIMDEX_DEAD_LETTERS"
                )
            }
            error => format!("the dead letter was not written: {error}"),
        })
    }
}

fn verdict<S: Stage>(problem: &Problem, record: &Record) -> Verdict {
    let class = match problem.class {
        Class::Permanent => FailureClass::Rejected,
        Class::Transient | Class::Unavailable => FailureClass::Exhausted,
        Class::Poison => FailureClass::Poison,
        Class::Cancelled => FailureClass::Cancelled,
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
        FailureClass::Cancelled => Failed::Cancelled,
    }
}

fn report(settled: Result<(), AckError>) {
    if let Err(error) = settled {
        tracing::warn!(%error, "not confirmed, it may come again");
    }
}
