//! Dead letters do not stay for ever. Days before they expire somebody is told, and when they do, a record stays of
//! what they were.
//!
//! The broker drops letters at its `max_age` without a word. So letters are taken out a little earlier, here, after
//! what they were is in the ledger; the broker's limit holds where this does not run.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use heimdex_bus::Letter;
use heimdex_bus::dead_letter::{Address, Depth};
use heimdex_schemas::{FailureClass, StageName};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

use crate::{Redrive, RedriveError, record};

/// When to speak and when to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpirySettings {
    /// Letters that expire within this time are announced.
    pub announce_ahead: Duration,
    /// Letters are taken out so long before the broker would drop them.
    pub remove_ahead: Duration,
}

impl Default for ExpirySettings {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self { announce_ahead: HOUR * 24 * 5, remove_ahead: HOUR }
    }
}

/// Letters of one cause that expire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiringGroup {
    pub fingerprint: String,
    pub stage: Option<StageName>,
    pub class: Option<FailureClass>,
    pub code: String,
    /// Of its newest letter.
    pub message: String,
    pub count: u64,
    /// By org; those that say none under `_`.
    pub orgs: BTreeMap<String, u64>,
    /// When the first of them expires.
    pub first_expires_at: DateTime<Utc>,
    pub last_expires_at: DateTime<Utc>,
}

/// What expires soon, and what just did. The ledger keeps the newest of each day as `audit.dlq.<date>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    pub at: DateTime<Utc>,
    /// Letters in the stream.
    pub letters: u64,
    /// Letters that expire within the time ahead.
    pub expiring: u64,
    /// Those of most letters first.
    pub groups: Vec<ExpiringGroup>,
    /// Letters that were taken out this time.
    pub expired: u64,
}

/// What was taken out together: `audit.dlq.<date>.expired.<letter>` in the ledger, named by the first of them and the
/// day on which that expired, so that doing it again after a crash counts nothing twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    pub at: DateTime<Utc>,
    /// First and last sequence.
    pub first: u64,
    pub last: u64,
    pub count: u64,
    pub groups: Vec<ExpiringGroup>,
}

/// Gauges of the dead-letter stream.
#[derive(Debug, Clone, Default)]
pub struct ExpiryMetrics {
    letters: Gauge,
    expiring: Gauge,
    expired: Counter,
}

impl ExpiryMetrics {
    /// Registers `heimdex_dead_letters`, `heimdex_dead_letters_expiring` and `heimdex_dead_letters_expired_total`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("heimdex_dead_letters", "Dead letters kept", metrics.letters.clone());
        let help = "Dead letters that expire within five days";
        registry.register("heimdex_dead_letters_expiring", help, metrics.expiring.clone());
        registry.register("heimdex_dead_letters_expired", "Dead letters that expired", metrics.expired.clone());
        metrics
    }

    pub fn set(&self, announcement: &Announcement) {
        self.letters.set(i64::try_from(announcement.letters).unwrap_or(i64::MAX));
        self.expiring.set(i64::try_from(announcement.expiring).unwrap_or(i64::MAX));
        self.expired.inc_by(announcement.expired);
    }
}

/// Letters by fingerprint.
#[derive(Default)]
struct Causes(BTreeMap<String, ExpiringGroup>);

impl Causes {
    fn add(&mut self, letter: &Letter, expires_at: DateTime<Utc>) {
        let group = self.0.entry(letter.fingerprint.clone()).or_insert_with(|| ExpiringGroup {
            fingerprint: letter.fingerprint.clone(),
            stage: letter.stage,
            class: letter.class,
            code: letter.code.clone(),
            message: String::new(),
            count: 0,
            orgs: BTreeMap::new(),
            first_expires_at: expires_at,
            last_expires_at: expires_at,
        });
        group.count += 1;
        group.message.clone_from(&letter.message);
        let org = letter.org.as_ref().map_or_else(|| "_".to_owned(), ToString::to_string);
        *group.orgs.entry(org).or_default() += 1;
        group.first_expires_at = group.first_expires_at.min(expires_at);
        group.last_expires_at = group.last_expires_at.max(expires_at);
    }

    fn finish(self) -> Vec<ExpiringGroup> {
        let mut groups: Vec<ExpiringGroup> = self.0.into_values().collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.fingerprint.cmp(&b.fingerprint)));
        groups
    }
}

/// Takes out what expires now, announces what expires soon, in the log and in the ledger, and says so. To be called
/// every few minutes, by one process at a time.
///
/// # Errors
/// [`RedriveError::Bus`], [`RedriveError::Ledger`]; doing it again is right.
pub async fn announce(
    redrive: &Redrive,
    settings: &ExpirySettings,
    now: DateTime<Utc>,
) -> Result<Announcement, RedriveError> {
    let expired = remove_expired(redrive, settings, now).await?;
    let announcement = Announcement { expired, ..expiring(redrive, settings, now).await? };
    for group in &announcement.groups {
        tracing::warn!(
            fingerprint = group.fingerprint, code = group.code, count = group.count, first = %group.first_expires_at,
            "dead letters expire soon: `heimdex dlq expiring`"
        );
    }
    if announcement.expiring > 0 || expired > 0 {
        let key = format!("audit.dlq.{}", now.date_naive());
        record::put(redrive.ledger.as_ref(), &key, &announcement).await?;
    }
    Ok(announcement)
}

