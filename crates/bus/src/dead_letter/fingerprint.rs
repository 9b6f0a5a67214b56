//! Which dead letters have one cause.

use heimdex_schemas::token::hex;
use sha2::{Digest, Sha256};

use super::Verdict;
use super::context::class_name;

/// Characters of a message that count.
const SHAPE_CHARS: usize = 256;
/// Runs of hexadecimal digits from this length on are ids or digests.
const ID_CHARS: usize = 8;

/// 16 hex digits over stage, class, code and the shape of the message.
pub(super) fn fingerprint(verdict: &Verdict) -> String {
    let Verdict { stage, class, code, message, .. } = verdict;
    let text = format!("{stage}\n{}\n{code}\n{}", class_name(*class), shape(message));
    hex(&Sha256::digest(text.as_bytes())).chars().take(16).collect()
}

/// The message without what differs from one occurrence to the next: numbers, ids, digests, and what is in quotes.
fn shape(message: &str) -> String {
    let mut shape = String::new();
    let unquoted = without_quoted(message);
    // A UUID is one word.
    for word in unquoted.split(|c: char| !(c.is_alphanumeric() || c == '-')).filter(|word| !word.is_empty()) {
        let is_id = word.len() >= ID_CHARS && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let kept: String = word.chars().filter(|c| !c.is_ascii_digit()).collect();
        if !is_id && !kept.is_empty() {
            shape.push_str(&kept);
            shape.push(' ');
        }
    }
    shape.chars().take(SHAPE_CHARS).collect()
}

/// Text between double quotes is a name of somebody's.
fn without_quoted(message: &str) -> String {
    let pieces: Vec<&str> = message.split('"').collect();
    // An odd number of quotes leaves the rest unquoted.
    let closed = pieces.len() - usize::from(pieces.len().is_multiple_of(2));
    let kept = pieces.iter().enumerate().filter(|(n, _)| n.is_multiple_of(2) || *n >= closed);
    kept.map(|(_, piece)| *piece).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use heimdex_schemas::{FailureClass, StageName};

    use super::*;

    fn of(message: &str) -> String {
        fingerprint(&Verdict {
            stage: StageName::Extractor,
            class: FailureClass::Rejected,
            code: "corrupt".to_owned(),
            message: message.to_owned(),
            attempts: 1,
        })
    }

    #[test]
    fn one_cause_has_one_fingerprint() {
        for (one, other) in [
            ("bad xref at 17", "bad xref at 99120"),
            ("blob acme/6a0f3c2b9d/1 is away", "blob acme/99ffee001122/2 is away"),
            ("\"a.pdf\" has no page", "\"other file.pdf\" has no page"),
            ("job 5d41402a-bc4b-4a76-b971-9d911017c592", "job 7d793037-a076-4181-8574-aa0a1f0a0d11"),
        ] {
            assert_eq!(shape(one), shape(other));
            assert_eq!(of(one), of(other), "{one}");
        }
        assert_ne!(of("bad xref"), of("no trailer"));
        assert_eq!(of("x").len(), 16);
    }

    #[test]
    fn an_open_quote_hides_nothing() {
        assert_ne!(of("found \" in a name"), of("found \" in a title"));
    }
}
