//! An issuer with keys of every kind, made for the test.
#![allow(dead_code, clippy::unwrap_used, reason = "a failed test panics; each test file uses its part")]

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use serde_json::{Value, json};

/// What stands before the seed in a private key (RFC 8410, section 7).
const ED25519_DER: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A key that signs, and its public half.
pub struct Signer {
    pub id: String,
    pub algorithm: Algorithm,
    pub key: EncodingKey,
}

impl Signer {
    pub fn rsa(id: &str) -> Self {
        static DER: OnceLock<Vec<u8>> = OnceLock::new();
        let der = DER.get_or_init(|| rsa_der(2048));
        Self { id: id.to_owned(), algorithm: Algorithm::RS256, key: EncodingKey::from_rsa_der(der) }
    }

    pub fn ed25519(id: &str) -> Self {
        let seed: [u8; 32] = rand::random();
        let key = EncodingKey::from_ed_der(&[ED25519_DER.as_slice(), &seed].concat());
        Self { id: id.to_owned(), algorithm: Algorithm::EdDSA, key }
    }

    pub fn secret(id: &str) -> Self {
        let key = EncodingKey::from_secret(&[7; 32]);
        Self { id: id.to_owned(), algorithm: Algorithm::HS256, key }
    }

    /// As it stands in a key set.
    pub fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).unwrap()
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(self.header(), claims)
    }

    pub fn header(&self) -> Header {
        Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) }
    }

    pub fn sign_as(&self, header: Header, claims: &Value) -> String {
        encode(&header, claims, &self.key).unwrap()
    }
}

pub fn rsa_der(bits: usize) -> Vec<u8> {
    let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).unwrap();
    key.to_pkcs1_der().unwrap().as_bytes().to_vec()
}

pub fn set(signers: &[&Signer]) -> Vec<u8> {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.public()).collect();
    serde_json::to_vec(&json!({ "keys": keys })).unwrap()
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims that a verifier with the default settings accepts.
pub fn good() -> Value {
    json!({
        "iss": "heimdex", "aud": ["other", "heimdex"], "sub": "somebody", "org_id": "acme",
        "scope": "search ingest profile", "exp": now() + 600, "nbf": now() - 600,
    })
}

/// [`good`] with one claim changed, or taken out for `null`.
pub fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    let map = claims.as_object_mut().unwrap();
    if value.is_null() {
        map.remove(name);
    } else {
        map.insert(name.to_owned(), value);
    }
    claims
}
