//! Settings from `HEIMDEX_*` variables: read once, without side effects; a bad value is an error that names its key.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use heimdex_bus::{Limits, Options};
use heimdex_schemas::ModelName;

use crate::telemetry::LogFormat;

/// A variable has a value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value:?}: {reason}")]
pub struct ConfigError {
    pub key: String,
    pub value: String,
    pub reason: String,
}

/// The variables a process was started with.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Those of the process. Values that are not Unicode are left out.
    #[must_use]
    pub fn of_process() -> Self {
        let pairs = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Self(pairs.collect())
    }

    /// The value of `key`; an empty one counts as not set.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of `key`, or `default`.
    ///
    /// # Errors
    /// [`ConfigError`] when it does not parse.
    pub fn parse<T: FromStr<Err: Display>>(&self, key: &str, default: T) -> Result<T, ConfigError> {
        self.parse_with(key, default, |text| text.parse().map_err(|e: T::Err| e.to_string()))
    }

    /// A duration as `250ms`, `30s`, `5m` or `1h`.
    ///
    /// # Errors
    /// [`ConfigError`] when it is none of these.
    pub fn duration(&self, key: &str, default: Duration) -> Result<Duration, ConfigError> {
        self.parse_with(key, default, duration)
    }

    fn parse_with<T>(&self, key: &str, default: T, parse: fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        let Some(text) = self.text(key) else { return Ok(default) };
        parse(text).map_err(|reason| ConfigError { key: key.to_owned(), value: text.to_owned(), reason })
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "a duration is a number and ms, s, m or h".to_owned())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(format!("{unit:?} is not one of ms, s, m, h")),
    };
    millis.map(Duration::from_millis).ok_or_else(|| "too long".to_owned())
}

/// How one stage consumes.
#[derive(Debug, Clone)]
pub struct StageConfig {
    /// Messages in hand at the same time.
    pub permits: usize,
    /// Permits that only take interactive work; less than `permits`.
    pub reserved: usize,
    /// How long an idle shared permit waits for interactive work before it looks at bulk.
    pub lane_poll: Duration,
    /// How long a reserved permit waits in one request.
    pub long_poll: Duration,
    /// Attempts charged before a message is dead-lettered as exhausted.
    pub max_attempts: u32,
    /// Delay after the first failed attempt; it triples with each.
    pub backoff_base: Duration,
    pub backoff_cap: Duration,
    /// Deaths of the process with the message alone in hand that make it poison.
    pub suspect_deaths: u32,
    /// Deliveries of a message without an outcome after which it still is handled in company; the next is alone.
    pub suspect_company: u64,
    /// First pause when a dependency is away; it doubles up to the cap.
    pub breaker_base: Duration,
    pub breaker_cap: Duration,
    /// Messages in the next queue above which this stage stops pulling: interactive ones for lane interactive, all for bulk.
    pub downstream_mark: u64,
    /// Deletions and cancellations that are kept in mind, the newest, so that their work is ended early.
    pub unwanted: usize,
    /// How often queues are looked at.
    pub watch_interval: Duration,
    /// How long work in hand may take after a stop was asked for.
    pub grace: Duration,
    /// How long an event of a newer major version rests before it is offered again.
    pub park: Duration,
    /// Largest event data, in bytes.
    pub input_bytes: u64,
    /// The model of uploads that name none.
    pub model: ModelName,
}

impl StageConfig {
    /// Defaults for uploads that are embedded with `model` unless they say otherwise.
    #[must_use]
    pub fn new(model: ModelName) -> Self {
        Self {
            permits: 8,
            reserved: 3,
            lane_poll: Duration::from_millis(500),
            long_poll: Duration::from_secs(2),
            max_attempts: 8,
            backoff_base: Duration::from_secs(5),
            backoff_cap: Duration::from_secs(3600),
            suspect_deaths: 2,
            suspect_company: 1,
            breaker_base: Duration::from_millis(500),
            breaker_cap: Duration::from_secs(30),
            downstream_mark: 2_000,
            unwanted: 100_000,
            watch_interval: Duration::from_secs(1),
            grace: Duration::from_secs(25),
            park: Duration::from_secs(3600),
            input_bytes: 256 * 1024 * 1024,
            model,
        }
    }

