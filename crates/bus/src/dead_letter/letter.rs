//! A dead letter as it is read back.

use async_nats::HeaderMap;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, FailureClass, Org, StageName, UploadId};
use heimdex_stage::{BlobRef, Bucket};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::context::decode_asset;
use super::{header, raw};

/// Where a message died.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    pub stream: String,
    pub subject: String,
    pub epoch: u64,
    pub sequence: u64,
    pub consumer: String,
    pub msg_id: Option<String>,
}

/// One dead letter. What its headers do not say, or say wrongly, is absent, empty or 0: a letter of an older build, or
/// of a stranger, can be read, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Its place in the dead-letter stream.
    pub sequence: u64,
    /// The dead-letter stream's creation, Unix seconds.
    pub epoch: u64,
    pub stored_at: DateTime<Utc>,
    pub subject: String,
    pub origin: Origin,
    pub stage: Option<StageName>,
    pub class: Option<FailureClass>,
    pub code: String,
    /// Cut to fit.
    pub message: String,
    /// The ledger key of the whole message, [`super::Story`], where `message` is only its beginning.
    pub story: Option<String>,
    pub fingerprint: String,
    pub build: String,
    pub model: Option<String>,
    pub space: Option<String>,
    pub org: Option<Org>,
    pub asset: Option<AssetId>,
    pub upload: Option<UploadId>,
    pub trace: Option<String>,
    pub attempts: u32,
    pub deliveries: u64,
    /// How often it was replayed before this death.
    pub replay: u32,
    pub first_failed_at: DateTime<Utc>,
    /// The dead letter it was replayed from, see [`Letter::id`].
    pub replayed_from: Option<String>,
    /// Bytes of the message's payload.
    pub size: u64,
    /// Every header of the letter.
    #[serde(skip)]
    pub headers: Vec<(String, String)>,
    /// The letter's own payload: the message's, or nothing when that is a blob. Absent when only headers were read.
    #[serde(skip)]
    pub payload: Option<Bytes>,
}

/// What the broker stored.
pub(super) struct Stored<'a> {
    pub epoch: u64,
    pub sequence: u64,
    pub stored_at: DateTime<Utc>,
    pub subject: &'a str,
    pub payload: Option<Bytes>,
}

/// Headers by name, without regard to case.
struct Headers<'a>(&'a [(String, String)]);

impl Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    fn parse<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }
}

impl Letter {
    /// A letter that was read elsewhere: its epoch and sequence there, its subject and headers, and its payload.
    #[must_use]
    pub fn from_parts(
        (epoch, sequence): (u64, u64),
        stored_at: DateTime<Utc>,
        (subject, headers): (String, Vec<(String, String)>),
        payload: Bytes,
    ) -> Self {
        Self::with(Stored { epoch, sequence, stored_at, subject: &subject, payload: Some(payload) }, headers)
    }

    pub(super) fn read(stored: Stored<'_>, headers: &HeaderMap) -> Self {
        let headers = raw::pairs(headers).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self::with(stored, headers)
    }

    fn with(stored: Stored<'_>, headers: Vec<(String, String)>) -> Self {
        let by_name = Headers(&headers);
        let h = &by_name;
        let blob_size = h.parse(header::RAW_SIZE);
        let said = blob_size.or_else(|| h.parse("Nats-Msg-Size"));
        let size = said.or_else(|| stored.payload.as_ref().map(|bytes| bytes.len() as u64)).unwrap_or(0);
        Self {
            sequence: stored.sequence,
            epoch: stored.epoch,
            stored_at: stored.stored_at,
            subject: stored.subject.to_owned(),
            origin: origin(h),
            stage: h.parse(header::STAGE),
            class: h.get(header::CLASS).and_then(class),
            code: h.text(header::CODE),
            message: h.text(header::MESSAGE),
            story: h.owned(header::STORY).filter(|key| key.starts_with("letter.")),
            fingerprint: h.text(header::FINGERPRINT),
            build: h.text(header::BUILD),
            model: h.owned(header::MODEL),
            space: h.owned(header::SPACE),
            org: h.parse(header::ORG),
            asset: h.get(header::ASSET).and_then(decode_asset),
            upload: h.parse(header::UPLOAD),
            trace: h.owned(header::TRACE),
            attempts: h.parse(header::ATTEMPTS).unwrap_or(0),
            deliveries: h.parse(header::DELIVERIES).unwrap_or(0),
            replay: h.parse(header::REPLAY).unwrap_or(0),
            first_failed_at: first_failed_at(h).unwrap_or(stored.stored_at),
            replayed_from: h.owned(header::REPLAYED_FROM),
            size,
            payload: stored.payload,
            headers,
        }
    }

