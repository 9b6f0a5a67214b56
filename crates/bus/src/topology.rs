//! The streams, consumers and buckets: created when missing, checked when there.
//!
//! Rules that hold for every queue: work queue retention, no `max_age`, durable pull consumers with disjoint filters
//! (one per lane), `max_deliver` −1 and no `backoff`. Attempts are counted by the runtime, not by the broker.

use std::fmt;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use heimdex_schemas::subject::lane_filter;
use heimdex_schemas::{
    AssetDeleted, AssetUploaded, ChunksCreated, ChunksEmbedded, DocumentExtracted, Event, Lane, OrgPurged, Receipt,
    StageName,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::BusError;
use crate::link::{ApiError, Link};
use crate::options::Limits;

/// The ledger's bucket.
pub const LEDGER_BUCKET: &str = "HEIMDEX_LEDGER";
/// Uploaded bytes.
pub const ORIGINALS_BUCKET: &str = "HEIMDEX_ORIGINALS";
/// Payloads between stages.
pub const WORK_BUCKET: &str = "HEIMDEX_WORK";
/// Dead letters.
pub const DEAD_LETTER_STREAM: &str = "HEIMDEX_DLQ";
/// Where jobs are.
pub const PROGRESS_STREAM: &str = "HEIMDEX_PROGRESS";

/// One setting that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `stream HEIMDEX_ASSETS` or `consumer extractor-bulk`.
    pub of: String,
    /// The setting as the broker's API names it.
    pub setting: String,
    pub wanted: String,
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} is {}, wanted {}", self.of, self.setting, self.found, self.wanted)
    }
}

/// What exists has other settings than ours; each difference is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the broker's topology differs: {}", .differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct TopologyError {
    pub differences: Vec<Difference>,
}

/// The event type that a stage consumes and the stream it waits in.
const fn input(stage: StageName) -> (&'static str, &'static str) {
    match stage {
        StageName::Extractor => (AssetUploaded::NAME, AssetUploaded::STREAM),
        StageName::Chunker => (DocumentExtracted::NAME, DocumentExtracted::STREAM),
        StageName::Embedder => (ChunksCreated::NAME, ChunksCreated::STREAM),
        StageName::Writer => (ChunksEmbedded::NAME, ChunksEmbedded::STREAM),
        StageName::Eraser => (AssetDeleted::NAME, AssetDeleted::STREAM),
        StageName::Purger => (OrgPurged::NAME, OrgPurged::STREAM),
    }
}

/// The stream that `stage` reads from.
#[must_use]
pub const fn input_stream(stage: StageName) -> &'static str {
    input(stage).1
}

/// The stage that reads messages of `subject`, `<event>.<lane>.<org>`.
#[must_use]
pub fn stage_of(subject: &str) -> Option<StageName> {
    let tokens: Vec<&str> = subject.split('.').collect();
    let [event @ .., _, _] = tokens.as_slice() else { return None };
    let event = event.join(".");
    StageName::ALL.iter().copied().find(|stage| input(*stage).0 == event)
}

/// Where `stage` is sent work of `org` in `lane`.
#[must_use]
pub fn input_subject(stage: StageName, lane: Lane, org: &heimdex_schemas::Org) -> String {
    format!("{}.{lane}.{org}", input(stage).0)
}

/// The stage that empties `stream`, when it is one's alone.
#[must_use]
pub fn reader(stream: &str) -> Option<StageName> {
    let mut readers = readers(stream);
    readers.next().filter(|_| readers.next().is_none())
}

/// The stages that read from `stream`: what waits there is theirs together.
pub(crate) fn readers(stream: &str) -> impl Iterator<Item = StageName> {
    StageName::ALL.iter().copied().filter(move |stage| input_stream(*stage) == stream)
}

/// The subjects that `stage` reads, all lanes and orgs.
pub(crate) fn subjects(stage: StageName) -> String {
    format!("{}.*.*", input(stage).0)
}

/// The subjects that `stage` reads in one lane, all orgs.
pub(crate) fn filter(stage: StageName, lane: Lane) -> String {
    lane_filter(input(stage).0, lane)
}

/// The durable consumer of one stage and lane.
#[must_use]
pub fn consumer_name(stage: StageName, lane: Lane) -> String {
    format!("{stage}-{lane}")
}