    fn read(variables: &Variables, model: ModelName) -> Result<Self, ConfigError> {
        let default = Self::new(model);
        let config = Self {
            permits: variables.parse("HEIMDEX_PERMITS", default.permits)?,
            reserved: variables.parse("HEIMDEX_PERMITS_INTERACTIVE", default.reserved)?,
            lane_poll: variables.duration("HEIMDEX_LANE_POLL", default.lane_poll)?,
            long_poll: variables.duration("HEIMDEX_LONG_POLL", default.long_poll)?,
            max_attempts: variables.parse("HEIMDEX_MAX_ATTEMPTS", default.max_attempts)?,
            backoff_base: variables.duration("HEIMDEX_BACKOFF_BASE", default.backoff_base)?,
            backoff_cap: variables.duration("HEIMDEX_BACKOFF_CAP", default.backoff_cap)?,
            suspect_deaths: variables.parse("HEIMDEX_SUSPECT_DEATHS", default.suspect_deaths)?,
            suspect_company: variables.parse("HEIMDEX_SUSPECT_COMPANY", default.suspect_company)?,
            breaker_base: variables.duration("HEIMDEX_BREAKER_BASE", default.breaker_base)?,
            breaker_cap: variables.duration("HEIMDEX_BREAKER_CAP", default.breaker_cap)?,
            downstream_mark: variables.parse("HEIMDEX_DOWNSTREAM_MARK", default.downstream_mark)?,
            unwanted: variables.parse("HEIMDEX_UNWANTED", default.unwanted)?,
            watch_interval: variables.duration("HEIMDEX_WATCH_INTERVAL", default.watch_interval)?,
            grace: variables.duration("HEIMDEX_GRACE", default.grace)?,
            park: variables.duration("HEIMDEX_PARK", default.park)?,
            input_bytes: variables.parse("HEIMDEX_INPUT_BYTES", default.input_bytes)?,
            model: default.model,
        };
        let refuse = |key: &str, value: usize, reason: &str| ConfigError {
            key: key.to_owned(),
            value: value.to_string(),
            reason: reason.to_owned(),
        };
        match (config.permits, config.reserved) {
            (0, _) => Err(refuse("HEIMDEX_PERMITS", 0, "at least 1")),
            (permits, reserved) if reserved >= permits => {
                Err(refuse("HEIMDEX_PERMITS_INTERACTIVE", reserved, "must be less than HEIMDEX_PERMITS"))
            }
            _ => Ok(config),
        }
    }

    /// As many permits as given, with the same share reserved: one at least where there are two.
    #[must_use]
    pub fn with_permits(mut self, permits: usize) -> Self {
        let share = (self.reserved * permits).div_ceil(self.permits.max(1));
        self.reserved = share.min(permits.saturating_sub(1));
        self.permits = permits.max(1);
        self
    }
}

/// What every process needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// `HEIMDEX_NATS_URL`
    pub nats_url: String,
    /// Where `/healthz`, `/readyz` and `/metrics` are served: `HEIMDEX_HTTP_ADDR`.
    pub http: SocketAddr,
    /// `HEIMDEX_LOG_FORMAT`: `text` or `json`.
    pub log_format: LogFormat,
    /// `HEIMDEX_LOG`: levels by module, as `info,heimdex_bus=debug`.
    pub log_filter: String,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: where traces go (gRPC); none when not set.
    pub otlp_endpoint: Option<String>,
    pub bus: Options,
    pub stage: StageConfig,
}

impl Config {
    /// From the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the first variable that cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(&Variables::of_process())
    }

    /// From `variables`.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn read(variables: &Variables) -> Result<Self, ConfigError> {
        let model = variables.text("HEIMDEX_MODEL").unwrap_or(heimdex_schemas::DEFAULT_MODEL);
        let model = model.parse().map_err(|e: heimdex_schemas::TokenError| ConfigError {
            key: "HEIMDEX_MODEL".to_owned(),
            value: model.to_owned(),
            reason: e.to_string(),
        })?;
        Ok(Self {
            nats_url: variables.text("HEIMDEX_NATS_URL").unwrap_or("nats://127.0.0.1:4222").to_owned(),
            http: variables.parse("HEIMDEX_HTTP_ADDR", SocketAddr::from(([127, 0, 0, 1], 8080)))?,
            log_format: variables.parse("HEIMDEX_LOG_FORMAT", LogFormat::Text)?,
            log_filter: variables.text("HEIMDEX_LOG").unwrap_or("info").to_owned(),
            otlp_endpoint: variables.text("OTEL_EXPORTER_OTLP_ENDPOINT").map(str::to_owned),
            bus: bus(variables)?,
            stage: StageConfig::read(variables, model)?,
        })
    }
}

