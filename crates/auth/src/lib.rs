//! Bearer tokens: who calls, for which org, and what they may do.
//!
//! A [`Verifier`] turns the text of a JWT (RFC 7519) into [`Claims`] or an [`AuthError`] that says why not. Keys come as a
//! JWK set (RFC 7517) from a file or a URL ([`Source`]) and are read again while the process runs, so that keys can be
//! rotated without a restart. The key decides the algorithm, the token's header only has to agree (RFC 8725, section 3.1).
//! The org is the token's `org_id`, and nothing else in a request can name another one.
//!
//! [`DevelopmentKeys`] makes tokens for a machine of one's own.

mod claims;
mod error;
mod keys;
mod mint;
mod ring;
mod source;
mod verifier;

pub use claims::{Claims, Scope, Scopes};
pub use error::{AuthError, KeyError};
pub use mint::{DevelopmentKeys, Grant};
pub use source::Source;
pub use verifier::{Settings, Verifier};
