//! The gateway's settings, each with its default.

use std::num::NonZeroU32;
use std::time::Duration;

use heimdex_runtime::{ConfigError, Variables};

/// How the gateway works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Largest body of `POST /assets`, in bytes. `HEIMDEX_HTTP_MAX_UPLOAD_BYTES`, 10 MiB
    pub max_upload_bytes: usize,
    /// Largest JSON body, in bytes. `HEIMDEX_HTTP_MAX_JSON_BYTES`, 1 MiB
    pub max_json_bytes: usize,
    /// Longest wait for a search's answer. `HEIMDEX_HTTP_SEARCH_TIMEOUT`, 10 s
    pub search_timeout: Duration,
    /// Longest time for a whole request that is not a stream. `HEIMDEX_HTTP_TIMEOUT`, 60 s
    pub timeout: Duration,
    /// Requests in hand at once; more are refused with 503. `HEIMDEX_HTTP_CONCURRENCY`, 512
    pub concurrency: usize,
    /// `POST /vectors/embed` per org and minute. `HEIMDEX_HTTP_EMBED_PER_MINUTE`, 10
    pub embed_per_minute: NonZeroU32,
    /// Uploads and deletions per org and minute. `HEIMDEX_HTTP_ASSETS_PER_MINUTE`, 600
    pub assets_per_minute: NonZeroU32,
    /// Searches per org and minute. `HEIMDEX_HTTP_SEARCH_PER_MINUTE`, 6,000
    pub search_per_minute: NonZeroU32,
    /// Looks at jobs per org and minute. `HEIMDEX_HTTP_JOBS_PER_MINUTE`, 6,000
    pub jobs_per_minute: NonZeroU32,
    /// Origins that browsers may call from, between commas. `HEIMDEX_HTTP_CORS_ORIGINS`, none
    pub cors_origins: Vec<String>,
}

const fn per_minute(requests: u32) -> NonZeroU32 {
    match NonZeroU32::new(requests) {
        Some(requests) => requests,
        None => NonZeroU32::MIN,
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_upload_bytes: 10 << 20,
            max_json_bytes: 1 << 20,
            search_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            concurrency: 512,
            embed_per_minute: per_minute(10),
            assets_per_minute: per_minute(600),
            search_per_minute: per_minute(6_000),
            jobs_per_minute: per_minute(6_000),
            cors_origins: Vec::new(),
        }
    }
}

impl Settings {
    /// From `HEIMDEX_HTTP_*`.
    ///
    /// # Errors
    /// [`ConfigError`] names the first variable that cannot be used.
    pub fn read(variables: &Variables) -> Result<Self, ConfigError> {
        let default = Self::default();
        let rate = |name: &str, default| variables.parse(&variable(name), default);
        let origins = variables.text(&variable("CORS_ORIGINS")).unwrap_or_default();
        let settings = Self {
            max_upload_bytes: variables.parse(&variable("MAX_UPLOAD_BYTES"), default.max_upload_bytes)?,
            max_json_bytes: variables.parse(&variable("MAX_JSON_BYTES"), default.max_json_bytes)?,
            search_timeout: variables.duration(&variable("SEARCH_TIMEOUT"), default.search_timeout)?,
            timeout: variables.duration(&variable("TIMEOUT"), default.timeout)?,
            concurrency: variables.parse(&variable("CONCURRENCY"), default.concurrency)?,
            embed_per_minute: rate("EMBED_PER_MINUTE", default.embed_per_minute)?,
            assets_per_minute: rate("ASSETS_PER_MINUTE", default.assets_per_minute)?,
            search_per_minute: rate("SEARCH_PER_MINUTE", default.search_per_minute)?,
            jobs_per_minute: rate("JOBS_PER_MINUTE", default.jobs_per_minute)?,
            cors_origins: origins.split(',').map(str::trim).filter(|o| !o.is_empty()).map(str::to_owned).collect(),
        };
        settings.check()
    }

    fn check(self) -> Result<Self, ConfigError> {
        if self.concurrency == 0 {
            let reason = "must be at least 1".to_owned();
            return Err(ConfigError { key: variable("CONCURRENCY"), value: "0".to_owned(), reason });
        }
        let malformed = |origin: &&String| !origin.starts_with("http://") && !origin.starts_with("https://");
        match self.cors_origins.iter().find(malformed) {
            None => Ok(self),
            Some(origin) => Err(ConfigError {
                key: variable("CORS_ORIGINS"),
                value: origin.clone(),
                reason: "an origin is a scheme and a host, for example https://app.example.com".to_owned(),
            }),
        }
    }
}

fn variable(name: &str) -> String {
    format!("HEIMDEX_HTTP_{name}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::read(&pairs.iter().copied().collect())
    }

    #[test]
    fn nothing_set_gives_the_defaults_and_nonsense_is_named() {
        assert_eq!(read(&[]).unwrap(), Settings::default());
        for (key, value) in [
            ("HEIMDEX_HTTP_EMBED_PER_MINUTE", "0"),
            ("HEIMDEX_HTTP_CONCURRENCY", "0"),
            ("HEIMDEX_HTTP_TIMEOUT", "soon"),
            ("HEIMDEX_HTTP_MAX_JSON_BYTES", "-1"),
            ("HEIMDEX_HTTP_CORS_ORIGINS", "https://a.example, *"),
        ] {
            assert_eq!(read(&[(key, value)]).unwrap_err().key, key);
        }
        let origins = read(&[("HEIMDEX_HTTP_CORS_ORIGINS", "https://a.example, http://b")]).unwrap().cors_origins;
        assert_eq!(origins, ["https://a.example", "http://b"]);
    }
}