fn bus(variables: &Variables) -> Result<Options, ConfigError> {
    let default = Options::default();
    Ok(Options {
        request_timeout: variables.duration("HEIMDEX_NATS_TIMEOUT", default.request_timeout)?,
        publish_timeout: variables.duration("HEIMDEX_PUBLISH_TIMEOUT", default.publish_timeout)?,
        publish_attempts: variables.parse("HEIMDEX_PUBLISH_ATTEMPTS", default.publish_attempts)?,
        public_inline_bytes: variables.parse("HEIMDEX_PUBLIC_INLINE_BYTES", default.public_inline_bytes)?,
        inline_bytes: variables.parse("HEIMDEX_INLINE_BYTES", default.inline_bytes)?,
        blob_bytes: variables.parse("HEIMDEX_BLOB_BYTES", default.blob_bytes)?,
        blob_timeout: variables.duration("HEIMDEX_BLOB_TIMEOUT", default.blob_timeout)?,
        monitor: variables.text("HEIMDEX_NATS_MONITOR").map(str::to_owned),
        org_interactive_depth: variables.parse("HEIMDEX_ORG_INTERACTIVE_DEPTH", default.org_interactive_depth)?,
        limits: limits(variables, default.limits)?,
        name: default.name,
    })
}

fn limits(variables: &Variables, default: Limits) -> Result<Limits, ConfigError> {
    Ok(Limits {
        ack_wait: variables.duration("HEIMDEX_ACK_WAIT", default.ack_wait)?,
        max_ack_pending: variables.parse("HEIMDEX_MAX_ACK_PENDING", default.max_ack_pending)?,
        org_depth: variables.parse("HEIMDEX_ORG_DEPTH", default.org_depth)?,
        duplicate_window: variables.duration("HEIMDEX_DUPLICATE_WINDOW", default.duplicate_window)?,
        replicas: variables.parse("HEIMDEX_REPLICAS", default.replicas)?,
        dead_letters: variables.parse("HEIMDEX_DEAD_LETTERS", default.dead_letters)?,
        dead_letter_age: variables.duration("HEIMDEX_DEAD_LETTER_AGE", default.dead_letter_age)?,
        receipt_age: variables.duration("HEIMDEX_RECEIPT_AGE", default.receipt_age)?,
        progress_age: variables.duration("HEIMDEX_PROGRESS_AGE", default.progress_age)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(&pairs.iter().copied().collect())
    }

    #[test]
    fn nothing_set_gives_the_defaults() {
        let config = read(&[]).unwrap();
        assert_eq!(config.nats_url, "nats://127.0.0.1:4222");
        assert_eq!(config.stage.permits, 8);
        assert_eq!(config.bus.limits.ack_wait, Duration::from_secs(30));
        assert!(config.otlp_endpoint.is_none());
    }

    #[test]
    fn a_bad_value_names_its_key() {
        for (key, value) in [
            ("HEIMDEX_PERMITS", "many"),
            ("HEIMDEX_PERMITS", "0"),
            ("HEIMDEX_PERMITS_INTERACTIVE", "8"),
            ("HEIMDEX_ACK_WAIT", "30"),
            ("HEIMDEX_ACK_WAIT", "5 s"),
            ("HEIMDEX_HTTP_ADDR", "localhost"),
            ("HEIMDEX_LOG_FORMAT", "xml"),
            ("HEIMDEX_MODEL", "a model"),
        ] {
            let error = read(&[(key, value)]).unwrap_err();
            assert_eq!((error.key.as_str(), error.value.as_str()), (key, value));
            assert!(error.to_string().contains(key));
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, millis) in [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)));
        }
        assert!(duration("18446744073709551615h").is_err());
    }

    #[test]
    fn fewer_permits_keep_one_for_bulk() {
        let config = StageConfig::new("m".parse().unwrap());
        assert_eq!(config.clone().with_permits(1).reserved, 0);
        assert_eq!(config.clone().with_permits(2).reserved, 1);
        assert_eq!(config.with_permits(16).reserved, 6);
    }
}
