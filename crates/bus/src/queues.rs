//! Looking into queues without taking anything out: what is stored there, and of which upload.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use heimdex_schemas::{Org, StageName, UploadId};
use serde::{Deserialize, Serialize};

use crate::connection::Bus;
use crate::error::BusError;
use crate::link::ApiError;
use crate::topology::{self, PROGRESS_STREAM};

/// Subjects of one queue read at the same time.
const READERS: usize = 8;

/// Which uploads have a message in a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueuedUploads {
    pub uploads: HashSet<UploadId>,
    /// Messages that were read.
    pub messages: u64,
    /// Whether the queue was read to its end, so that an upload that is not listed is not there.
    pub is_complete: bool,
}

#[derive(Serialize)]
struct GetNext<'a> {
    seq: u64,
    next_by_subj: &'a str,
}

#[derive(Serialize)]
struct GetOne {
    seq: u64,
}

#[derive(Serialize)]
struct GetLast<'a> {
    last_by_subj: &'a str,
}

#[derive(Deserialize)]
struct Stored {
    message: StoredMessage,
}

#[derive(Deserialize)]
struct StoredMessage {
    seq: u64,
    time: DateTime<Utc>,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct StreamInfo {
    created: DateTime<Utc>,
}

/// What every internal event begins with.
#[derive(Deserialize)]
struct Head {
    lineage: HeadLineage,
}

#[derive(Deserialize)]
struct HeadLineage {
    upload: UploadId,
}

impl Bus {
    /// The stream's creation time in Unix seconds: a stream that was made anew has a later one.
    ///
    /// # Errors
    /// [`BusError::Missing`] or [`BusError::Unavailable`].
    pub async fn stream_epoch(&self, stream: &str) -> Result<u64, BusError> {
        let info: Result<StreamInfo, ApiError> = self.link().api(&format!("STREAM.INFO.{stream}"), &()).await;
        let created = info.map_err(|e| e.into_bus(format!("stream {stream}")))?.created;
        Ok(u64::try_from(created.timestamp()).unwrap_or_default())
    }

    /// Whether the message is still there.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub async fn is_stored(&self, stream: &str, sequence: u64) -> Result<bool, BusError> {
        let found: Result<Stored, ApiError> =
            self.link().api(&format!("STREAM.MSG.GET.{stream}"), &GetOne { seq: sequence }).await;
        match found {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error.into_bus(format!("{stream} #{sequence}"))),
        }
    }

    /// The uploads that have a message in the queue of `stage`, which must be a stage of the pipeline other than the
    /// first. Every message is transferred, so this is for the rare look, not for gauges; it ends after `limit` messages
    /// of each subject.
    ///
    /// Messages move from one queue to the next before they leave the first. So whoever reads the queues in the order
    /// of the stages misses no upload that was in one of them all along.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub async fn queued_uploads(&self, stage: StageName, limit: u64) -> Result<QueuedUploads, BusError> {
        let stream = topology::input_stream(stage);
        let subjects = self.link().subjects(stream, ">").await.map_err(|e| e.into_bus(format!("stream {stream}")))?;
        let reads = subjects.into_keys().map(|subject| self.uploads_of(stream, subject, limit));
        let parts: Vec<QueuedUploads> = futures::stream::iter(reads).buffer_unordered(READERS).try_collect().await?;
        let mut all = QueuedUploads { is_complete: true, ..QueuedUploads::default() };
        for part in parts {
            all.uploads.extend(part.uploads);
            all.messages += part.messages;
            all.is_complete &= part.is_complete;
        }
        Ok(all)
    }

    /// When a stage last said that it handled something of this job; `None` when none did, or a day ago.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub async fn last_progress(&self, org: &Org, job: UploadId) -> Result<Option<DateTime<Utc>>, BusError> {
        let subject = format!("heimdex.progress.{org}.{job}.>");
        let found: Result<Stored, ApiError> =
            self.link().api(&format!("STREAM.MSG.GET.{PROGRESS_STREAM}"), &GetLast { last_by_subj: &subject }).await;
        match found {
            Ok(Stored { message }) => Ok(Some(message.time)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into_bus(subject)),
        }
    }

    async fn uploads_of(&self, stream: &str, subject: String, limit: u64) -> Result<QueuedUploads, BusError> {
        let call = format!("STREAM.MSG.GET.{stream}");
        let mut found = QueuedUploads::default();
        let mut from = 1;
        while found.messages < limit {
            let next: Result<Stored, ApiError> =
                self.link().api(&call, &GetNext { seq: from, next_by_subj: &subject }).await;
            let message = match next {
                Ok(Stored { message }) => message,
                Err(error) if error.is_missing() => {
                    found.is_complete = true;
                    return Ok(found);
                }
                Err(error) => return Err(error.into_bus(subject)),
            };
            from = message.seq.saturating_add(1);
            found.messages += 1;
            found.uploads.extend(upload(&message));
        }
        Ok(found)
    }
}

/// From the data, or from the name of the blob that holds it: `<org>/<asset hash>/<upload>/<sha256>`.
fn upload(message: &StoredMessage) -> Option<UploadId> {
    let data = STANDARD.decode(&message.data).ok()?;
    if !data.is_empty() {
        return serde_json::from_slice::<Head>(&data).ok().map(|head| head.lineage.upload);
    }
    let headers = STANDARD.decode(&message.hdrs).ok()?;
    let headers = String::from_utf8_lossy(&headers);
    let reference = headers.lines().find_map(|line| line.strip_prefix("ce-dataref:"))?;
    reference.trim().rsplit('/').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    fn message(headers: &str, data: &str) -> StoredMessage {
        StoredMessage {
            seq: 1,
            time: DateTime::UNIX_EPOCH,
            hdrs: STANDARD.encode(headers),
            data: STANDARD.encode(data),
        }
    }

    #[test]
    fn a_message_says_its_upload_in_its_data_or_in_the_name_of_its_blob() {
        let id = UploadId::new(&"acme".parse().unwrap(), "/cms", "1");
        let inline = message("", &format!("{{\"lineage\":{{\"upload\":\"{id}\",\"org\":\"acme\"}},\"part\":3}}"));
        assert_eq!(upload(&inline), Some(id));
        let reference = format!("NATS/1.0\r\nce-dataref: nats-object://HEIMDEX_WORK/acme/00ff/{id}/aabb\r\n\r\n");
        assert_eq!(upload(&message(&reference, "")), Some(id));
        assert_eq!(upload(&message("NATS/1.0\r\n\r\n", "no JSON")), None);
    }
}
