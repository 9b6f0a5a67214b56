//! One message in hand, from the look at its past to a result that `settle` acts on.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt, TryStreamExt};
use heimdex_bus::{DecodeError, Delivery, Incoming, PublishError};
use heimdex_schemas::{EnvelopeError, StageTime};
use heimdex_stage::{Class, Classify, Context, Event, Stage, failpoint};
use tracing::Instrument as _;

use super::Worker;
use super::attempts::{Standing, Treatment};
use super::progress::Step;
use super::unwanted::Unwanted;
use crate::telemetry;

/// Outputs of one message published at the same time.
const PUBLISH_CONCURRENCY: usize = 16;

/// What happened to a message in hand.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its outputs are stored.
    Done,
    /// Not this time.
    Failed(Problem),
    /// Its event is of a newer major version.
    Newer(String),
    /// The grace ended first.
    Abandoned,
}

/// A message in hand, as far as it could be read.
#[derive(Debug)]
pub(crate) struct InHand {
    pub since: DateTime<Utc>,
    /// What a dead letter of it would concern.
    pub decoded: Option<Incoming>,
}

impl InHand {
    pub fn unread() -> Self {
        Self { since: Utc::now(), decoded: None }
    }
}

/// Why a message failed.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub class: Class,
    pub code: String,
    pub message: String,
    /// The message never was an event of ours.
    pub is_undecodable: bool,
}

impl Problem {
    fn new(class: Class, code: &str, message: impl ToString) -> Self {
        Self { class, code: code.to_owned(), message: message.to_string(), is_undecodable: false }
    }

    fn undecodable(class: Class, code: &str, message: impl ToString) -> Self {
        Self { is_undecodable: class != Class::Unavailable, ..Self::new(class, code, message) }
    }

    pub fn unwanted(reason: Unwanted) -> Self {
        Self::new(Class::Cancelled, reason.code(), reason)
    }

    /// Whether somebody may want the message back. Not when its content was deleted: a letter would keep that.
    pub fn leaves_a_letter(&self) -> bool {
        self.class != Class::Cancelled || self.code == Unwanted::Job.code()
    }

    pub fn poison(deaths: usize) -> Self {
        Self::new(Class::Poison, "poison", format!("the process died {deaths} times with this message alone in hand"))
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        Self::new(error.class(), error.code(), &error)
    }
}

impl<S: Stage> Worker<S> {
    /// Sees one delivery through, whatever happens.
    pub(crate) async fn process(&self, delivery: &Delivery) {
        let span = tracing::info_span!(
            "message",
            messaging.system = "nats",
            messaging.destination.name = delivery.subject(),
            sequence = delivery.position().sequence,
            delivered = delivery.delivered(),
        );
        if let Some(parent) = delivery.header("traceparent").or_else(|| delivery.header("ce-traceparent")) {
            telemetry::continue_trace(&span, parent);
        }
        let _lease = delivery.keep_alive();
        self.count(delivery);
        self.metrics.in_flight.inc();
        failpoint::scope(S::NAME, self.look_and_handle(delivery)).instrument(span).await;
        self.metrics.in_flight.dec();
    }

    fn count(&self, delivery: &Delivery) {
        self.metrics.received.inc();
        if delivery.delivered() > 1 {
            self.metrics.redelivered.inc();
        }
        let age = Utc::now().signed_duration_since(delivery.position().stored_at);
        self.metrics.queue_age.observe(age.as_seconds_f64().max(0.0));
    }

    async fn look_and_handle(&self, delivery: &Delivery) {
        match self.attempts.look(delivery).await {
            Err(error) => self.ledger_away(delivery, &error).await,
            Ok(Treatment::Normal(standing)) => {
                let _held = self.isolation.together().await;
                self.handle_and_settle(delivery, standing, false).await;
            }
            Ok(Treatment::Held(left)) => self.leave_to_holder(delivery, left).await,
            Ok(Treatment::Suspect(_) | Treatment::Poison(_)) => self.judge_alone(delivery).await,
        }
    }

    /// Judged when nothing else is in hand: a broker that restarts redelivers at once, and then the mark may be that of
    /// an earlier copy of this message, which is in hand in this very process. That is no death.
    async fn judge_alone(&self, delivery: &Delivery) {
        let _held = self.isolation.alone().await;
        match self.attempts.look(delivery).await {
            Err(error) => self.ledger_away(delivery, &error).await,
            Ok(Treatment::Normal(standing)) => self.handle_and_settle(delivery, standing, false).await,
            Ok(Treatment::Held(left)) => self.leave_to_holder(delivery, left).await,
            Ok(Treatment::Suspect(standing)) => self.handle_alone(delivery, standing).await,
            Ok(Treatment::Poison(mut standing)) => {
                let problem = Problem::poison(standing.record.died.len());
                self.bury(delivery, &mut standing, &problem, InHand::unread()).await;
            }
        }
    }

    /// The mark is confirmed before the message is touched: a death from here on is this message's.
    async fn handle_alone(&self, delivery: &Delivery, mut standing: Standing) {
        tracing::warn!(record = ?standing.record, "a suspect: handling it alone");
        match self.attempts.mark(delivery, &mut standing).await {
            Ok(_fresh) => self.handle_and_settle(delivery, standing, true).await,
            Err(error) => self.ledger_away(delivery, &error).await,
        }
    }

