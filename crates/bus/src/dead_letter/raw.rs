//! The message itself, as it was: kept inside the dead letter, or as a blob when it leaves no room for our headers.

use async_nats::HeaderMap;
use bytes::Bytes;
use heimdex_schemas::Envelope;
use heimdex_schemas::subject::Address;
use heimdex_stage::Blobs;

use super::header;
use crate::claim;
use crate::delivery::Incoming;
use crate::error::{BusError, DecodeError};

/// A message as its publisher sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawMessage {
    /// Every header, those of the broker included, in no particular order.
    pub headers: Vec<(String, String)>,
    pub payload: Bytes,
}

impl RawMessage {
    /// Reads it as the stage would that `subject` belongs to; see [`crate::Delivery::decode`].
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub async fn decode(&self, subject: &str, blobs: &dyn Blobs, limit: u64) -> Result<Incoming, DecodeError> {
        let address: Address = subject.parse()?;
        let lines = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let envelope = Envelope::decode(lines, self.payload.clone())?;
        let envelope = claim::check_out(blobs, envelope, &address.org, limit).await?;
        Ok(Incoming { address, envelope })
    }

    /// Header lines, an empty line, the payload.
    pub(super) fn to_bytes(headers: &HeaderMap, payload: &[u8]) -> Vec<u8> {
        let mut raw = Vec::with_capacity(payload.len() + crate::publish::header_bytes(headers));
        for (name, value) in pairs(headers) {
            raw.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        raw.extend_from_slice(b"\r\n");
        raw.extend_from_slice(payload);
        raw
    }

    /// The inverse of [`RawMessage::to_bytes`].
    pub(super) fn from_bytes(raw: &Bytes) -> Result<Self, BusError> {
        let malformed =
            |reason: &str| BusError::Malformed { what: "a raw message".to_owned(), reason: reason.to_owned() };
        let (mut headers, mut at) = (Vec::new(), 0);
        loop {
            let rest = raw.get(at..).unwrap_or_default();
            let end =
                rest.windows(2).position(|two| two == b"\r\n").ok_or_else(|| malformed("its headers do not end"))?;
            let line = rest.get(..end).unwrap_or_default();
            at += end + 2;
            if line.is_empty() {
                return Ok(Self { headers, payload: raw.slice(at..) });
            }
            let line = std::str::from_utf8(line).map_err(|_| malformed("a header is no text"))?;
            let (name, value) = line.split_once(": ").ok_or_else(|| malformed("a header has no name"))?;
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// Every header and value.
pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values.iter().map(move |value| (name, value.as_str()))
    })
}

/// The headers of a message as a dead letter keeps them.
pub(super) fn set_aside(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in pairs(headers) {
        if header::is_reserved(name) {
            kept.append(format!("{}{name}", header::ORIGINAL_PREFIX).as_str(), value);
        } else {
            kept.append(name, value);
        }
    }
    kept
}

/// The inverse of [`set_aside`], given all headers of a dead letter.
pub(super) fn take_back(headers: &[(String, String)]) -> Vec<(String, String)> {
    let original = |(name, value): &(String, String)| match header::original_name(name) {
        Some(name) => Some((name.to_owned(), value.clone())),
        None => (!header::is_reserved(name)).then(|| (name.clone(), value.clone())),
    };
    headers.iter().filter_map(original).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    fn sorted(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
        headers.sort();
        headers
    }

    fn strange() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append("Nats-Msg-Id", "m");
        headers.append("heimdex-replay", "7");
        headers.append("ce-id", "i");
        headers.append("X-Two", "one");
        headers.append("X-Two", "two: three");
        headers
    }

    fn owned(headers: &HeaderMap) -> Vec<(String, String)> {
        pairs(headers).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn headers_that_mean_something_to_us_or_the_broker_are_kept_aside_and_come_back() {
        let kept = set_aside(&strange());
        assert!(kept.get("Nats-Msg-Id").is_none() && kept.get("heimdex-replay").is_none());
        assert_eq!(kept.get("Heimdex-Original-Nats-Msg-Id").unwrap().as_str(), "m");
        let mut all = owned(&kept);
        all.push(("Heimdex-Code".to_owned(), "corrupt".to_owned()));
        assert_eq!(sorted(take_back(&all)), sorted(owned(&strange())));
    }

    #[test]
    fn a_raw_message_comes_back_byte_by_byte() {
        for payload in [&b""[..], b"\r\n\r\nbody\r\n", &[0, 255, 13, 10]] {
            for headers in [HeaderMap::new(), strange()] {
                let raw = Bytes::from(RawMessage::to_bytes(&headers, payload));
                let back = RawMessage::from_bytes(&raw).unwrap();
                assert_eq!(back.payload, payload);
                assert_eq!(sorted(back.headers), sorted(owned(&headers)));
            }
        }
        assert!(RawMessage::from_bytes(&Bytes::from_static(b"no end")).is_err());
    }
}
