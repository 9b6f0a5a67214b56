//! Dead letters as lines of JSON: out of one installation, or of the way, and back in.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use heimdex_bus::Letter;
use heimdex_bus::dead_letter::{Depth, Origin};
use heimdex_stage::{BlobError, Blobs as _};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::select::Stretch;
use crate::{Filter, Redrive, RedriveError};

/// One line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Where it was in the dead-letter stream.
    pub sequence: u64,
    pub epoch: u64,
    pub stored_at: DateTime<Utc>,
    pub subject: String,
    /// Every header, ours and the message's.
    pub headers: Vec<(String, String)>,
    /// The message's payload, base64.
    pub payload: String,
    /// The whole message, base64, where it was too large to be kept in the letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// How an import went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    pub added: u64,
    /// There already.
    pub present: u64,
}

impl Redrive {
    /// Writes the letters that match, one line each, and returns how many. Data that travelled as a blob stays where it
    /// is; the letter names it.
    ///
    /// # Errors
    /// [`RedriveError::Io`], [`RedriveError::Bus`].
    pub async fn export(
        &self,
        filter: &Filter,
        out: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<u64, RedriveError> {
        let stretch = Stretch { after: 0, upto: self.letters.state().await?.last_sequence };
        let mut letters = std::pin::pin!(self.select(filter, stretch, Depth::Whole));
        let mut count = 0;
        while let Some(letter) = letters.try_next().await? {
            let exported = self.exported(letter).await?;
            let mut line = serde_json::to_vec(&exported).map_err(std::io::Error::from)?;
            line.push(b'\n');
            out.write_all(&line).await?;
            count += 1;
        }
        out.flush().await?;
        Ok(count)
    }

    async fn exported(&self, letter: Letter) -> Result<Exported, RedriveError> {
        let raw = match letter.blob() {
            None => None,
            Some(blob) => match self.bus.blobs().get(&blob, u64::MAX).await {
                Ok(bytes) => Some(STANDARD.encode(bytes)),
                // A letter whose message is gone is still the record of a failure.
                Err(BlobError::Missing(_)) => None,
                Err(error) => return Err(heimdex_bus::PublishError::Blob(error).into()),
            },
        };
        Ok(Exported {
            sequence: letter.sequence,
            epoch: letter.epoch,
            stored_at: letter.stored_at,
            subject: letter.subject,
            headers: letter.headers,
            payload: STANDARD.encode(letter.payload.unwrap_or_default()),
            raw,
        })
    }

    /// Stores the letters of an export that are not there. Doing it again adds nothing.
    ///
    /// # Errors
    /// [`RedriveError::Import`] names the line that cannot be read; those before it are stored.
    pub async fn import(&self, source: &mut (impl AsyncBufRead + Unpin + Send)) -> Result<Imported, RedriveError> {
        let batch = self.letters.state().await?.last_sequence;
        let mut present = self.origins().await?;
        let (mut imported, mut lines, mut number) = (Imported::default(), source.lines(), 0);
        while let Some(line) = lines.next_line().await? {
            number += 1;
            if line.trim().is_empty() {
                continue;
            }
            let (letter, raw) = read(&line).map_err(|reason| RedriveError::Import { line: number, reason })?;
            let is_new = present.insert(key(&letter.origin));
            if is_new && !self.letters.restore(&letter, raw, batch).await?.duplicate {
                imported.added += 1;
            } else {
                imported.present += 1;
            }
        }
        Ok(imported)
    }

    /// The messages that have a dead letter.
    async fn origins(&self) -> Result<HashSet<(String, u64, u64)>, RedriveError> {
        let filter = Filter::default();
        self.list(&filter).map_ok(|letter| key(&letter.origin)).try_collect().await
    }
}

fn key(origin: &Origin) -> (String, u64, u64) {
    (origin.stream.clone(), origin.epoch, origin.sequence)
}

fn read(line: &str) -> Result<(Letter, Option<Bytes>), String> {
    let exported: Exported = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let decode = |text: &str| STANDARD.decode(text).map(Bytes::from).map_err(|e| format!("base64: {e}"));
    let payload = decode(&exported.payload)?;
    let raw = exported.raw.as_deref().map(decode).transpose()?;
    if !exported.subject.starts_with("heimdex.dlq.") {
        return Err(format!("{:?} is no subject of a dead letter", exported.subject));
    }
    let Exported { sequence, epoch, stored_at, subject, headers, .. } = exported;
    let letter = Letter::from_parts((epoch, sequence), stored_at, (subject, headers), payload);
    if letter.origin.stream.is_empty() {
        return Err("it does not say which message died".to_owned());
    }
    Ok((letter, raw))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    fn line(subject: &str, headers: &str, payload: &str) -> String {
        format!(
            r#"{{"sequence":1,"epoch":2,"stored_at":"2026-11-22T10:00:00Z","subject":"{subject}","headers":[{headers}],"payload":"{payload}"}}"#
        )
    }

    #[test]
    fn a_line_is_a_letter_or_says_what_is_wrong() {
        let origin = r#"["Heimdex-Stream","HEIMDEX_ASSETS"],["Heimdex-Sequence","5"],["X-Own","a"]"#;
        let (letter, raw) = read(&line("heimdex.dlq.extractor.acme._", origin, "aGk=")).unwrap();
        assert_eq!((letter.sequence, letter.origin.sequence, letter.payload.as_deref()), (1, 5, Some(&b"hi"[..])));
        assert!(raw.is_none() && letter.headers.len() == 3);
        for bad in [
            "no json".to_owned(),
            line("heimdex.asset.uploaded.bulk.acme", origin, ""),
            line("heimdex.dlq.extractor.acme._", "", ""),
            line("heimdex.dlq.extractor.acme._", origin, "***"),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
