//! One document's extraction as a JSON value, for the command line.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{Document, ExtractError, Format, Page, Pool, Status, format};

/// What `heimdex extract FILE --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `None` when the bytes are nothing that is read.
    pub format: Option<Format>,
    pub status: Status,
    /// Set exactly when `status` is failed.
    pub error: Option<ReportError>,
    /// ISO 639-1.
    pub language: Option<String>,
    pub pages: Vec<Page>,
    pub elapsed_ms: u64,
}

/// A failure's stable code and its explanation for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportError {
    pub code: String,
    pub message: String,
}

/// Why there is no report at all: nothing to do with the document's content.
#[derive(Debug, thiserror::Error)]
pub enum ReportFailure {
    #[error("{path}: {error}")]
    Read { path: String, error: std::io::Error },
    #[error(transparent)]
    Pool(ExtractError),
}

/// Extracts the file at `path` in a child of `pool`.
///
/// # Errors
/// When the file cannot be read, or no child can be started. A document that cannot be extracted is a report.
pub async fn extract_file(pool: &Pool, path: &Path) -> Result<Report, ReportFailure> {
    let read = |error| ReportFailure::Read { path: path.display().to_string(), error };
    let size = tokio::fs::metadata(path).await.map_err(read)?.len();
    let limit = pool.limits().max_bytes;
    if size > limit {
        return Ok(failed(None, &crate::Failure::too_large("bytes", limit), 0));
    }
    let bytes = tokio::fs::read(path).await.map_err(read)?;
    extract_bytes(pool, &bytes).await
}

/// As [`extract_file`], for bytes at hand.
///
/// # Errors
/// When no child can be started.
pub async fn extract_bytes(pool: &Pool, bytes: &[u8]) -> Result<Report, ReportFailure> {
    let begun = Instant::now();
    let outcome = pool.extract(bytes).await;
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Ok(document) => Ok(done(document, elapsed_ms)),
        Err(ExtractError::Document(failure)) => Ok(failed(format::sniff(bytes).ok(), &failure, elapsed_ms)),
        Err(other) => Err(ReportFailure::Pool(other)),
    }
}

fn done(document: Document, elapsed_ms: u64) -> Report {
    let status = document.status();
    let (format, language) = (Some(document.format), document.language);
    Report { format, status, error: None, language, pages: document.pages, elapsed_ms }
}

fn failed(format: Option<Format>, failure: &crate::Failure, elapsed_ms: u64) -> Report {
    let error = ReportError { code: failure.code().to_owned(), message: failure.to_string() };
    Report { format, status: Status::Failed, error: Some(error), language: None, pages: Vec::new(), elapsed_ms }
}
