//! One letter in full: its message decoded, its error whole, and what happened to it so far.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use heimdex_bus::dead_letter::Depth;
use heimdex_bus::{BusError, Letter, RawMessage};
use heimdex_schemas::Envelope;
use serde::Serialize;
use serde_json::Value;

use crate::replay::Mark;
use crate::select::Stretch;
use crate::{Filter, Redrive, RedriveError, record};

/// Earlier lives of a message that are followed.
const LIVES: usize = 64;
/// Bytes of data that is no JSON shown at most.
const SHOWN_BYTES: usize = 4096;

/// A letter and all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    pub letter: Letter,
    /// The error, whole where the ledger has it.
    pub message: String,
    /// The ledger has it whole, but shorter than it was.
    pub is_cut: bool,
    /// The message's headers as its publisher sent them.
    pub headers: Vec<(String, String)>,
    pub payload: Decoded,
    /// Oldest first.
    pub timeline: Vec<Moment>,
}

/// What a payload turned out to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Decoded {
    Event {
        #[serde(rename = "type")]
        ty: String,
        id: String,
        source: String,
        time: Option<DateTime<Utc>>,
        /// Where the data lies when it is too large for a message.
        dataref: Option<String>,
        data: Value,
    },
    Json {
        data: Value,
    },
    Text {
        text: String,
        is_cut: bool,
    },
    Bytes {
        base64: String,
        is_cut: bool,
    },
    /// The blob that holds it is gone.
    Missing {
        reason: String,
    },
}

/// Something that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    FirstFailed,
    /// It became the dead letter `letter`.
    Died {
        letter: String,
        stage: Option<heimdex_schemas::StageName>,
        code: String,
        message: String,
    },
    /// Somebody sent it again.
    Replayed {
        letter: String,
        run: String,
        by: String,
        subject: String,
        msg_id: String,
        is_confirmed: bool,
    },
}

impl Redrive {
    /// One letter in full.
    ///
    /// # Errors
    /// [`RedriveError::NoLetter`]; [`RedriveError::Bus`].
    pub async fn show(&self, sequence: u64) -> Result<Shown, RedriveError> {
        let letter = self.letters.get(sequence).await?.ok_or(RedriveError::NoLetter(sequence))?;
        let story = self.letters.story(&letter).await?;
        let (headers, payload) = match self.letters.message(&letter).await {
            Ok(message) => (message.headers.clone(), decode(&message)),
            Err(BusError::Missing { what }) => {
                (letter.original_headers(), Decoded::Missing { reason: format!("{what} does not exist any more") })
            }
            Err(error) => return Err(error.into()),
        };
        let timeline = self.timeline(&letter).await?;
        Ok(Shown {
            is_cut: story.as_ref().is_some_and(|story| story.message.len() < story.length),
            message: story.map_or_else(|| letter.message.clone(), |story| story.message),
            headers,
            payload,
            timeline,
            letter,
        })
    }

    async fn timeline(&self, letter: &Letter) -> Result<Vec<Moment>, RedriveError> {
        let (mut lives, mut moments) = (Vec::new(), Vec::new());
        let mut earlier = letter.replayed_from.clone();
        while let Some(id) = earlier {
            let mark = if lives.len() < LIVES { self.mark(&id).await? } else { None };
            let Some(mark) = mark else {
                // What was before is not known any more, except when it began.
                moments.push(Moment { at: letter.first_failed_at, what: What::FirstFailed });
                break;
            };
            earlier = mark.previous.clone();
            lives.push((id, mark));
        }
        for (id, mark) in lives.into_iter().rev() {
            moments.push(Moment { at: mark.failed_at, what: died(&id, mark.stage, &mark.code, &mark.message) });
            moments.push(replayed(id, mark));
        }
        let id = letter.id();
        moments.push(Moment { at: letter.stored_at, what: died(&id, letter.stage, &letter.code, &letter.message) });
        // One that was kept.
        moments.extend(self.mark(&id).await?.map(|mark| replayed(id, mark)));
        Ok(moments)
    }

    async fn mark(&self, letter: &str) -> Result<Option<Mark>, RedriveError> {
        let key = Mark::key_of(letter);
        if heimdex_stage::ledger::check_key(&key).is_err() {
            return Ok(None);
        }
        Ok(record::read(self.ledger.as_ref(), &key).await?.map(|(_, mark)| mark))
    }

    /// How many letters a filter lets through just now.
    ///
    /// # Errors
    /// [`RedriveError::Bus`].
    pub async fn count(&self, filter: &Filter) -> Result<u64, RedriveError> {
        use futures::TryStreamExt as _;
        let upto = self.letters.state().await?.last_sequence;
        let letters = self.select(filter, Stretch { after: 0, upto }, Depth::Headers);
        letters.try_fold(0, |count, _| std::future::ready(Ok(count + 1))).await
    }
}

fn died(letter: &str, stage: Option<heimdex_schemas::StageName>, code: &str, message: &str) -> What {
    What::Died { letter: letter.to_owned(), stage, code: code.to_owned(), message: message.to_owned() }
}

fn replayed(letter: String, mark: Mark) -> Moment {
    let Mark { run, by, subject, msg_id, at, sent, .. } = mark;
    Moment { at, what: What::Replayed { letter, run, by, subject, msg_id, is_confirmed: sent.is_some() } }
}

fn decode(message: &RawMessage) -> Decoded {
    let lines = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    if let Ok(envelope) = Envelope::decode(lines, message.payload.clone()) {
        let data = envelope.data();
        let text = || Value::String(String::from_utf8_lossy(data).into_owned());
        return Decoded::Event {
            ty: envelope.ty().to_owned(),
            id: envelope.id().to_owned(),
            source: envelope.source().to_owned(),
            time: envelope.time(),
            dataref: envelope.extension("dataref").map(str::to_owned),
            data: if data.is_empty() { Value::Null } else { json(data).unwrap_or_else(text) },
        };
    }
    match (json(&message.payload), std::str::from_utf8(&message.payload)) {
        (Some(data), _) => Decoded::Json { data },
        (None, Ok(text)) => {
            let shown = text.get(..text.floor_char_boundary(SHOWN_BYTES)).unwrap_or(text);
            Decoded::Text { text: shown.to_owned(), is_cut: shown.len() < text.len() }
        }
        (None, Err(_)) => {
            let shown = message.payload.get(..SHOWN_BYTES).unwrap_or(&message.payload);
            Decoded::Bytes { base64: STANDARD.encode(shown), is_cut: shown.len() < message.payload.len() }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

    use bytes::Bytes;

    use super::*;

    fn decoded(headers: &[(&str, &str)], payload: &'static [u8]) -> Decoded {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        decode(&RawMessage { headers, payload: Bytes::from_static(payload) })
    }

    #[test]
    fn payloads_are_shown_as_what_they_are() {
        let event = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/cms"), ("ce-type", "t")];
        let Decoded::Event { ty, data, .. } = decoded(&event, b"{\"a\":1}") else { panic!("an event") };
        assert_eq!((ty.as_str(), data["a"].as_i64()), ("t", Some(1)));
        assert!(matches!(decoded(&event, b"\xff"), Decoded::Event { .. }));
        assert!(matches!(decoded(&[], b"[1]"), Decoded::Json { .. }));
        assert!(matches!(decoded(&[], b"plain"), Decoded::Text { is_cut: false, .. }));
        assert!(matches!(decoded(&[], &[0xff; 5000]), Decoded::Bytes { is_cut: true, .. }));
    }
}
