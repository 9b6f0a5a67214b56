//! Reading dead letters as an operator does, by the broker's own API.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::Client;

/// <https://docs.nats.io/reference/reference-protocols/nats_api_reference>, `$JS.API.STREAM.MSG.GET`.
const API: &str = "$JS.API.STREAM.MSG.GET.HEIMDEX_DLQ";
const PATIENCE: Duration = Duration::from_secs(10);
/// "no message found"
const NO_MESSAGE: u64 = 10037;

/// A message that could not be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub subject: String,
    /// Names as written, for example `Heimdex-Code`; the last value of each.
    pub headers: BTreeMap<String, String>,
    pub payload: Vec<u8>,
}

impl DeadLetter {
    /// A header's value, empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Deserialize)]
struct Answer {
    message: Option<Message>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct Message {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

#[derive(Debug, Deserialize)]
struct ApiError {
    err_code: u64,
    description: String,
}

impl Client {
    /// The dead letters whose subject matches `heimdex.dlq.*.<org>.*`, oldest first; panics when they cannot be read.
    pub async fn dead_letters(&self, org: &str) -> Vec<DeadLetter> {
        let subject = format!("heimdex.dlq.*.{org}.*");
        let mut letters = Vec::new();
        let mut from = 1;
        while let Some(message) = self.dead_letter(&subject, from).await {
            from = message.seq + 1;
            letters.push(read(message));
        }
        letters
    }

    async fn dead_letter(&self, subject: &str, from: u64) -> Option<Message> {
        let request = json!({"seq": from, "next_by_subj": subject}).to_string();
        let answer = self.bus().requests().request(API, &[], Bytes::from(request), PATIENCE).await;
        let answer: Answer =
            serde_json::from_slice(&answer.expect("the broker answers")).expect("the broker answers JSON");
        match answer.error {
            Some(error) if error.err_code == NO_MESSAGE => None,
            Some(error) => panic!("dead letters: {} ({})", error.description, error.err_code),
            None => Some(answer.message.expect("a message")),
        }
    }
}

fn read(message: Message) -> DeadLetter {
    let decode = |text: &str| STANDARD.decode(text).expect("base64");
    let headers = String::from_utf8(decode(&message.hdrs)).expect("headers are text");
    let headers = headers.lines().skip(1).filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    DeadLetter { subject: message.subject, headers, payload: decode(&message.data) }
}
