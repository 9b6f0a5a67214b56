//! Tokens for a machine of one's own: a secret in a file that is both the key set and what signs.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heimdex_schemas::Org;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};

use crate::claims::{Raw, RawScope, Scopes};
use crate::error::KeyError;
use crate::source::Source;
use crate::verifier::Settings;

const KEY_ID: &str = "development";

/// A JWK set with one secret, readable by its owner alone. Not for production, where an issuer signs and Heimdex only
/// knows public keys.
#[derive(Debug, Clone)]
pub struct DevelopmentKeys {
    path: PathBuf,
}

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Grant {
    pub org: Org,
    pub scopes: Scopes,
    pub subject: Option<String>,
    pub lifetime: Duration,
}

#[derive(Serialize, Deserialize)]
struct Set {
    keys: Vec<Secret>,
}

#[derive(Serialize, Deserialize)]
struct Secret {
    kty: String,
    kid: String,
    alg: String,
    k: String,
}

impl DevelopmentKeys {
    /// The file at `path`, made with a new secret when there is none.
    ///
    /// # Errors
    /// When it can be neither read nor written.
    pub fn at(path: &Path) -> Result<Self, KeyError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match made.and_then(write_secret) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(path, &error)),
        }
        Ok(Self { path: path.to_owned() })
    }

    /// For [`crate::Verifier::open`].
    #[must_use]
    pub fn source(&self) -> Source {
        Source::File(self.path.clone())
    }

    /// A token that a verifier with `settings` accepts.
    ///
    /// # Errors
    /// When the secret cannot be read.
    pub fn mint(&self, grant: &Grant, settings: &Settings) -> Result<String, KeyError> {
        let json = std::fs::read(&self.path).map_err(|error| failed(&self.path, &error))?;
        let set: Set = serde_json::from_slice(&json).map_err(|error| KeyError::Malformed(error.to_string()))?;
        let secret = set.keys.first().ok_or_else(|| KeyError::None("it is empty".to_owned()))?;
        let bytes = URL_SAFE_NO_PAD.decode(&secret.k).map_err(|error| KeyError::Malformed(error.to_string()))?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let claims = Raw {
            org_id: Some(grant.org.to_string()),
            scope: RawScope::Names(grant.scopes.to_string()),
            sub: grant.subject.clone(),
            iss: Some(settings.issuer.clone()),
            aud: settings.audience.clone().into(),
            exp: Some(now.saturating_add(grant.lifetime).as_secs()),
            nbf: Some(now.as_secs()),
        };
        let header = Header { kid: Some(secret.kid.clone()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, &EncodingKey::from_secret(&bytes))
            .map_err(|error| KeyError::Malformed(error.to_string()))
    }
}

fn write_secret(mut file: File) -> std::io::Result<()> {
    let secret: [u8; 32] = rand::random();
    let key = Secret {
        kty: "oct".to_owned(),
        kid: KEY_ID.to_owned(),
        alg: "HS256".to_owned(),
        k: URL_SAFE_NO_PAD.encode(secret),
    };
    file.write_all(&serde_json::to_vec_pretty(&Set { keys: vec![key] })?)?;
    file.sync_all()
}

fn failed(path: &Path, error: &std::io::Error) -> KeyError {
    KeyError::Read { place: path.display().to_string(), reason: error.to_string() }
}
