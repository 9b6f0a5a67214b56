//! What is written beside a dead message.

use async_nats::HeaderMap;
use chrono::{SecondsFormat, Utc};
use heimdex_schemas::{AssetId, FailureClass, Lineage, ModelName, Org, StageName, UploadId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::fingerprint::fingerprint;
use super::header;
use crate::delivery::{Delivery, Incoming};

/// Longest error message kept in a header, in bytes; the ledger keeps more of it.
pub const MESSAGE_BYTES: usize = 4096;
/// Longest error message kept in the ledger, in bytes.
pub const STORY_BYTES: usize = 64 * 1024;

/// What of an asset id stands literally in a header.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/').remove(b'~');

/// Why a message is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub stage: StageName,
    pub class: FailureClass,
    /// Stable, snake_case.
    pub code: String,
    pub message: String,
    /// Attempts charged, this one included.
    pub attempts: u32,
}

/// One message to be dead-lettered. `incoming` when it could be decoded.
pub struct DeadLetter<'a> {
    pub delivery: &'a Delivery,
    pub verdict: &'a Verdict,
    pub incoming: Option<&'a Incoming>,
}

/// What a message says of itself, as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub asset: Option<AssetId>,
    pub upload: Option<UploadId>,
    pub model: Option<ModelName>,
    pub space: Option<String>,
    /// How often it was replayed.
    pub replay: u32,
}

/// The fields of all our events that say what they are about; each is read for itself, since the data may be wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head {
    asset_id: Option<Box<RawValue>>,
    model: Option<Box<RawValue>>,
    lineage: Option<Box<RawValue>>,
    outcome: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Embedded {
    embedded: InSpace,
}

#[derive(Deserialize)]
struct InSpace {
    space: String,
}

fn read<T: DeserializeOwned>(field: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(field?.get()).ok()
}

impl About {
    /// Reads a decoded message.
    #[must_use]
    pub fn of(incoming: &Incoming) -> Self {
        let Incoming { address, envelope } = incoming;
        let head: Head = serde_json::from_slice(envelope.data()).unwrap_or_default();
        let replay = envelope.replay();
        if let Some(lineage) = read::<Lineage>(head.lineage.as_deref()) {
            let space = read::<Embedded>(head.outcome.as_deref()).map(|outcome| outcome.embedded.space);
            return Self {
                asset: Some(lineage.asset_id),
                upload: Some(lineage.upload),
                model: Some(lineage.model),
                space,
                replay: replay.max(lineage.replay),
            };
        }
        let upload = UploadId::new(&address.org, envelope.source(), envelope.id());
        let (asset, model) = (read(head.asset_id.as_deref()), read(head.model.as_deref()));
        Self { asset, upload: Some(upload), model, space: None, replay }
    }

    /// What the headers alone say: for a message whose data must not be looked at.
    fn by_headers(delivery: &Delivery, stage: StageName) -> Self {
        let is_public = matches!(stage, StageName::Extractor | StageName::Eraser | StageName::Purger);
        let subject = delivery.header("ce-subject").filter(|_| !is_public);
        let asset = subject.and_then(|text| percent_decode_str(text).decode_utf8().ok()?.parse().ok());
        Self { asset, ..Self::default() }
    }
}