/// What expires within the time ahead. Changes nothing.
///
/// # Errors
/// [`RedriveError::Bus`].
pub async fn expiring(
    redrive: &Redrive,
    settings: &ExpirySettings,
    now: DateTime<Utc>,
) -> Result<Announcement, RedriveError> {
    let state = redrive.letters.state().await?;
    let mut causes = Causes::default();
    let mut count = 0;
    if !state.max_age.is_zero() {
        let until = now + settings.announce_ahead;
        let mut oldest = Oldest::new(redrive, state.max_age);
        while let Some(page) = oldest.page(until).await? {
            count += page.len() as u64;
            page.iter().for_each(|letter| causes.add(letter, letter.stored_at + state.max_age));
        }
    }
    let groups = causes.finish();
    Ok(Announcement { at: now, letters: state.messages, expiring: count, groups, expired: 0 })
}

/// Reads letters as long as they expire before a given time. Letters are stored in the order of time.
struct Oldest<'a> {
    redrive: &'a Redrive,
    max_age: Duration,
    after: u64,
    is_done: bool,
}

impl<'a> Oldest<'a> {
    const fn new(redrive: &'a Redrive, max_age: Duration) -> Self {
        Self { redrive, max_age, after: 0, is_done: false }
    }

    async fn page(&mut self, until: DateTime<Utc>) -> Result<Option<Vec<Letter>>, RedriveError> {
        if self.is_done {
            return Ok(None);
        }
        let mut page = self.redrive.letters.page(&Address::default(), self.after, Depth::Headers).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = last.sequence;
        let read = page.len();
        page.retain(|letter| letter.stored_at + self.max_age <= until);
        self.is_done = page.len() < read;
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}

async fn remove_expired(redrive: &Redrive, settings: &ExpirySettings, now: DateTime<Utc>) -> Result<u64, RedriveError> {
    let max_age = redrive.letters.state().await?.max_age;
    let mut removed = 0;
    if max_age.is_zero() {
        return Ok(removed);
    }
    let mut oldest = Oldest::new(redrive, max_age);
    while let Some(page) = oldest.page(now + settings.remove_ahead).await? {
        let last = testify(redrive, &page, max_age, now).await?;
        for letter in page.iter().filter(|letter| letter.sequence <= last) {
            removed += u64::from(redrive.letters.remove(letter).await?);
        }
        // What a record of before a crash did not cover has one of its own.
        oldest.after = last;
        oldest.is_done &= page.last().is_some_and(|letter| letter.sequence == last);
    }
    Ok(removed)
}

/// Writes down what the letters of a page were, unless that was done before; returns the last sequence that the record
/// covers.
async fn testify(
    redrive: &Redrive,
    page: &[Letter],
    max_age: Duration,
    now: DateTime<Utc>,
) -> Result<u64, RedriveError> {
    let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(0) };
    let mut causes = Causes::default();
    page.iter().for_each(|letter| causes.add(letter, letter.stored_at + max_age));
    let expired = Expired {
        at: now,
        first: first.sequence,
        last: last.sequence,
        count: page.len() as u64,
        groups: causes.finish(),
    };
    let key = expired_key((first.stored_at + max_age).date_naive(), &first.id());
    if record::create(redrive.ledger.as_ref(), &key, &expired).await?.is_some() {
        return Ok(expired.last);
    }
    let found = record::read::<Expired>(redrive.ledger.as_ref(), &key).await?;
    Ok(found.map_or(first.sequence, |(_, found)| found.last))
}

fn expired_key(date: NaiveDate, letter: &str) -> String {
    format!("audit.dlq.{date}.expired.{letter}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;
    use crate::filter::tests::letter;

    #[test]
    fn causes_are_counted_with_their_orgs_and_times() {
        let mut causes = Causes::default();
        for letter in [letter(1), letter(5), Letter { org: None, fingerprint: "ff".to_owned(), ..letter(3) }] {
            causes.add(&letter, letter.stored_at + Duration::from_secs(10));
        }
        let groups = causes.finish();
        assert_eq!((groups[0].count, groups[0].orgs["acme"], groups[1].orgs["_"]), (2, 2, 1));
        let (first, last) = (groups[0].first_expires_at.timestamp(), groups[0].last_expires_at.timestamp());
        assert_eq!((first, last), (11, 15));
    }

    #[test]
    fn records_have_keys_that_the_ledger_takes() {
        let key = expired_key(NaiveDate::from_ymd_opt(2026, 11, 5).unwrap(), "17-4");
        assert_eq!(key, "audit.dlq.2026-11-05.expired.17-4");
        heimdex_stage::ledger::check_key(&key).unwrap();
    }

    #[test]
    fn metrics_have_the_promised_names() {
        let mut registry = Registry::default();
        let metrics = ExpiryMetrics::register(&mut registry);
        metrics.set(&Announcement { letters: 9, expiring: 4, expired: 2, ..Announcement::default() });
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in
            ["heimdex_dead_letters 9", "heimdex_dead_letters_expiring 4", "heimdex_dead_letters_expired_total 2"]
        {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
