//! Settings of the store: every limit has a name, a default and an environment variable.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Everything `serve` needs to know besides the socket.
///
/// Each field can be set by the environment variable named in its doc; [`Config::from_lookup`] reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Folder that holds all data; created when absent. `HEIMDEX_STORE_DATA_DIR`, default `./store-data`.
    pub data_dir: PathBuf,
    /// Threads one running optimization may use. `HEIMDEX_STORE_OPTIMIZER_THREADS`, default half the cores, at least 1.
    pub optimizer_threads: usize,
    /// Threads that answer reads. `HEIMDEX_STORE_SEARCH_THREADS`, default the number of cores.
    pub search_threads: usize,
    /// Reads that may wait for a thread before new ones get RESOURCE_EXHAUSTED. `HEIMDEX_STORE_SEARCH_QUEUE`, default 4096.
    pub search_queue: usize,
    /// Points changed since the last optimization that start another. `HEIMDEX_STORE_OPTIMIZE_EVERY_POINTS`, default 15,000.
    pub optimize_every_points: usize,
    /// Quiet time after which pending optimization and checkpoint work is done, in milliseconds.
    /// `HEIMDEX_STORE_IDLE_MS`, default 2,000.
    pub idle: Duration,
    /// Redo bytes written since the last checkpoint that start another. `HEIMDEX_STORE_REDO_SEGMENT_BYTES`, default 128 MiB.
    pub redo_segment_bytes: u64,
    /// Redo bytes beyond which writes wait for the running optimization, so that a replay stays short; beyond which they
    /// get RESOURCE_EXHAUSTED while a damaged engine waits for its repair.
    /// `HEIMDEX_STORE_REDO_MAX_BYTES`, default 1 GiB.
    pub redo_max_bytes: u64,
    /// Bytes of write requests that share one disk sync. `HEIMDEX_STORE_GROUP_BYTES`, default 16 MiB.
    pub group_bytes: usize,
    /// Write requests of one collection that may wait. `HEIMDEX_STORE_WRITE_QUEUE`, default 256.
    pub write_queue: usize,
    /// Largest gRPC message accepted. `HEIMDEX_STORE_MAX_MESSAGE_BYTES`, default 64 MiB.
    pub max_message_bytes: usize,
    /// Free disk space below which writes get RESOURCE_EXHAUSTED and no optimization begins: the engine writes through
    /// memory maps, where a full disk would be a fatal signal. Below half of it there are no checkpoints, and a start
    /// waits for space. `HEIMDEX_STORE_MIN_FREE_BYTES`, default 256 MiB.
    pub min_free_bytes: u64,
    /// How long a shutdown waits for open requests, in milliseconds. `HEIMDEX_STORE_DRAIN_MS`, default 10,000.
    pub drain: Duration,
    /// How long a shutdown then waits for a running optimization, in milliseconds. One that takes longer dies with the
    /// process and there is no last checkpoint; the next start replays the redo log. `HEIMDEX_STORE_STOP_WAIT_MS`,
    /// default 5,000.
    pub stop_wait: Duration,
    /// First wait before a failed checkpoint, optimization, repair or start is tried again, in milliseconds; each
    /// failure in a row doubles it. `HEIMDEX_STORE_RETRY_MS`, default 1,000.
    pub retry: Duration,
    /// Longest such wait, in milliseconds. `HEIMDEX_STORE_RETRY_MAX_MS`, default 60,000.
    pub retry_max: Duration,
    /// How long a reload of a damaged engine waits for open reads, and a read for a reload, in milliseconds.
    /// `HEIMDEX_STORE_RELOAD_WAIT_MS`, default 10,000.
    pub reload_wait: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            data_dir: PathBuf::from("store-data"),
            optimizer_threads: (cores / 2).max(1),
            search_threads: cores,
            search_queue: 4096,
            optimize_every_points: 15_000,
            idle: Duration::from_millis(2_000),
            redo_segment_bytes: 128 << 20,
            redo_max_bytes: 1 << 30,
            group_bytes: 16 << 20,
            write_queue: 256,
            max_message_bytes: 64 << 20,
            min_free_bytes: 256 << 20,
            drain: Duration::from_millis(10_000),
            stop_wait: Duration::from_millis(5_000),
            retry: Duration::from_millis(1_000),
            retry_max: Duration::from_millis(60_000),
            reload_wait: Duration::from_millis(10_000),
        }
    }
}

/// A setting whose value cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{key}: {value:?} is not {expected}")]
pub struct ConfigError {
    /// The environment variable.
    pub key: String,
    /// What it was set to.
    pub value: String,
    /// What it should be.
    pub expected: &'static str,
}