impl DeadLetter<'_> {
    pub(super) fn about(&self) -> About {
        let about = self.incoming.map_or_else(|| About::by_headers(self.delivery, self.verdict.stage), About::of);
        let header = self.delivery.header(header::REPLAY).and_then(|text| text.parse().ok()).unwrap_or(0);
        About { replay: about.replay.max(header), ..about }
    }

    /// The headers that say what happened.
    pub(super) fn context(&self, about: &About) -> HeaderMap {
        let (delivery, verdict) = (self.delivery, self.verdict);
        let position = delivery.position();
        let mut headers = HeaderMap::new();
        headers.insert(header::STREAM, delivery.stream());
        headers.insert(header::SUBJECT, delivery.subject());
        headers.insert(header::SEQUENCE, position.sequence.to_string());
        headers.insert(header::EPOCH, position.epoch.to_string());
        headers.insert(header::CONSUMER, delivery.consumer());
        headers.insert(header::DELIVERIES, delivery.delivered().to_string());
        headers.insert(header::ATTEMPTS, verdict.attempts.to_string());
        headers.insert(header::STAGE, verdict.stage.as_str());
        headers.insert(header::CLASS, class_name(verdict.class));
        headers.insert(header::CODE, one_line(&verdict.code));
        headers.insert(header::MESSAGE, one_line(&verdict.message));
        headers.insert(header::FINGERPRINT, fingerprint(verdict));
        headers.insert(header::BUILD, env!("CARGO_PKG_VERSION"));
        headers.insert(header::ORG, org_token(delivery.subject()));
        headers.insert(header::REPLAY, about.replay.to_string());
        headers.insert(header::FIRST_FAILED_AT, first_failed_at(delivery));
        for (name, value) in self.optional(about) {
            if let Some(value) = value {
                headers.insert(name, one_line(&value));
            }
        }
        headers
    }

    fn optional(&self, about: &About) -> [(&'static str, Option<String>); 8] {
        let kept = |name: &str| self.delivery.header(name).map(str::to_owned);
        [
            (header::MSG_ID, kept("Nats-Msg-Id")),
            (header::TRACE, kept(crate::publish::TRACEPARENT).or_else(|| kept("ce-traceparent"))),
            (header::REPLAYED_FROM, kept(header::REPLAYED_FROM)),
            (header::FIRST_POSITION, kept(header::FIRST_POSITION)),
            (header::ASSET, about.asset.as_ref().map(encode_asset)),
            (header::UPLOAD, about.upload.map(|upload| upload.to_string())),
            (header::MODEL, about.model.as_ref().map(ToString::to_string)),
            (header::SPACE, about.space.clone()),
        ]
    }
}

/// A replayed message brings the time of its first failure along.
fn first_failed_at(delivery: &Delivery) -> String {
    let earlier = delivery.header(header::FIRST_FAILED_AT).filter(|_| delivery.header(header::REPLAYED_FROM).is_some());
    earlier.map_or_else(|| Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true), str::to_owned)
}

fn encode_asset(asset: &AssetId) -> String {
    utf8_percent_encode(asset.as_str(), ENCODED).to_string()
}

pub(super) fn decode_asset(text: &str) -> Option<AssetId> {
    percent_decode_str(text).decode_utf8().ok()?.parse().ok()
}

/// The last token of `heimdex.<noun>.<verb>.<lane>.<org>`, `_` when it is no org.
pub(super) fn org_token(subject: &str) -> &str {
    subject.rsplit('.').next().filter(|org| org.parse::<Org>().is_ok()).unwrap_or("_")
}

pub(super) const fn class_name(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Rejected => "rejected",
        FailureClass::Exhausted => "exhausted",
        FailureClass::Poison => "poison",
        FailureClass::Cancelled => "cancelled",
    }
}

/// Header values are one line; cut to fit on a character boundary.
pub(super) fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(&line, MESSAGE_BYTES).to_owned()
}

/// At most `limit` bytes, ending with a whole character.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn messages_are_one_line_cut_on_a_character() {
        let line = one_line(&format!("first\nsecond {}", "ä".repeat(MESSAGE_BYTES)));
        assert!(line.starts_with("first second ä"));
        assert!(line.len() <= MESSAGE_BYTES && line.len() > MESSAGE_BYTES - 2);
    }

    #[test]
    fn the_org_of_a_strange_subject_is_not_taken_over() {
        assert_eq!(org_token("heimdex.asset.uploaded.bulk.acme"), "acme");
        assert_eq!(org_token("heimdex.asset.uploaded.bulk.ac*me"), "_");
    }

    #[test]
    fn any_asset_id_fits_a_header() {
        for text in ["handbook/travel", "a b%20", "資料/\"q\"", "ü:é"] {
            let asset: AssetId = text.parse().unwrap();
            let encoded = encode_asset(&asset);
            assert!(encoded.is_ascii() && !encoded.contains([' ', '"', ':']), "{encoded}");
            assert_eq!(decode_asset(&encoded).unwrap(), asset);
        }
    }

    #[test]
    fn what_is_wrong_in_one_field_does_not_hide_the_others() {
        let head: Head = serde_json::from_str(r#"{"asset_id":"a","model":7,"content":{}}"#).unwrap();
        assert_eq!(read::<AssetId>(head.asset_id.as_deref()).unwrap().as_str(), "a");
        assert!(read::<ModelName>(head.model.as_deref()).is_none());
    }
}
