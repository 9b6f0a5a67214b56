//! Where a key set comes from.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::error::KeyError;

/// A file or a URL with a JWK set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// `https`, or `http` on this machine.
    Url(Url),
}

impl FromStr for Source {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let refused = || KeyError::Source(text.to_owned());
        if !text.contains("://") {
            return if text.is_empty() { Err(refused()) } else { Ok(Self::File(text.into())) };
        }
        let url = Url::parse(text).map_err(|_| refused())?;
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => Ok(Self::Url(url)),
            "http" if is_local => Ok(Self::Url(url)),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url) => write!(f, "{url}"),
        }
    }
}

/// Reads a source again and again.
pub(crate) struct Reader {
    source: Source,
    http: Option<Client>,
    limit: usize,
}

impl Reader {
    pub fn new(source: Source, limit: usize, patience: Duration) -> Result<Self, KeyError> {
        let http = match &source {
            Source::File(_) => None,
            Source::Url(_) => Some(client(patience).map_err(|error| failed(&source, &error))?),
        };
        Ok(Self { source, http, limit })
    }

    /// All of it, up to the limit.
    pub async fn read(&self) -> Result<Vec<u8>, KeyError> {
        let bytes = match (&self.source, &self.http) {
            (Source::Url(url), Some(http)) => return self.get(http, url).await,
            (Source::File(path), _) => tokio::fs::read(path).await.map_err(|error| failed(&self.source, &error))?,
            (Source::Url(_), None) => Vec::new(),
        };
        if bytes.len() > self.limit { Err(KeyError::TooLarge { limit: self.limit }) } else { Ok(bytes) }
    }

    async fn get(&self, http: &Client, url: &Url) -> Result<Vec<u8>, KeyError> {
        let answer = http.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(|error| failed(&self.source, &error))?;
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| failed(&self.source, &error))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > self.limit {
                return Err(KeyError::TooLarge { limit: self.limit });
            }
        }
        Ok(bytes)
    }
}

/// Follows no redirect: a key set lies where the operator said, or nowhere.
fn client(patience: Duration) -> Result<Client, reqwest::Error> {
    // Whoever was first has installed the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(Policy::none()).timeout(patience).no_proxy().build()
}

fn failed(source: &Source, error: &dyn std::error::Error) -> KeyError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        reason = format!("{reason}: {inner}");
        cause = inner.source();
    }
    KeyError::Read { place: source.to_string(), reason }
}