/// Creates what is missing and checks what is there, streams first.
pub(crate) async fn ensure(link: &Link) -> Result<(), BusError> {
    let limits = &link.options.limits;
    let mut differences = Vec::new();
    for stream in streams(limits) {
        differences.extend(ensure_stream(link, &stream).await?);
    }
    for stage in StageName::ALL {
        for lane in Lane::ALL {
            differences.extend(ensure_consumer(link, *stage, &consumer(*stage, *lane, limits)).await?);
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(TopologyError { differences }.into()) }
}

/// Every stream, in no particular order.
fn streams(limits: &Limits) -> Vec<Config> {
    let mut streams = vec![uploads(limits)];
    for stage in [StageName::Chunker, StageName::Embedder, StageName::Writer] {
        let (event, name) = input(stage);
        streams.push(Config { retention: RetentionPolicy::WorkQueue, ..stream(limits, name, &format!("{event}.*.*")) });
    }
    streams.push(Config {
        max_messages_per_subject: 1,
        max_age: limits.progress_age,
        ..stream(limits, PROGRESS_STREAM, "heimdex.progress.*.*.*.*")
    });
    streams.push(Config {
        max_messages_per_subject: 1,
        max_age: limits.receipt_age,
        ..stream(limits, Receipt::STREAM, "heimdex.receipt.*.*")
    });
    streams.push(Config {
        max_messages: limits.dead_letters,
        max_age: limits.dead_letter_age,
        discard: DiscardPolicy::New,
        ..stream(limits, DEAD_LETTER_STREAM, "heimdex.dlq.*.*.*")
    });
    streams.push(ledger(limits));
    streams.extend([ORIGINALS_BUCKET, WORK_BUCKET].map(|bucket| objects(limits, bucket)));
    streams
}

/// The only stream that refuses: an org with too many uploads waiting is told so, others notice nothing. Deletions have
/// subjects of their own, so they are never refused for the uploads that wait.
fn uploads(limits: &Limits) -> Config {
    Config {
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        max_messages_per_subject: limits.org_depth,
        subjects: readers(AssetUploaded::STREAM).map(subjects).collect(),
        ..stream(limits, AssetUploaded::STREAM, "")
    }
}

fn stream(limits: &Limits, name: &str, subject: &str) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        storage: StorageType::File,
        num_replicas: limits.replicas,
        duplicate_window: limits.duplicate_window,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        ..Config::default()
    }
}

/// A KV bucket as ADR-8 lays it out, one version per key.
fn ledger(limits: &Limits) -> Config {
    Config {
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        ..stream(limits, &format!("KV_{LEDGER_BUCKET}"), &format!("$KV.{LEDGER_BUCKET}.>"))
    }
}

/// An object store as ADR-20 lays it out, but without direct reads: a replica that lags would call a blob missing.
fn objects(limits: &Limits, bucket: &str) -> Config {
    Config {
        discard: DiscardPolicy::New,
        allow_rollup: true,
        subjects: vec![format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")],
        ..stream(limits, &format!("OBJ_{bucket}"), "")
    }
}

/// Makes the consumer of one stage and lane anew: it delivers all that is stored.
pub(crate) async fn renew_consumer(link: &Link, stage: StageName, lane: Lane) -> Result<(), BusError> {
    delete_consumer(link, stage, lane).await?;
    let differences = ensure_consumer(link, stage, &consumer(stage, lane, &link.options.limits)).await?;
    if differences.is_empty() { Ok(()) } else { Err(TopologyError { differences }.into()) }
}

#[derive(serde::Deserialize)]
struct Deleted {
    success: bool,
}

pub(crate) async fn delete_consumer(link: &Link, stage: StageName, lane: Lane) -> Result<(), BusError> {
    let name = consumer_name(stage, lane);
    let of = format!("consumer {name}");
    let deleted: Result<Deleted, ApiError> =
        link.api(&format!("CONSUMER.DELETE.{}.{name}", input_stream(stage)), &()).await;
    match deleted.map_err(|e| e.into_bus(of.clone()))? {
        Deleted { success: true } => Ok(()),
        Deleted { success: false } => Err(BusError::Refused { what: of, reason: "not deleted".to_owned() }),
    }
}

fn consumer(stage: StageName, lane: Lane, limits: &Limits) -> pull::Config {
    pull::Config {
        durable_name: Some(consumer_name(stage, lane)),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        replay_policy: ReplayPolicy::Instant,
        ack_wait: limits.ack_wait,
        max_deliver: -1,
        max_ack_pending: limits.max_ack_pending,
        filter_subject: filter(stage, lane),
        ..pull::Config::default()
    }
}

const STREAM_SETTINGS: &[&str] = &[
    "subjects",
    "retention",
    "storage",
    "num_replicas",
    "max_msgs",
    "max_bytes",
    "max_msgs_per_subject",
    "max_age",
    "discard",
    "discard_new_per_subject",
    "duplicate_window",
    "allow_rollup_hdrs",
    "deny_delete",
    "no_ack",
    "sealed",
    "mirror",
    "sources",
    "subject_transform",
];

const CONSUMER_SETTINGS: &[&str] = &[
    "deliver_policy",
    "ack_policy",
    "replay_policy",
    "ack_wait",
    "max_deliver",
    "max_ack_pending",
    "filter_subject",
    "filter_subjects",
    "backoff",
    "headers_only",
    "inactive_threshold",
    "deliver_subject",
];

#[derive(serde::Deserialize)]
struct Found {
    config: Map<String, Value>,
}

async fn ensure_stream(link: &Link, wanted: &Config) -> Result<Vec<Difference>, BusError> {
    let of = format!("stream {}", wanted.name);
    let found: Result<Found, ApiError> = link.api(&format!("STREAM.INFO.{}", wanted.name), &()).await;
    let found = match found {
        Ok(found) => found,
        Err(error) if error.is_missing() => {
            link.api(&format!("STREAM.CREATE.{}", wanted.name), wanted).await.map_err(|e| e.into_bus(of.clone()))?
        }
        Err(error) => return Err(error.into_bus(of)),
    };
    compare(&of, STREAM_SETTINGS, wanted, &found.config)
}

#[derive(Serialize)]
struct CreateConsumer<'a> {
    stream_name: &'a str,
    config: Value,
    action: &'static str,
}

