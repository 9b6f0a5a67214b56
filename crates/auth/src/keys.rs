//! A JWK set: the keys that can be used, by id, each with the one algorithm it is for.

use std::collections::HashMap;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::error::KeyError;

/// RFC 7518, sections 3.2 and 3.3: shorter secrets and moduli are not to be used.
const SECRET_BYTES: usize = 32;
const RSA_BYTES: usize = 256;

/// A key and the algorithm that its owner pinned it to.
#[derive(Clone)]
pub(crate) struct Key {
    pub algorithm: Algorithm,
    pub decoding: DecodingKey,
}

/// The usable keys of a set.
pub(crate) struct Keys(HashMap<String, Key>);

impl Keys {
    /// Reads a JWK set. A key without an id, without `alg`, too short or for another purpose is left out with a warning.
    ///
    /// # Errors
    /// [`KeyError`] when it is none, two keys share an id, or no key is left.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let set: JwkSet = serde_json::from_slice(json).map_err(|error| KeyError::Malformed(error.to_string()))?;
        let mut keys = HashMap::new();
        let mut refused = Vec::new();
        for jwk in &set.keys {
            match key(jwk) {
                Ok((id, key)) => {
                    if keys.insert(id.clone(), key).is_some() {
                        return Err(KeyError::Twice(id));
                    }
                }
                Err(reason) => {
                    let id = jwk.common.key_id.as_deref().unwrap_or("without an id");
                    tracing::warn!(key = id, reason, "a key of the set is left out");
                    refused.push(format!("{id}: {reason}"));
                }
            }
        }
        if keys.is_empty() { Err(KeyError::None(refused.join("; "))) } else { Ok(Self(keys)) }
    }

    pub fn get(&self, id: &str) -> Option<&Key> {
        self.0.get(id)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

fn key(jwk: &Jwk) -> Result<(String, Key), &'static str> {
    let common = &jwk.common;
    let id = common.key_id.clone().filter(|id| !id.is_empty()).ok_or("it has no `kid`")?;
    if common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return Err("its `use` is not `sig`");
    }
    let algorithm = match (common.key_algorithm, &jwk.algorithm) {
        (Some(KeyAlgorithm::HS256), AlgorithmParameters::OctetKey(_)) => Algorithm::HS256,
        (Some(KeyAlgorithm::RS256), AlgorithmParameters::RSA(_)) => Algorithm::RS256,
        (Some(KeyAlgorithm::EdDSA), AlgorithmParameters::OctetKeyPair(_)) => Algorithm::EdDSA,
        (None, _) => return Err("it has no `alg`"),
        _ => return Err("its `alg` is not HS256, RS256 or EdDSA, or not one of its key type"),
    };
    if length(jwk).is_some_and(|(bytes, least)| bytes < least) {
        return Err("it is too short");
    }
    let decoding = DecodingKey::from_jwk(jwk).map_err(|_| "its numbers cannot be read")?;
    Ok((id, Key { algorithm, decoding }))
}

/// Bytes of the secret or modulus, and the fewest that are safe. Three bytes are four characters of base64url.
fn length(jwk: &Jwk) -> Option<(usize, usize)> {
    let bytes = |text: &str| text.trim_end_matches('=').len() * 3 / 4;
    match &jwk.algorithm {
        AlgorithmParameters::OctetKey(secret) => Some((bytes(&secret.value), SECRET_BYTES)),
        AlgorithmParameters::RSA(rsa) => Some((bytes(&rsa.n), RSA_BYTES)),
        _ => None,
    }
}
