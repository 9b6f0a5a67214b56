//! From a token's text to what it says.

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};

use crate::claims::{Claims, Raw};
use crate::error::{AuthError, KeyError};
use crate::ring::KeyRing;
use crate::source::{Reader, Source};

/// What a token must say, and how keys are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Must be among the token's `aud`. `HEIMDEX_JWT_AUDIENCE`, `heimdex`
    pub audience: String,
    /// Must be the token's `iss`. `HEIMDEX_JWT_ISSUER`, `heimdex`
    pub issuer: String,
    /// By how much clocks may differ, for `exp` and `nbf`. `HEIMDEX_JWT_LEEWAY`, 30 s
    pub leeway: Duration,
    /// Longest token looked at, in bytes. `HEIMDEX_JWT_MAX_BYTES`, 8,192
    pub max_token_bytes: usize,
    /// Largest key set read, in bytes. `HEIMDEX_JWKS_MAX_BYTES`, 65,536
    pub max_keys_bytes: usize,
    /// Keys older than this are read again, so that a withdrawn key ends. `HEIMDEX_JWKS_REFRESH`, 5 min
    pub refresh: Duration,
    /// Pause between two readings. `HEIMDEX_JWKS_COOL_DOWN`, 10 s
    pub cool_down: Duration,
    /// How long a reading by HTTP may take. `HEIMDEX_JWKS_TIMEOUT`, 5 s
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            audience: "heimdex".to_owned(),
            issuer: "heimdex".to_owned(),
            leeway: Duration::from_secs(30),
            max_token_bytes: 8 << 10,
            max_keys_bytes: 64 << 10,
            refresh: Duration::from_secs(300),
            cool_down: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Checks tokens. Shared by all requests of a process.
pub struct Verifier {
    settings: Settings,
    keys: KeyRing,
}

impl Verifier {
    /// Reads the keys of `source`.
    ///
    /// # Errors
    /// [`KeyError`] when there is no usable key.
    pub async fn open(source: Source, settings: Settings) -> Result<Self, KeyError> {
        let place = source.to_string();
        let reader = Reader::new(source, settings.max_keys_bytes, settings.timeout)?;
        let keys = KeyRing::open(reader, settings.refresh, settings.cool_down).await?;
        tracing::info!(%place, keys = keys.len(), "tokens are checked with these keys");
        Ok(Self { settings, keys })
    }

    /// Checks the value of an `Authorization` header (RFC 6750, section 2.1).
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub async fn verify_header(&self, value: Option<&str>) -> Result<Claims, AuthError> {
        let (scheme, token) = value.and_then(|value| value.trim().split_once(' ')).ok_or(AuthError::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AuthError::Missing);
        }
        self.verify(token.trim()).await
    }

    /// What `token` says, if it can be believed.
    ///
    /// # Errors
    /// The first reason why not.
    pub async fn verify(&self, token: &str) -> Result<Claims, AuthError> {
        if token.is_empty() {
            return Err(AuthError::Missing);
        }
        if token.len() > self.settings.max_token_bytes {
            return Err(AuthError::TooLong { limit: self.settings.max_token_bytes });
        }
        let header = decode_header(token).map_err(|_| AuthError::Malformed)?;
        // RFC 7515, section 4.1.11: an extension that is critical and not understood makes the token invalid.
        if header.crit.is_some() {
            return Err(AuthError::Malformed);
        }
        let id = header.kid.as_deref().ok_or(AuthError::UnknownKey)?;
        let key = self.keys.find(id).await.ok_or(AuthError::UnknownKey)?;
        if header.alg != key.algorithm {
            return Err(AuthError::Algorithm);
        }
        let data = decode::<Raw>(token, &key.decoding, &self.validation(key.algorithm));
        data.map_err(|error| refusal(error.kind()))?.claims.try_into()
    }

    fn validation(&self, algorithm: jsonwebtoken::Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        validation.validate_nbf = true;
        validation.leeway = self.settings.leeway.as_secs();
        validation
    }
}

fn refusal(kind: &ErrorKind) -> AuthError {
    match kind {
        ErrorKind::InvalidSignature => AuthError::Signature,
        ErrorKind::ExpiredSignature => AuthError::Expired,
        ErrorKind::ImmatureSignature => AuthError::NotYetValid,
        ErrorKind::InvalidAudience => AuthError::Audience,
        ErrorKind::InvalidIssuer => AuthError::Issuer,
        ErrorKind::InvalidAlgorithm => AuthError::Algorithm,
        ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => {
            AuthError::Claim { claim: claim.clone() }
        }
        _ => AuthError::Malformed,
    }
}
