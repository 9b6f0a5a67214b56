//! What somebody can do about a failure, by its code. One sentence each, for people; programs read the code.

use heimdex_schemas::{Failure, FailureClass, Receipt};
use serde::{Deserialize, Serialize};

/// Why something failed or is missing, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// Stable, snake_case.
    pub code: String,
    pub message: String,
    pub hint: String,
}

/// What to do about a code. `class` says what kind of dead letter it is, where it is one.
#[must_use]
pub fn hint(code: &str, class: Option<FailureClass>) -> &'static str {
    of_code(code).unwrap_or(match class {
        Some(FailureClass::Rejected) => "The document or its event has to change; upload it again when it has.",
        Some(FailureClass::Exhausted) => "It may work when what failed is back: replay its dead letter.",
        Some(FailureClass::Poison) => "It harmed its worker each time: look at the dead letter before replaying it.",
        Some(FailureClass::Cancelled) => "Nothing: somebody asked for this. Upload it again to have it indexed.",
        None => "The rest of the document is searchable; upload it again when the cause is gone.",
    })
}

fn of_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "encrypted" => "Remove the password and upload it again.",
        "corrupt" => "The file is damaged or incomplete: upload a good copy.",
        "truncated" => "The end of the file is missing: upload the whole file.",
        "unsupported" => "Convert it to PDF, HTML or plain text and upload that.",
        "too_large" => "Split it, or raise the limit that the message names (HEIMDEX_EXTRACT_*).",
        "timeout" => "Split or simplify it, or raise HEIMDEX_EXTRACT_WALL_SECONDS and HEIMDEX_EXTRACT_CPU_SECONDS.",
        "out_of_memory" => "Split or simplify it, or raise HEIMDEX_EXTRACT_MEMORY_BYTES.",
        "crashed" => "Save it anew from its program and upload that; the dead letter keeps the bytes for a bug report.",
        "archive_bomb" => "It unpacks to far more than it holds: upload the documents inside by themselves.",
        "empty" => "There is no text in it: upload a file that has some.",
        "needs_ocr" => "The listed pages are pictures: upload a copy with a text layer.",
        "page_unreadable" => "The listed pages are damaged: upload a good copy.",
        "invalid_encoding" => "Save it as UTF-8 and upload it again.",
        "bad_sequence" => "ce-sequence must be a whole number from 0 to 2^64-1.",
        "event_id_reused" => "Give each upload an event id (ce-id) of its own.",
        "org_mismatch" | "foreign_org" => "Publish it on the subject of the org that the event names.",
        "blob_of_another_org" => "A blob's name must begin with the org that publishes the event.",
        "blob_missing" | "dataref_missing" => "Put the bytes into the object store before the event is published.",
        "blob_corrupt" | "dataref_corrupt" => "The bytes are not those of the sha256 in the event: store them again.",
        "lost_upstream" => "The work was lost below, and so was the original: upload it again.",
        "cancelled" => "Nothing: somebody asked for this. Upload it again to have it indexed.",
        "not_published" => "The broker did not take the event; it is safe to send the same event again.",
        _ => return None,
    })
}

impl From<&Failure> for Advice {
    fn from(failure: &Failure) -> Self {
        let hint = hint(&failure.code, Some(failure.class)).to_owned();
        Self { code: failure.code.clone(), message: failure.message.clone(), hint }
    }
}

/// Everything a receipt complains about, each code once: failures first, then warnings, then missing chunks.
#[must_use]
pub fn advice(receipt: &Receipt) -> Vec<Advice> {
    let warnings = receipt.warnings.iter().map(|warning| (&warning.code, &warning.message));
    let missing = receipt.missing.iter().map(|chunk| (&chunk.code, &chunk.message));
    let partial = warnings.chain(missing).map(|(code, message)| Advice {
        code: code.clone(),
        message: message.clone(),
        hint: hint(code, None).to_owned(),
    });
    let mut all: Vec<Advice> = Vec::new();
    for advice in receipt.failures.iter().map(Advice::from).chain(partial) {
        if !all.iter().any(|known| known.code == advice.code) {
            all.push(advice);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_has_something_to_do() {
        let classes = [FailureClass::Rejected, FailureClass::Exhausted, FailureClass::Poison, FailureClass::Cancelled];
        for class in classes.map(Some).into_iter().chain([None]) {
            assert!(hint("never_heard_of", class).ends_with('.'));
        }
        assert!(hint("timeout", Some(FailureClass::Poison)).contains("HEIMDEX_EXTRACT_WALL_SECONDS"));
    }
}