impl Config {
    /// The defaults with every `HEIMDEX_STORE_*` variable that `lookup` knows applied.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let read = Reader { lookup };
        Ok(Self {
            data_dir: read.text("DATA_DIR").map_or(defaults.data_dir, PathBuf::from),
            optimizer_threads: read.positive("OPTIMIZER_THREADS", defaults.optimizer_threads)?,
            search_threads: read.positive("SEARCH_THREADS", defaults.search_threads)?,
            search_queue: read.positive("SEARCH_QUEUE", defaults.search_queue)?,
            optimize_every_points: read.positive("OPTIMIZE_EVERY_POINTS", defaults.optimize_every_points)?,
            idle: read.millis("IDLE_MS", defaults.idle)?,
            redo_segment_bytes: read.number("REDO_SEGMENT_BYTES", defaults.redo_segment_bytes)?,
            redo_max_bytes: read.number("REDO_MAX_BYTES", defaults.redo_max_bytes)?,
            group_bytes: read.positive("GROUP_BYTES", defaults.group_bytes)?,
            write_queue: read.positive("WRITE_QUEUE", defaults.write_queue)?,
            max_message_bytes: read.positive("MAX_MESSAGE_BYTES", defaults.max_message_bytes)?,
            min_free_bytes: read.number("MIN_FREE_BYTES", defaults.min_free_bytes)?,
            drain: read.millis("DRAIN_MS", defaults.drain)?,
            stop_wait: read.millis("STOP_WAIT_MS", defaults.stop_wait)?,
            retry: read.millis("RETRY_MS", defaults.retry)?,
            retry_max: read.millis("RETRY_MAX_MS", defaults.retry_max)?,
            reload_wait: read.millis("RELOAD_WAIT_MS", defaults.reload_wait)?,
        })
    }
}

struct Reader<F> {
    lookup: F,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(&format!("HEIMDEX_STORE_{name}"))
    }

    fn parsed<T: FromStr>(&self, name: &str, default: T, expected: &'static str) -> Result<T, ConfigError> {
        let Some(value) = self.text(name) else { return Ok(default) };
        value.parse().map_err(|_| ConfigError { key: format!("HEIMDEX_STORE_{name}"), value, expected })
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, ConfigError> {
        self.parsed(name, default, "a whole number")
    }

    fn positive(&self, name: &str, default: usize) -> Result<usize, ConfigError> {
        let value = self.parsed(name, default, "a whole number above 0")?;
        if value == 0 {
            let key = format!("HEIMDEX_STORE_{name}");
            return Err(ConfigError { key, value: "0".into(), expected: "a whole number above 0" });
        }
        Ok(value)
    }

    fn millis(&self, name: &str, default: Duration) -> Result<Duration, ConfigError> {
        let default = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        self.parsed(name, default, "a whole number of milliseconds").map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn an_empty_environment_gives_the_documented_defaults() {
        let config = Config::from_lookup(|_| None).unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.optimize_every_points, 15_000);
        assert_eq!(config.redo_segment_bytes, 134_217_728);
        assert_eq!(config.max_message_bytes, 67_108_864);
        assert_eq!(config.stop_wait, Duration::from_secs(5));
    }

    #[test]
    fn every_variable_reaches_its_field() {
        let config = Config::from_lookup(|key| match key {
            "HEIMDEX_STORE_DATA_DIR" => Some("/data".into()),
            "HEIMDEX_STORE_IDLE_MS" => Some("7".into()),
            _ => Some("9".into()),
        })
        .unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/data"));
        assert_eq!(config.idle, Duration::from_millis(7));
        let waits = [config.drain, config.stop_wait, config.retry, config.retry_max, config.reload_wait];
        assert_eq!(waits, [Duration::from_millis(9); 5]);
        let counts = [config.optimizer_threads, config.search_threads, config.search_queue, config.write_queue];
        assert_eq!(counts, [9; 4]);
        assert_eq!([config.optimize_every_points, config.group_bytes, config.max_message_bytes], [9; 3]);
        assert_eq!([config.redo_segment_bytes, config.redo_max_bytes, config.min_free_bytes], [9; 3]);
    }

    #[test]
    fn a_bad_value_names_its_key() {
        let error = Config::from_lookup(|key| (key == "HEIMDEX_STORE_SEARCH_THREADS").then(|| "0".into())).unwrap_err();
        assert_eq!(error.to_string(), "HEIMDEX_STORE_SEARCH_THREADS: \"0\" is not a whole number above 0");
    }
}
