//! The CloudEvents 1.0 envelope on NATS: binary mode (`ce-*` headers) out, binary and structured mode in.
//!
//! The attribute types are `cloudevents-sdk`'s; the NATS protocol binding (header names, percent-encoding) is ours
//! because the SDK's is tied to an old client. The data stays as received bytes and is parsed once, by its event type.
//! Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md>.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use cloudevents::event::ExtensionValue;
use cloudevents::{AttributesReader, EventBuilder, EventBuilderV10};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::events::{Event, type_of};
use crate::ids::MsgId;

/// Prefix of context attributes in binary mode.
pub const ATTRIBUTE_PREFIX: &str = "ce-";
/// The header of a message that an operator sent again: how often. It stands beside the event, in both modes, so that the
/// event itself stays as it was.
pub const REPLAY_HEADER: &str = "Heimdex-Replay";
const REPLAY: &str = "heimdexreplay";
/// Media type of structured mode.
pub const STRUCTURED: &str = "application/cloudevents+json";
const CONTENT_TYPE: &str = "content-type";
const JSON: &str = "application/json";
const SPECVERSION: &str = "1.0";
/// Longest attribute value; the broker refuses headers above 64 KiB as a whole.
pub const MAX_ATTRIBUTE_BYTES: usize = 4096;

/// What a header value must not carry literally (§3.1.3.2 of the binding): controls, space, quote, percent, non-ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// Why a message is not an event this version can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("the required attribute `{0}` is missing")]
    Missing(&'static str),
    #[error("the attribute `{0}` is given twice")]
    Duplicate(String),
    #[error("the attribute `{name}` is not valid: {reason}")]
    Invalid { name: String, reason: String },
    #[error("specversion {0:?} is not supported, only \"1.0\" is")]
    SpecVersion(String),
    #[error("the structured event is not valid JSON of an object with attributes: {0}")]
    Structured(String),
    /// An event of a newer major version: parked with an alarm, not dead-lettered, since a newer build can read it.
    #[error("type {found:?} is of a newer major version than {known:?}")]
    NewerMajor { found: String, known: String },
    #[error("type {found:?} is not {expected:?}")]
    Type { found: String, expected: String },
    #[error("the data of {ty} does not fit its schema: {reason}")]
    Data { ty: String, reason: String },
}

impl EnvelopeError {
    /// Stable, snake_case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "envelope_attribute_missing",
            Self::Duplicate(_) => "envelope_attribute_duplicate",
            Self::Invalid { .. } => "envelope_attribute_invalid",
            Self::SpecVersion(_) => "envelope_specversion",
            Self::Structured(_) => "envelope_structured",
            Self::NewerMajor { .. } => "event_newer_major",
            Self::Type { .. } => "event_type",
            Self::Data { .. } => "event_data",
        }
    }
}

/// One CloudEvent: validated attributes and the data as bytes.
#[derive(Clone, PartialEq)]
pub struct Envelope {
    event: cloudevents::Event,
    data: Bytes,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Envelope");
        out.field("type", &self.ty()).field("source", &self.source()).field("id", &self.id());
        out.field("data_bytes", &self.data.len()).finish_non_exhaustive()
    }
}

/// A message as it goes on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    pub headers: Vec<(String, String)>,
    pub payload: Bytes,
}

impl Envelope {
    /// A new event around serialized `data`. Attribute values are checked when it is read, on every hop.
    pub fn wrap<E: Event>(source: &str, id: &str, data: &E) -> Result<Self, EnvelopeError> {
        let json = serde_json::to_vec(data).map_err(|e| data_error(&type_of::<E>(), &e))?;
        let mut attributes = BTreeMap::from([("id", id.to_owned()), ("source", source.to_owned())]);
        attributes.insert("type", type_of::<E>());
        attributes.insert("datacontenttype", JSON.to_owned());
        attributes.insert("specversion", SPECVERSION.to_owned());
        if let Some(lineage) = data.lineage() {
            attributes.insert("subject", lineage.asset_id.to_string());
            if let Some(traceparent) = &lineage.traceparent {
                attributes.insert("traceparent", traceparent.clone());
            }
        }
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        build(attributes, Bytes::from(json))
    }

    /// The event that a stage publishes: its id is the deterministic Msg-Id.
    pub fn output<E: Event>(stage: crate::StageName, id: &MsgId, data: &E) -> Result<Self, EnvelopeError> {
        Self::wrap(&format!("/heimdex/{stage}"), &id.0, data)
    }

