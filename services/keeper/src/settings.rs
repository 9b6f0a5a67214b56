//! The keeper's settings: `HEIMDEX_KEEPER_*`, each with its default.

use std::time::Duration;

use heimdex_bus::Limits;
use heimdex_redrive::ExpirySettings;
use heimdex_runtime::{ConfigError, Variables};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How the keeper works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Say what would be done and do nothing: `HEIMDEX_KEEPER_DRY_RUN`.
    pub dry_run: bool,
    /// How long the lease holds; renewed at a third.
    pub lease: Duration,
    /// Pause between two rounds over the points.
    pub points_every: Duration,
    /// How long replaced points stay after they were first seen dead: longer than any search and cursor lives.
    pub keep_dead: Duration,
    /// How long staged points stay that no upload accounts for.
    pub keep_staged: Duration,
    /// Points deleted in one round.
    pub points_batch: u64,
    /// Pause between two rounds over the blobs.
    pub blobs_every: Duration,
    /// How long the payloads between stages stay after their upload has ended; not less than dead letters live.
    pub keep_work: Duration,
    /// How long uploaded bytes stay after their upload was superseded, deleted or failed; not less than dead letters live.
    pub keep_originals: Duration,
    /// How long pieces of a blob stay whose write never ended.
    pub keep_pieces: Duration,
    /// Uploads whose blobs are looked at in one round.
    pub blobs_batch: usize,
    /// Pause between two rounds over the ledger.
    pub records_every: Duration,
    /// How long the records of attempts stay after their message is gone.
    pub keep_attempts: Duration,
    /// How long the records of parts stay after their upload has ended; not less than dead letters live.
    pub keep_parts: Duration,
    /// How long acceptances and receipts stay of uploads that are not current any more; longer than dead letters live.
    pub keep_records: Duration,
    /// Records of each kind that are looked at in one round.
    pub records_batch: usize,
    /// Pause between two looks at the work under way.
    pub work_every: Duration,
    /// Without a sign of life for this long an upload is stuck if it is queued, and lost if it is not.
    pub stuck_after: Duration,
    /// How often one upload is driven again before it is given up.
    pub max_redrives: u32,
    /// Uploads driven again in one round.
    pub redrive_batch: usize,
    /// Messages of one subject that are looked at to find an upload in the queues.
    pub scan_messages: u64,
    /// Largest event data that is rebuilt, in bytes.
    pub event_bytes: u64,
    /// Pause between two looks for messages that no consumer delivers; what is there twice is mended.
    pub queues_every: Duration,
    /// Pause between two looks at the dead letters that expire.
    pub expiry_every: Duration,
    /// `announce_ahead` (`HEIMDEX_KEEPER_ANNOUNCE_AHEAD`) and `remove_ahead` (`HEIMDEX_KEEPER_REMOVE_AHEAD`).
    pub expiry: ExpirySettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dry_run: false,
            lease: Duration::from_secs(30),
            points_every: MINUTE,
            keep_dead: MINUTE * 15,
            keep_staged: DAY,
            points_batch: 50_000,
            blobs_every: HOUR,
            keep_work: DAY * 30,
            keep_originals: DAY * 30,
            keep_pieces: DAY,
            blobs_batch: 2_000,
            records_every: HOUR,
            keep_attempts: HOUR,
            keep_parts: DAY * 30,
            keep_records: DAY * 60,
            records_batch: 5_000,
            work_every: MINUTE,
            stuck_after: MINUTE * 10,
            max_redrives: 3,
            redrive_batch: 500,
            scan_messages: 20_000,
            event_bytes: 256 * 1024 * 1024,
            queues_every: MINUTE,
            expiry_every: MINUTE * 5,
            expiry: ExpirySettings::default(),
        }
    }
}

