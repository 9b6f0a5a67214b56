//! One message in hand, from the look at its past to a result that `settle` acts on.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use chrono::Utc;
use futures::{FutureExt, StreamExt, TryStreamExt};
use heimdex_bus::{DecodeError, Delivery, Incoming, PublishError};
use heimdex_schemas::{EnvelopeError, Progress};
use heimdex_stage::{Class, Classify, Context, Event, Stage, failpoint};
use tracing::Instrument as _;

use super::Worker;
use super::attempts::{Standing, Treatment};
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

    pub fn poison(deaths: u32) -> Self {
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
        self.look_and_handle(delivery).instrument(span).await;
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
            Ok(Treatment::Suspect(standing)) => self.handle_alone(delivery, standing).await,
            Ok(Treatment::Poison(mut standing)) => {
                let problem = Problem::poison(standing.record.deaths);
                self.bury(delivery, &mut standing, &problem, None).await;
            }
        }
    }

    /// The mark is confirmed before the message is touched: a death from here on is this message's.
    async fn handle_alone(&self, delivery: &Delivery, mut standing: Standing) {
        tracing::warn!(record = ?standing.record, "a suspect: handling it alone");
        match self.attempts.write(delivery, &mut standing, |record| record.alone = true).await {
            Ok(()) => self.handle_and_settle(delivery, standing, true).await,
            Err(error) => self.ledger_away(delivery, &error).await,
        }
    }

    async fn handle_and_settle(&self, delivery: &Delivery, standing: Standing, is_suspect: bool) {
        let mut dead = None;
        let outcome = tokio::select! {
            outcome = self.attempt(delivery, &mut dead) => outcome,
            () = self.abandon.cancelled() => Outcome::Abandoned,
        };
        self.settle(delivery, standing, is_suspect, (outcome, dead)).await;
    }

    /// Decodes, handles and publishes. Leaves in `decoded` what a dead letter of this message would concern.
    async fn attempt(&self, delivery: &Delivery, decoded: &mut Option<Incoming>) -> Outcome {
        let incoming = match delivery.decode(self.blobs.as_ref(), self.config.input_bytes).await {
            Ok(incoming) => incoming,
            Err(DecodeError::Envelope(EnvelopeError::NewerMajor { found, .. })) => return Outcome::Newer(found),
            Err(error) => return Outcome::Failed(Problem::undecodable(error.class(), error.code(), error)),
        };
        let input: S::In = match incoming.envelope.data_as() {
            Ok(input) => input,
            Err(EnvelopeError::NewerMajor { found, .. }) => return Outcome::Newer(found),
            Err(error) => {
                *decoded = Some(incoming);
                return Outcome::Failed(Problem::undecodable(Class::Permanent, error.code(), error));
            }
        };
        let context = self.context(delivery, &incoming);
        *decoded = Some(incoming);
        match self.handle(&context, input).await {
            Ok(outputs) => match self.publish(delivery, &outputs).await {
                Ok(()) => Outcome::Done,
                Err(error) => Outcome::Failed(error.into()),
            },
            Err(problem) => Outcome::Failed(problem),
        }
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

    async fn publish(&self, delivery: &Delivery, outputs: &[S::Out]) -> Result<(), PublishError> {
        failpoint::pass("before_publish");
        let traced = telemetry::traceparent_of(&tracing::Span::current());
        let trace = traced.as_deref().or_else(|| delivery.header("traceparent"));
        // Collected first: a lazy closure over borrowed outputs would not be `Send` for every lifetime.
        let sends: Vec<_> = outputs.iter().map(|output| self.publish_one(output, trace)).collect();
        futures::stream::iter(sends).buffer_unordered(PUBLISH_CONCURRENCY).try_collect::<()>().await?;
        failpoint::pass("after_publish_before_ack");
        if let Some(output) = outputs.last() {
            self.report_progress(output).await;
        }
        Ok(())
    }

    async fn publish_one(&self, output: &S::Out, trace: Option<&str>) -> Result<(), PublishError> {
        let published = self.publisher.publish(S::NAME, output, trace).await?;
        self.metrics.published.inc();
        if published.duplicate {
            self.metrics.duplicates.inc();
        }
        Ok(())
    }

    /// Best effort: where the job is, for whoever watches.
    async fn report_progress(&self, output: &S::Out) {
        let Some(lineage) = output.lineage() else { return };
        let progress = Progress {
            org: lineage.org.clone(),
            upload: lineage.upload,
            stage: S::NAME,
            part: output.ordinal(),
            parts: output.parts(),
            at: Utc::now(),
        };
        self.bus.progress(&progress).await;
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "the handler panicked".to_owned())
}
