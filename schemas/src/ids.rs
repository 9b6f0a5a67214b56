//! Deterministic identities. The same upload reaches the same ids in every redelivery, replay and recreated stream.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::token::{Org, StageName};

/// Namespace of all Heimdex UUIDs (RFC 9562, version 5). Changing it changes every id ever made.
const NAMESPACE: Uuid = Uuid::from_u128(0x4865_696d_6465_7800_8000_6964_7330_0001);

/// UUIDv5 over length-prefixed fields, so that no two field lists share an encoding.
fn uuid5(namespace: Uuid, fields: &[&[u8]]) -> Uuid {
    let mut name = Vec::with_capacity(fields.iter().map(|f| f.len() + 8).sum());
    for field in fields {
        name.extend_from_slice(&(field.len() as u64).to_be_bytes());
        name.extend_from_slice(field);
    }
    Uuid::new_v5(&namespace, &name)
}

/// One upload of one asset: `uuid5(org, source, event id)`. Also the job id that an uploader asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct UploadId(pub Uuid);

impl UploadId {
    /// `source` and `event_id` are the CloudEvents attributes of the uploader's event.
    #[must_use]
    pub fn new(org: &Org, source: &str, event_id: &str) -> Self {
        Self(uuid5(NAMESPACE, &[org.as_str().as_bytes(), source.as_bytes(), event_id.as_bytes()]))
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UploadId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// One point in the index: `uuid5(upload, space, ordinal)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PointId(pub Uuid);

impl PointId {
    #[must_use]
    pub fn new(upload: UploadId, space: &str, ordinal: u32) -> Self {
        Self(uuid5(upload.0, &[space.as_bytes(), &ordinal.to_be_bytes()]))
    }
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The broker's deduplication key of one published event; 36 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MsgId(pub String);

impl MsgId {
    /// The `ordinal`th output of `stage` for `upload`. A replay has a new `replay` number, so a new id: the broker's
    /// dedupe window must not swallow what an operator sends again on purpose.
    #[must_use]
    pub fn new(upload: UploadId, stage: StageName, ordinal: u32, replay: u32) -> Self {
        let fields: [&[u8]; 3] = [stage.as_str().as_bytes(), &ordinal.to_be_bytes(), &replay.to_be_bytes()];
        Self(uuid5(upload.0, &fields).to_string())
    }
}

/// Which upload of an asset is newer: the greater one. Only the fence uses it.
///
/// The text form is two 16-digit hexadecimal numbers, so that text order is order. An uploader's own `sequence`
/// outranks the position in the stream; a recreated stream has a later epoch, so it outranks the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Order {
    epoch: u64,
    sequence: u64,
}

impl Order {
    const UPLOADER_EPOCH: u64 = u64::MAX;

    /// From the uploader's `sequence` extension.
    #[must_use]
    pub const fn by_uploader(sequence: u64) -> Self {
        Self { epoch: Self::UPLOADER_EPOCH, sequence }
    }

    /// From where the event was first seen. `epoch` is the stream's creation time in Unix seconds.
    #[must_use]
    pub const fn by_stream(epoch: u64, sequence: u64) -> Self {
        Self { epoch, sequence }
    }

    /// The uploader's number, or the position in the stream.
    #[must_use]
    pub const fn sequence(self) -> u64 {
        self.sequence
    }

    /// Whether the uploader gave it (`sequence`), so that it says nothing about when the event was stored.
    #[must_use]
    pub const fn is_by_uploader(self) -> bool {
        self.epoch == Self::UPLOADER_EPOCH
    }

    /// The stream's epoch and the sequence in it; `None` for an order that the uploader gave.
    #[must_use]
    pub const fn stream_position(self) -> Option<(u64, u64)> {
        if self.is_by_uploader() { None } else { Some((self.epoch, self.sequence)) }
    }

    /// What the uploader gave; `None` for a place in the stream.
    #[must_use]
    pub const fn uploader_sequence(self) -> Option<u64> {
        if self.is_by_uploader() { Some(self.sequence) } else { None }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.epoch, self.sequence)
    }
}

/// The text was not two 16-digit hexadecimal numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an order: two 16-digit hexadecimal numbers joined by '-'")]
pub struct OrderError(String);

impl FromStr for Order {
    type Err = OrderError;
    fn from_str(text: &str) -> Result<Self, OrderError> {
        let number = |part: &str| (part.len() == 16).then(|| u64::from_str_radix(part, 16).ok()).flatten();
        text.split_once('-')
            .and_then(|(epoch, sequence)| Some(Self { epoch: number(epoch)?, sequence: number(sequence)? }))
            .filter(|order| order.to_string() == text)
            .ok_or_else(|| OrderError(text.to_owned()))
    }
}

impl TryFrom<String> for Order {
    type Error = OrderError;
    fn try_from(text: String) -> Result<Self, OrderError> {
        text.parse()
    }
}

impl From<Order> for String {
    fn from(order: Order) -> String {
        order.to_string()
    }
}
