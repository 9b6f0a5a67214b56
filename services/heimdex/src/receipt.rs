//! How receipts and their stage times are told to people.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use heimdex_bus::jobs::Advice;
use heimdex_schemas::{Receipt, StageTime};

/// Seconds from `start` to `end`, never below 0: two machines' clocks may differ.
pub fn seconds(start: DateTime<Utc>, end: DateTime<Utc>) -> f64 {
    end.signed_duration_since(start).as_seconds_f64().max(0.0)
}

/// `12 pages, 40 chunks, 8 of them reused, in 0.81 s`.
pub fn counts(receipt: &Receipt) -> String {
    let mut text = format!("{}, {}", plural(receipt.pages, "page"), plural(receipt.chunks, "chunk"));
    if receipt.reused > 0 {
        let _ = write!(text, ", {} reused", receipt.reused);
    }
    if receipt.removed > 0 {
        let _ = write!(text, ", {} points removed", receipt.removed);
    }
    let _ = write!(text, ", in {:.2} s", seconds(receipt.accepted_at, receipt.completed_at));
    text
}

/// `1 chunk`, `2 chunks`.
pub fn plural(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `extractor: 0.12 s after 0.01 s in the queue`.
pub fn stage(time: &StageTime) -> String {
    let waited = seconds(time.queued_at, time.started_at);
    let worked = seconds(time.started_at, time.finished_at);
    let messages = if time.messages == 1 { String::new() } else { format!(", {} messages", time.messages) };
    format!("{}: {worked:.2} s after {waited:.2} s in the queue{messages}", time.stage)
}

/// `the document is encrypted (encrypted)`, and in the next line what to do.
pub fn trouble(advice: &Advice) -> String {
    format!("{} ({})\n          → {}", advice.message, advice.code, advice.hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn clocks_that_differ_make_no_negative_times() {
        let now = Utc::now();
        assert!(seconds(now, now - Duration::from_secs(3)).abs() < f64::EPSILON);
        assert_eq!((plural(1, "page").as_str(), plural(0, "page").as_str()), ("1 page", "0 pages"));
    }
}