    async fn handle_and_settle(&self, delivery: &Delivery, standing: Standing, is_suspect: bool) {
        let mut in_hand = InHand::unread();
        let outcome = tokio::select! {
            outcome = self.attempt(delivery, &mut in_hand) => outcome,
            () = self.abandon.cancelled() => Outcome::Abandoned,
        };
        self.settle(delivery, standing, is_suspect, (outcome, in_hand)).await;
    }

    /// Decodes, handles and publishes. Leaves in `in_hand` what a dead letter of this message would concern.
    async fn attempt(&self, delivery: &Delivery, in_hand: &mut InHand) -> Outcome {
        let incoming = match delivery.decode(self.blobs.as_ref(), self.config.input_bytes).await {
            Ok(incoming) => incoming,
            Err(DecodeError::Envelope(EnvelopeError::NewerMajor { found, .. })) => return Outcome::Newer(found),
            Err(error) => return self.unreadable(error).await,
        };
        let mut input: S::In = match incoming.envelope.data_as() {
            Ok(input) => input,
            Err(EnvelopeError::NewerMajor { found, .. }) => return Outcome::Newer(found),
            Err(error) => {
                in_hand.decoded = Some(incoming);
                return Outcome::Failed(Problem::undecodable(Class::Permanent, error.code(), error));
            }
        };
        // A replay in the middle of the pipeline has new Msg-Ids from here on, as one from the start has.
        if let Some(lineage) = input.lineage_mut() {
            lineage.replay = lineage.replay.max(incoming.envelope.replay());
        }
        let context = self.context(delivery, &incoming);
        let incoming = in_hand.decoded.insert(incoming);
        if let Some(reason) = self.unwanted.reason::<S>(&context, &input) {
            return Outcome::Failed(Problem::unwanted(reason));
        }
        if self.demote(delivery, incoming, (&context, &input)).await {
            return Outcome::Done;
        }
        match self.handle_and_publish(delivery, (&context, in_hand.since), input).await {
            Ok(()) => Outcome::Done,
            Err(problem) => Outcome::Failed(problem),
        }
    }

    async fn unreadable(&self, error: DecodeError) -> Outcome {
        match self.is_leftover(&error).await {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Failed(Problem::undecodable(error.class(), error.code(), error)),
            Err(away) => Outcome::Failed(Problem::new(away.class(), away.code(), away)),
        }
    }

    async fn handle_and_publish(
        &self,
        delivery: &Delivery,
        (context, since): (&Context, DateTime<Utc>),
        input: S::In,
    ) -> Result<(), Problem> {
        let step = Step::of(&input);
        let mut outputs = self.handle(context, input).await?;
        let passed = self.stage_time(delivery, since);
        for lineage in outputs.iter_mut().filter_map(Event::lineage_mut) {
            lineage.trail.push(passed.clone());
        }
        if failpoint::is_broken("sabotage.ack_before_publish") {
            let _unseen = delivery.ack().await;
        }
        self.publish(delivery, &outputs, step).await?;
        self.stage.published(context).await;
        Ok(())
    }

    /// What the trail of an upload says of this stage.
    pub(crate) fn stage_time(&self, delivery: &Delivery, started_at: DateTime<Utc>) -> StageTime {
        let queued_at = delivery.position().stored_at;
        StageTime { stage: S::NAME, queued_at, started_at, finished_at: Utc::now(), messages: 1 }
    }

    pub(crate) fn context(&self, delivery: &Delivery, incoming: &Incoming) -> Context {
        Context {
            envelope: incoming.envelope.clone().with_data(bytes::Bytes::new()),
            org: incoming.address.org.clone(),
            lane: incoming.address.lane,
            position: delivery.position(),
            blobs: self.blobs.clone(),
            ledger: self.ledger.clone(),
            cancelled: self.abandon.child_token(),
        }
    }

    /// Runs the stage. A panic is caught and charged as an attempt: it cost this message, not its neighbours.
    async fn handle(&self, context: &Context, input: S::In) -> Result<Vec<S::Out>, Problem> {
        let start = Instant::now();
        let handled = AssertUnwindSafe(self.stage.handle(context, input)).catch_unwind().await;
        self.metrics.duration.observe(start.elapsed().as_secs_f64());
        match handled {
            Ok(Ok(outputs)) => Ok(outputs),
            Ok(Err(error)) => Err(Problem::new(error.class(), error.code(), &error)),
            Err(panic) => Err(Problem::new(Class::Transient, "panic", panic_text(panic.as_ref()))),
        }
    }

    async fn publish(&self, delivery: &Delivery, outputs: &[S::Out], step: Option<Step>) -> Result<(), PublishError> {
        failpoint::before("publish");
        let traced = telemetry::traceparent_of(&tracing::Span::current());
        let trace = traced.as_deref().or_else(|| delivery.header("traceparent"));
        // Collected first: a lazy closure over borrowed outputs would not be `Send` for every lifetime.
        let sends: Vec<_> = outputs.iter().map(|output| self.publish_one(output, trace)).collect();
        let sent = futures::stream::iter(sends).buffer_unordered(PUBLISH_CONCURRENCY);
        let sequences: Vec<u64> = sent.try_collect().await?;
        failpoint::after("publish");
        self.report_progress(step, outputs, sequences.into_iter().max()).await;
        Ok(())
    }

    /// Returns the output's sequence in its stream.
    async fn publish_one(&self, output: &S::Out, trace: Option<&str>) -> Result<u64, PublishError> {
        let published = self.publisher.publish(S::NAME, output, trace).await?;
        self.metrics.published.inc();
        if published.duplicate {
            self.metrics.duplicates.inc();
        }
        Ok(published.sequence)
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "the handler panicked".to_owned())
}