async fn ensure_consumer(link: &Link, stage: StageName, wanted: &pull::Config) -> Result<Vec<Difference>, BusError> {
    let stream = input_stream(stage);
    let name = wanted.durable_name.clone().unwrap_or_default();
    let of = format!("consumer {name}");
    let found: Result<Found, ApiError> = link.api(&format!("CONSUMER.INFO.{stream}.{name}"), &()).await;
    let config = wanted_consumer(wanted, &of)?;
    let found = match found {
        Ok(found) => found,
        Err(error) if error.is_missing() => {
            let call = format!("CONSUMER.CREATE.{stream}.{name}.{}", wanted.filter_subject);
            let body = CreateConsumer { stream_name: stream, config: config.clone(), action: "create" };
            link.api(&call, &body).await.map_err(|e| e.into_bus(of.clone()))?
        }
        Err(error) => return Err(error.into_bus(of)),
    };
    compare(&of, CONSUMER_SETTINGS, &config, &found.config)
}

/// The client's own type writes enum settings flattened; the JSON is what the broker's API takes.
fn wanted_consumer(wanted: &pull::Config, of: &str) -> Result<Value, BusError> {
    let malformed = |reason: String| BusError::Malformed { what: of.to_owned(), reason };
    let mut value = serde_json::to_value(wanted).map_err(|e| malformed(e.to_string()))?;
    if let (Some(config), Some(name)) = (value.as_object_mut(), wanted.durable_name.as_ref()) {
        config.insert("name".to_owned(), Value::String(name.clone()));
    }
    Ok(value)
}

fn compare(
    of: &str,
    settings: &[&str],
    wanted: &impl Serialize,
    found: &Map<String, Value>,
) -> Result<Vec<Difference>, BusError> {
    let wanted =
        serde_json::to_value(wanted).map_err(|e| BusError::Malformed { what: of.to_owned(), reason: e.to_string() })?;
    let differs = |setting: &&&str| meaning(wanted.get(**setting)) != meaning(found.get(**setting));
    let differences = settings.iter().filter(differs).map(|setting| Difference {
        of: of.to_owned(),
        setting: (*setting).to_owned(),
        wanted: meaning(wanted.get(*setting)).to_string(),
        found: meaning(found.get(*setting)).to_string(),
    });
    Ok(differences.collect())
}

/// An absent setting, `false`, 0 and an empty list are the same to the broker.
fn meaning(value: Option<&Value>) -> Value {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => Value::Null,
        Some(Value::Number(n)) if n.as_i64() == Some(0) => Value::Null,
        Some(Value::String(text)) if text.is_empty() => Value::Null,
        Some(Value::Array(items)) if items.is_empty() => Value::Null,
        Some(value) => value.clone(),
    }
}