    /// Reads a message in binary or structured mode. Header names are matched without regard to case.
    pub fn decode<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        payload: Bytes,
    ) -> Result<Self, EnvelopeError> {
        let mut attributes = BTreeMap::new();
        let (mut content_type, mut replay) = (None, None);
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            if let Some(attribute) = name.strip_prefix(ATTRIBUTE_PREFIX) {
                insert(&mut attributes, attribute, unescape(attribute, value)?)?;
            } else if name == CONTENT_TYPE {
                content_type = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case(REPLAY_HEADER) {
                replay = value.parse::<u32>().ok();
            }
        }
        let envelope = Self::read(attributes, content_type, payload)?;
        Ok(match replay {
            Some(replay) => envelope.with_extension(REPLAY, &replay.to_string()),
            None => envelope,
        })
    }

    fn read(mut attributes: Attributes, content_type: Option<String>, payload: Bytes) -> Result<Self, EnvelopeError> {
        let structured = content_type.as_deref().is_some_and(|t| t.to_ascii_lowercase().starts_with(STRUCTURED));
        if structured || (attributes.is_empty() && content_type.is_none() && payload.first() == Some(&b'{')) {
            return decode_structured(&payload);
        }
        if let Some(content_type) = content_type {
            insert(&mut attributes, "datacontenttype", content_type)?;
        }
        build(attributes, payload)
    }

    /// Binary mode: one `ce-` header an attribute, the data as payload.
    #[must_use]
    pub fn encode(&self) -> Encoded {
        let mut headers = vec![("ce-specversion".to_owned(), SPECVERSION.to_owned())];
        for (name, value) in self.event.iter() {
            match name {
                "specversion" => {}
                "datacontenttype" => headers.push((CONTENT_TYPE.to_owned(), value.to_string())),
                name => headers.push((format!("{ATTRIBUTE_PREFIX}{name}"), escape(&value.to_string()))),
            }
        }
        Encoded { headers, payload: self.data.clone() }
    }

    /// The data as its event type. A newer major version is told apart from a wrong type.
    pub fn data_as<E: Event>(&self) -> Result<E, EnvelopeError> {
        self.check_type::<E>()?;
        parse(&type_of::<E>(), &self.data)
    }

    fn check_type<E: Event>(&self) -> Result<(), EnvelopeError> {
        let (found, expected) = (self.ty(), type_of::<E>());
        if found == expected {
            return Ok(());
        }
        let major = found.strip_prefix(E::NAME).and_then(|rest| rest.strip_prefix(".v"));
        match major.and_then(|digits| digits.parse::<u32>().ok()) {
            Some(major) if major > E::MAJOR => {
                Err(EnvelopeError::NewerMajor { found: found.to_owned(), known: expected })
            }
            _ => Err(EnvelopeError::Type { found: found.to_owned(), expected }),
        }
    }

    #[must_use]
    pub fn id(&self) -> &str {
        self.event.id()
    }

    #[must_use]
    pub fn source(&self) -> &str {
        self.event.source()
    }

    /// The CloudEvents `type`.
    #[must_use]
    pub fn ty(&self) -> &str {
        self.event.ty()
    }

    #[must_use]
    pub fn time(&self) -> Option<DateTime<Utc>> {
        self.event.time().copied()
    }

    /// The data, serialized.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The same attributes around other bytes: what a claim check puts back.
    #[must_use]
    pub fn with_data(mut self, data: Bytes) -> Self {
        self.data = data;
        self
    }

    /// The same event with one more extension attribute.
    #[must_use]
    pub fn with_extension(mut self, name: &str, value: &str) -> Self {
        self.event.set_extension(name, ExtensionValue::from_string(value));
        self
    }

    /// An extension attribute.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&str> {
        match self.event.extension(name) {
            Some(ExtensionValue::String(text)) => Some(text),
            Some(ExtensionValue::Boolean(_) | ExtensionValue::Integer(_)) | None => None,
        }
    }

    /// The uploader's `sequence` extension.
    #[must_use]
    pub fn sequence(&self) -> Option<&str> {
        self.extension("sequence")
    }

    /// The origin's W3C trace context.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.extension("traceparent")
    }

    /// The same event as its `times`th replay.
    #[must_use]
    pub fn as_replay(self, times: u32) -> Self {
        self.with_extension(REPLAY, &times.to_string())
    }

    /// How often an operator has replayed the event (the extension `heimdexreplay`, or [`REPLAY_HEADER`]), 0 for the original.
    #[must_use]
    pub fn replay(&self) -> u32 {
        self.extension(REPLAY).and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

fn data_error(ty: &str, error: &serde_json::Error) -> EnvelopeError {
    EnvelopeError::Data { ty: ty.to_owned(), reason: error.to_string() }
}

fn parse<T: DeserializeOwned>(ty: &str, data: &[u8]) -> Result<T, EnvelopeError> {
    serde_json::from_slice(data).map_err(|e| data_error(ty, &e))
}

type Attributes = BTreeMap<String, String>;

fn insert(attributes: &mut Attributes, name: &str, value: String) -> Result<(), EnvelopeError> {
    match attributes.insert(name.to_owned(), value) {
        Some(_) => Err(EnvelopeError::Duplicate(name.to_owned())),
        None => Ok(()),
    }
}

fn invalid(name: &str, reason: impl fmt::Display) -> EnvelopeError {
    EnvelopeError::Invalid { name: name.to_owned(), reason: reason.to_string() }
}

fn escape(value: &str) -> String {
    utf8_percent_encode(value, ESCAPED).to_string()
}

fn unescape(name: &str, value: &str) -> Result<String, EnvelopeError> {
    let decoded = percent_decode_str(value).decode_utf8().map_err(|e| invalid(name, e))?;
    Ok(decoded.into_owned())
}

/// Checks every attribute and builds the event.
fn build(mut attributes: Attributes, data: Bytes) -> Result<Envelope, EnvelopeError> {
    let mut required = |name: &'static str| match attributes.remove(name) {
        Some(value) if value.is_empty() => Err(invalid(name, "must not be empty")),
        Some(value) => Ok(value),
        None => Err(EnvelopeError::Missing(name)),
    };
    let specversion = required("specversion")?;
    if specversion != SPECVERSION {
        return Err(EnvelopeError::SpecVersion(specversion));
    }
    let (id, source, ty) = (required("id")?, required("source")?, required("type")?);
    for (name, value) in [("id", &id), ("source", &source), ("type", &ty)] {
        check_value(name, value)?;
    }
    let mut builder = EventBuilderV10::new().id(id).source(source).ty(ty);
    let content_type = attributes.remove("datacontenttype").unwrap_or_else(|| JSON.to_owned());
    builder = match attributes.remove("dataschema") {
        Some(schema) => builder.data_with_schema(content_type, schema, Vec::new()),
        None => builder.data(content_type, Vec::new()),
    };
    for (name, value) in attributes {
        builder = attribute(builder, &name, value)?;
    }
    let event = builder.build().map_err(|e| invalid("event", e))?;
    Ok(Envelope { event, data })
}