impl Settings {
    /// From `variables`, checked against how long dead letters live.
    ///
    /// # Errors
    /// [`ConfigError`] names the first variable that cannot be used.
    pub fn read(variables: &Variables, limits: &Limits) -> Result<Self, ConfigError> {
        let default = Self::default();
        let time = |name: &str, default| variables.duration(&variable(name), default);
        let settings = Self {
            dry_run: variables.parse(&variable("DRY_RUN"), default.dry_run)?,
            lease: time("LEASE", default.lease)?,
            points_every: time("POINTS_EVERY", default.points_every)?,
            keep_dead: time("KEEP_DEAD", default.keep_dead)?,
            keep_staged: time("KEEP_STAGED", default.keep_staged)?,
            points_batch: variables.parse(&variable("POINTS_BATCH"), default.points_batch)?,
            blobs_every: time("BLOBS_EVERY", default.blobs_every)?,
            keep_work: time("KEEP_WORK", default.keep_work.max(limits.dead_letter_age))?,
            keep_originals: time("KEEP_ORIGINALS", default.keep_originals.max(limits.dead_letter_age))?,
            keep_pieces: time("KEEP_PIECES", default.keep_pieces)?,
            blobs_batch: variables.parse(&variable("BLOBS_BATCH"), default.blobs_batch)?,
            records_every: time("RECORDS_EVERY", default.records_every)?,
            keep_attempts: time("KEEP_ATTEMPTS", default.keep_attempts)?,
            keep_parts: time("KEEP_PARTS", default.keep_parts.max(limits.dead_letter_age))?,
            keep_records: time("KEEP_RECORDS", default.keep_records.max(limits.dead_letter_age * 2))?,
            records_batch: variables.parse(&variable("RECORDS_BATCH"), default.records_batch)?,
            work_every: time("WORK_EVERY", default.work_every)?,
            stuck_after: time("STUCK_AFTER", default.stuck_after)?,
            max_redrives: variables.parse(&variable("MAX_REDRIVES"), default.max_redrives)?,
            redrive_batch: variables.parse(&variable("REDRIVE_BATCH"), default.redrive_batch)?,
            scan_messages: variables.parse(&variable("SCAN_MESSAGES"), default.scan_messages)?,
            event_bytes: variables.parse(&variable("EVENT_BYTES"), default.event_bytes)?,
            queues_every: time("QUEUES_EVERY", default.queues_every)?,
            expiry_every: time("EXPIRY_EVERY", default.expiry_every)?,
            expiry: ExpirySettings {
                announce_ahead: time("ANNOUNCE_AHEAD", default.expiry.announce_ahead)?,
                // Letters that live for minutes must not be taken out at once.
                remove_ahead: time("REMOVE_AHEAD", default.expiry.remove_ahead.min(limits.dead_letter_age / 24))?,
            },
        };
        settings.check(limits)?;
        Ok(settings)
    }

    /// What a dead letter may need again must outlive it.
    fn check(&self, limits: &Limits) -> Result<(), ConfigError> {
        let longer = limits.dead_letter_age;
        for (name, value) in [
            ("KEEP_WORK", self.keep_work),
            ("KEEP_ORIGINALS", self.keep_originals),
            ("KEEP_PARTS", self.keep_parts),
            ("KEEP_RECORDS", self.keep_records),
        ] {
            if value < longer {
                let reason = format!("must not be less than HEIMDEX_DEAD_LETTER_AGE, {} s", longer.as_secs());
                return Err(refused(name, format!("{} s", value.as_secs()), reason));
            }
        }
        if self.keep_records < self.keep_parts.max(self.keep_originals) {
            let reason = "must not be less than HEIMDEX_KEEPER_KEEP_PARTS and HEIMDEX_KEEPER_KEEP_ORIGINALS";
            return Err(refused("KEEP_RECORDS", format!("{} s", self.keep_records.as_secs()), reason.to_owned()));
        }
        if self.lease.is_zero() {
            return Err(refused("LEASE", "0".to_owned(), "must be longer than nothing".to_owned()));
        }
        Ok(())
    }
}

fn variable(name: &str) -> String {
    format!("HEIMDEX_KEEPER_{name}")
}

fn refused(name: &str, value: String, reason: String) -> ConfigError {
    ConfigError { key: variable(name), value, reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::read(&pairs.iter().copied().collect(), &Limits::default())
    }

    #[test]
    fn nothing_set_gives_the_defaults() {
        assert_eq!(read(&[]).unwrap(), Settings::default());
    }

    #[test]
    fn what_dead_letters_need_outlives_them() {
        for (key, value) in [
            ("HEIMDEX_KEEPER_KEEP_WORK", "1h"),
            ("HEIMDEX_KEEPER_KEEP_ORIGINALS", "1h"),
            ("HEIMDEX_KEEPER_KEEP_PARTS", "1h"),
            ("HEIMDEX_KEEPER_KEEP_RECORDS", "719h"),
            ("HEIMDEX_KEEPER_STUCK_AFTER", "soon"),
            ("HEIMDEX_KEEPER_LEASE", "0s"),
        ] {
            assert_eq!(read(&[(key, value)]).unwrap_err().key, key);
        }
    }

    #[test]
    fn longer_dead_letters_make_longer_defaults() {
        let limits = Limits { dead_letter_age: DAY * 90, ..Limits::default() };
        let settings = Settings::read(&Variables::default(), &limits).unwrap();
        assert!(settings.keep_work == DAY * 90 && settings.keep_records > DAY * 90);
    }
}