    /// `<epoch>-<sequence>`: names the letter also after the stream was made anew.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.epoch, self.sequence)
    }

    /// Epoch and sequence of where the broker stored the message before it was ever replayed.
    #[must_use]
    pub fn first_position(&self) -> (u64, u64) {
        let headers = Headers(&self.headers);
        let said = headers.get(header::FIRST_POSITION).and_then(|text| text.split_once('-'));
        let parsed = said.and_then(|(epoch, sequence)| Some((epoch.parse().ok()?, sequence.parse().ok()?)));
        parsed.unwrap_or((self.origin.epoch, self.origin.sequence))
    }

    /// The message's headers as its publisher sent them, those for the broker included. Empty when it is a blob.
    #[must_use]
    pub fn original_headers(&self) -> Vec<(String, String)> {
        raw::take_back(&self.headers)
    }

    /// The blob that holds the message, where it was too large to be kept in the letter.
    #[must_use]
    pub fn blob(&self) -> Option<BlobRef> {
        let headers = Headers(&self.headers);
        let (name, sha256) = (headers.owned(header::RAW_BLOB)?, headers.owned(header::RAW_SHA256)?);
        Some(BlobRef { bucket: Bucket::Work, name, sha256, size: headers.parse(header::RAW_SIZE)? })
    }
}

fn origin(headers: &Headers<'_>) -> Origin {
    Origin {
        stream: headers.text(header::STREAM),
        subject: headers.text(header::SUBJECT),
        epoch: headers.parse(header::EPOCH).unwrap_or(0),
        sequence: headers.parse(header::SEQUENCE).unwrap_or(0),
        consumer: headers.text(header::CONSUMER),
        msg_id: headers.owned(header::MSG_ID),
    }
}

fn class(name: &str) -> Option<FailureClass> {
    from_name(name)
}

fn from_name<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(Value::String(name.to_owned())).ok()
}

fn first_failed_at(headers: &Headers<'_>) -> Option<DateTime<Utc>> {
    let text = headers.get(header::FIRST_FAILED_AT)?;
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    fn letter(headers: &[(&str, &str)]) -> Letter {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, *value);
        }
        let subject = "heimdex.dlq.extractor.acme._";
        Letter::read(Stored { epoch: 17, sequence: 4, stored_at: DateTime::UNIX_EPOCH, subject, payload: None }, &map)
    }

    #[test]
    fn headers_become_fields() {
        let letter = letter(&[
            ("Heimdex-Stage", "embedder"),
            ("Heimdex-Class", "poison"),
            ("Heimdex-Org", "acme"),
            ("Heimdex-Asset", "a%20b/c"),
            ("Heimdex-Epoch", "9"),
            ("Heimdex-Sequence", "12"),
            ("Heimdex-Replay", "2"),
            ("Heimdex-First-Failed-At", "2026-11-22T10:00:00.000Z"),
            ("Nats-Msg-Size", "77"),
        ]);
        assert_eq!((letter.stage, letter.class), (Some(StageName::Embedder), Some(FailureClass::Poison)));
        assert_eq!((letter.asset.as_ref().unwrap().as_str(), letter.replay, letter.size), ("a b/c", 2, 77));
        assert_eq!(letter.first_failed_at.to_rfc3339(), "2026-11-22T10:00:00+00:00");
        assert_eq!((letter.id().as_str(), letter.first_position()), ("17-4", (9, 12)));
    }

    #[test]
    fn a_strangers_letter_can_be_read() {
        let letter = letter(&[("Heimdex-Class", "odd"), ("Heimdex-Org", "a b"), ("Heimdex-Replay", "-1")]);
        assert_eq!((letter.class, letter.org.as_ref(), letter.replay, letter.stage), (None, None, 0, None));
        assert_eq!(letter.first_failed_at, DateTime::UNIX_EPOCH);
        assert!(letter.blob().is_none() && letter.story.is_none());
    }
}
