//! What a token says.

use std::fmt;
use std::str::FromStr;

use heimdex_schemas::Org;
use serde::{Deserialize, Serialize};

use crate::error::AuthError;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Search, and look at hits, points without vectors, models.
    Search,
    /// Upload and delete assets, look at jobs.
    Ingest,
    /// Read the vectors themselves, which tell much about the text they were made of.
    Vectors,
    /// Dead letters and re-indexing.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Search, Self::Ingest, Self::Vectors, Self::Admin];

    /// As in the `scope` claim.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Ingest => "ingest",
            Self::Vectors => "vectors",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No scope of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope {0:?}; there are search, ingest, vectors and admin")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// The scopes of a token. Names that mean nothing here are left out: an issuer may have other audiences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Whether `scope` was granted.
    #[must_use]
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// The granted scopes in their order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" "))
    }
}

/// What a valid token says of its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub org: Org,
    pub scopes: Scopes,
    /// `sub`; for logs.
    pub subject: Option<String>,
    /// `exp`, in Unix seconds.
    pub expires_at: u64,
}

impl Claims {
    /// # Errors
    /// [`AuthError::Scope`] when `scope` was not granted.
    pub fn require(&self, scope: Scope) -> Result<(), AuthError> {
        if self.scopes.allow(scope) { Ok(()) } else { Err(AuthError::Scope { needed: scope }) }
    }
}

/// The claims as they stand in the token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Raw {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    #[serde(default)]
    pub scope: RawScope,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(default)]
    pub aud: serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
}

/// A string of names between spaces (RFC 8693, section 4.2), or a list of names as some issuers write it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum RawScope {
    Names(String),
    List(Vec<String>),
}

impl Default for RawScope {
    fn default() -> Self {
        Self::Names(String::new())
    }
}

impl RawScope {
    fn scopes(&self) -> Scopes {
        match self {
            Self::Names(names) => names.split_ascii_whitespace().filter_map(|name| name.parse().ok()).collect(),
            Self::List(names) => names.iter().filter_map(|name| name.parse().ok()).collect(),
        }
    }
}

impl TryFrom<Raw> for Claims {
    type Error = AuthError;
    fn try_from(raw: Raw) -> Result<Self, AuthError> {
        let org = raw.org_id.ok_or(AuthError::NoOrg)?;
        let org = org.parse().map_err(|error| AuthError::BadOrg { reason: format!("{error}") })?;
        let expires_at = raw.exp.ok_or_else(|| AuthError::Claim { claim: "exp".to_owned() })?;
        Ok(Self { org, scopes: raw.scope.scopes(), subject: raw.sub, expires_at })
    }
}
