//! Receipts: an older version is never stored over a newer one.
//!
//! A job's receipts are published by whoever changed them, at any pace, and the newest message is the current one. So a
//! receipt is stored only where its writer knows what stands: nothing, for a first version, or an older version.

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use heimdex_schemas::{Envelope, Event, MsgId, Receipt, StageName, subject};

use super::{EXPECTED_STREAM, MSG_ID, Published, Publisher, encode, is_ambiguous};
use crate::error::PublishError;
use crate::receipts;

const EXPECTED_LAST: &str = "Nats-Expected-Last-Subject-Sequence";
/// How often another receipt of the job may come in between.
const ROUNDS: u32 = 16;

impl Publisher {
    /// Publishes a receipt unless one of the same or a later version stands; that counts as a duplicate.
    pub(super) async fn publish_receipt(
        &self,
        stage: StageName,
        receipt: &Receipt,
        trace: Option<&str>,
    ) -> Result<Published, PublishError> {
        let subject = subject::receipt(&receipt.org, receipt.upload);
        let msg_id = MsgId::new(receipt.upload, stage, receipt.version, 0);
        let (mut headers, payload) = encode(&Envelope::output(stage, &msg_id, receipt)?, trace);
        headers.insert(MSG_ID, msg_id.0.as_str());
        headers.insert(EXPECTED_STREAM, Receipt::STREAM);
        // A first version comes where nothing stands: no look is needed for it.
        let mut standing = if receipt.version == 0 { Standing::default() } else { self.standing(&subject).await? };
        let mut unconfirmed = 0;
        for _ in 0..ROUNDS {
            if standing.version.is_some_and(|version| version >= receipt.version) {
                return Ok(Published { sequence: standing.sequence, duplicate: true });
            }
            headers.insert(EXPECTED_LAST, standing.sequence.to_string());
            let error = match self.send_once(&subject, &headers, &payload).await {
                Ok(ack) => return Ok(Published { sequence: ack.sequence, duplicate: ack.duplicate }),
                Err(error) => error,
            };
            if is_ambiguous(&error) && unconfirmed + 1 < self.link.options.publish_attempts {
                unconfirmed += 1;
            } else if error.kind() != PublishErrorKind::WrongLastSequence {
                return Err(self.explain(&subject, &headers, &payload, &error));
            }
            standing = self.standing(&subject).await?;
        }
        let reason = format!("other receipts of the job came in between {ROUNDS} times");
        Err(PublishError::Unavailable { subject, reason })
    }

    async fn standing(&self, subject: &str) -> Result<Standing, PublishError> {
        let away = |reason: String| PublishError::Unavailable { subject: subject.to_owned(), reason };
        let stream = self.link.jetstream.get_stream_no_info(Receipt::STREAM).await.map_err(|e| away(e.to_string()))?;
        match stream.get_last_raw_message_by_subject(subject).await {
            Ok(StreamMessage { sequence, headers, payload, .. }) => {
                Ok(Standing { sequence, version: version(sequence, &headers, payload) })
            }
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(Standing::default()),
            Err(error) => Err(away(error.to_string())),
        }
    }
}

/// What stands under a job: its sequence, 0 for nothing, and its version, if it can be read.
#[derive(Default)]
struct Standing {
    sequence: u64,
    version: Option<u32>,
}

fn version(sequence: u64, headers: &HeaderMap, payload: bytes::Bytes) -> Option<u32> {
    let decoded = receipts::decode(sequence, headers, payload);
    let decoded = decoded.inspect_err(|error| tracing::error!(%error, sequence, "a receipt is replaced unread"));
    decoded.ok().map(|update| update.receipt.version)
}