fn attribute(builder: EventBuilderV10, name: &str, value: String) -> Result<EventBuilderV10, EnvelopeError> {
    check_value(name, &value)?;
    match name {
        "subject" => Ok(builder.subject(value)),
        "time" => {
            let time = DateTime::parse_from_rfc3339(&value).map_err(|e| invalid(name, e))?;
            Ok(builder.time(time.with_timezone(&Utc)))
        }
        name if name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) && !name.is_empty() => {
            Ok(builder.extension(name, ExtensionValue::String(value)))
        }
        name => Err(invalid(name, "attribute names are a-z and 0-9")),
    }
}

fn check_value(name: &str, value: &str) -> Result<(), EnvelopeError> {
    if value.len() > MAX_ATTRIBUTE_BYTES {
        return Err(invalid(name, format!("{} bytes long, the limit is {MAX_ATTRIBUTE_BYTES}", value.len())));
    }
    match value.chars().find(|c| c.is_control()) {
        Some(found) => Err(invalid(name, format!("contains the control character {found:?}"))),
        None => Ok(()),
    }
}

fn decode_structured(payload: &[u8]) -> Result<Envelope, EnvelopeError> {
    let members: Members = serde_json::from_slice(payload).map_err(|e| EnvelopeError::Structured(e.to_string()))?;
    let (mut attributes, mut data) = (Attributes::new(), None);
    for (name, raw) in members.0 {
        let value = match name.as_str() {
            "data" => Some(Bytes::copy_from_slice(raw.get().as_bytes())),
            "data_base64" => Some(base64_data(&raw)?),
            _ => {
                if let Some(text) = attribute_text(&name, &raw)? {
                    insert(&mut attributes, &name, text)?;
                }
                continue;
            }
        };
        if std::mem::replace(&mut data, value).is_some() {
            return Err(EnvelopeError::Duplicate(name));
        }
    }
    build(attributes, data.unwrap_or_default())
}

fn base64_data(raw: &RawValue) -> Result<Bytes, EnvelopeError> {
    use base64::Engine as _;
    let text: String = serde_json::from_str(raw.get()).map_err(|e| invalid("data_base64", e))?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|e| invalid("data_base64", e))?;
    Ok(Bytes::from(bytes))
}

/// Attributes are strings, booleans or integers; `null` is the same as absent.
fn attribute_text(name: &str, raw: &RawValue) -> Result<Option<String>, EnvelopeError> {
    match serde_json::from_str(raw.get()).map_err(|e| invalid(name, e))? {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) => Ok(Some(text)),
        serde_json::Value::Bool(flag) => Ok(Some(flag.to_string())),
        serde_json::Value::Number(number) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
        _ => Err(invalid(name, "must be a string, a boolean or an integer")),
    }
}

/// An object's members in their order, duplicates included, each value unparsed.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
