//! Which tokens are believed, and what is said of the others.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod issuer;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heimdex_auth::{AuthError, DevelopmentKeys, Grant, KeyError, Scope, Settings, Verifier};
use issuer::{Signer, good, now, set, with};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn of(set: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("keys.json"), set).unwrap();
        Self { folder }
    }

    async fn open(&self) -> Result<Verifier, KeyError> {
        let path = self.folder.path().join("keys.json");
        Verifier::open(path.to_str().unwrap().parse().unwrap(), Settings::default()).await
    }
}

async fn verifier(signers: &[&Signer]) -> Verifier {
    Keys::of(&set(signers)).open().await.unwrap()
}

#[tokio::test]
async fn each_algorithm_is_believed_by_its_own_key() {
    let signers = [Signer::rsa("r"), Signer::ed25519("e"), Signer::secret("s")];
    let verifier = verifier(&signers.iter().collect::<Vec<_>>()).await;
    for signer in &signers {
        let claims = verifier.verify(&signer.sign(&good())).await.unwrap();
        assert_eq!((claims.org.as_str(), claims.subject.as_deref()), ("acme", Some("somebody")));
        assert_eq!(claims.scopes.to_string(), "search ingest", "what means nothing here is left out");
        assert!(claims.require(Scope::Search).is_ok());
        assert_eq!(claims.require(Scope::Admin).unwrap_err().status(), 403);
    }
}

#[tokio::test]
async fn every_wrong_claim_is_named() {
    let signer = Signer::ed25519("e");
    let verifier = verifier(&[&signer]).await;
    for (claims, code, status) in [
        (with("exp", json!(now() - 31)), "token_expired", 401),
        (with("exp", Value::Null), "token_claim", 401),
        (with("exp", json!("soon")), "token_malformed", 401),
        (with("nbf", json!(now() + 40)), "token_not_yet_valid", 401),
        (with("aud", json!("another")), "token_audience", 401),
        (with("aud", Value::Null), "token_claim", 401),
        (with("iss", json!("https://elsewhere")), "token_issuer", 401),
        (with("iss", Value::Null), "token_claim", 401),
        (with("org_id", Value::Null), "token_org_missing", 403),
        (with("org_id", json!("a.b")), "token_org_invalid", 403),
        (with("org_id", json!("")), "token_org_invalid", 403),
        (with("org_id", json!("*")), "token_org_invalid", 403),
    ] {
        let error = verifier.verify(&signer.sign(&claims)).await.unwrap_err();
        assert_eq!((error.code(), error.status()), (code, status), "{claims}");
    }
    for fine in [with("exp", json!(now() - 5)), with("nbf", json!(now() + 5)), with("scope", json!(["search"]))] {
        assert!(verifier.verify(&signer.sign(&fine)).await.is_ok(), "clocks may differ a little: {fine}");
    }
}

#[tokio::test]
async fn a_header_decides_nothing() {
    let (rsa, other) = (Signer::rsa("r"), Signer::ed25519("r"));
    let verifier = verifier(&[&rsa]).await;
    // The oldest trick: the public key as the secret of an HMAC.
    let public = URL_SAFE_NO_PAD.decode(rsa.public()["n"].as_str().unwrap()).unwrap();
    let forged = Header { kid: Some("r".to_owned()), ..Header::new(Algorithm::HS256) };
    let hs = jsonwebtoken::encode(&forged, &good(), &EncodingKey::from_secret(&public)).unwrap();
    let unsigned =
        [r#"{"alg":"none","kid":"r"}"#, &good().to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let header = |change: fn(&mut Header)| {
        let mut header = rsa.header();
        change(&mut header);
        rsa.sign_as(header, &good())
    };
    let good = rsa.sign(&good());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let other_signature = format!("{first}{}", &signature[1..]);
    for (token, code) in [
        (hs, "token_algorithm"),
        (other.sign(&issuer::good()), "token_algorithm"),
        (format!("{unsigned}."), "token_malformed"),
        (header(|header| header.kid = None), "token_key_unknown"),
        (header(|header| header.kid = Some("../r".to_owned())), "token_key_unknown"),
        (header(|header| header.kid = Some("r\0' OR 1=1".to_owned())), "token_key_unknown"),
        (header(|header| header.crit = Some(vec!["exp".to_owned()])), "token_malformed"),
        (format!("{signed}.{other_signature}"), "token_signature"),
        (format!("{signed}."), "token_signature"),
        (good.replacen('.', "..", 1), "token_malformed"),
        ("x".repeat(8 * 1024 + 1), "token_too_long"),
        (String::new(), "token_missing"),
    ] {
        assert_eq!(verifier.verify(&token).await.unwrap_err().code(), code, "{token}");
    }
    // A key that the token itself brings along is not looked at.
    let bearing = Header { jwk: serde_json::from_value(other.public()).unwrap(), ..other.header() };
    assert_eq!(verifier.verify(&other.sign_as(bearing, &issuer::good())).await.unwrap_err(), AuthError::Algorithm);
}

#[tokio::test]
async fn the_header_of_a_request() {
    let signer = Signer::secret("s");
    let verifier = verifier(&[&signer]).await;
    let token = signer.sign(&good());
    assert!(verifier.verify_header(Some(&format!("bearer  {token}"))).await.is_ok());
    for value in [None, Some(""), Some("Bearer"), Some("Basic dXNlcjpwYXNz"), Some(token.as_str())] {
        assert_eq!(verifier.verify_header(value).await.unwrap_err(), AuthError::Missing, "{value:?}");
    }
}

#[tokio::test]
async fn keys_that_are_not_safe_are_left_out() {
    let weak = Signer { key: EncodingKey::from_secret(&[7; 16]), ..Signer::secret("weak") };
    let short = Signer { key: EncodingKey::from_rsa_der(&issuer::rsa_der(1024)), ..Signer::rsa("short") };
    let mut open = Signer::secret("open").public();
    open.as_object_mut().unwrap().remove("alg");
    let mut wrong = Signer::secret("wrong").public();
    wrong["alg"] = json!("RS256");
    let mut sealing = Signer::secret("sealing").public();
    sealing["use"] = json!("enc");
    let keys = json!({ "keys": [weak.public(), short.public(), open, wrong, sealing, {"kty": "oct", "k": "AA"}] });
    let error = Keys::of(keys.to_string().as_bytes()).open().await.map(|_| ()).unwrap_err().to_string();
    for name in ["weak", "short", "open", "wrong", "sealing", "without an id"] {
        assert!(error.contains(name), "{name}: {error}");
    }
    let twice = [&Signer::secret("a"), &Signer::ed25519("a")];
    assert!(matches!(Keys::of(&set(&twice)).open().await, Err(KeyError::Twice(_))));
    assert!(matches!(Keys::of(b"{").open().await, Err(KeyError::Malformed(_))));
    assert!(matches!(Keys::of(&vec![b' '; 70_000]).open().await, Err(KeyError::TooLarge { .. })));
}

#[tokio::test]
async fn a_development_token_is_believed_and_its_secret_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let (keys, settings) = (DevelopmentKeys::at(&path).unwrap(), Settings::default());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let grant = Grant {
        org: "acme".parse().unwrap(),
        scopes: [Scope::Admin, Scope::Search].into_iter().collect(),
        subject: None,
        lifetime: std::time::Duration::from_secs(60),
    };
    let token = DevelopmentKeys::at(&path).unwrap().mint(&grant, &settings).unwrap();
    let claims = Verifier::open(keys.source(), settings).await.unwrap().verify(&token).await.unwrap();
    assert_eq!((claims.org, claims.scopes), (grant.org, grant.scopes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_is_believed_and_none_panics(text in "[ -~]{0,60}|[A-Za-z0-9_-]{1,40}\\.[A-Za-z0-9_-]{1,40}\\.[A-Za-z0-9_-]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let refused = runtime.block_on(async { verifier(&[&Signer::secret("s")]).await.verify(&text).await.is_err() });
        prop_assert!(refused);
    }

    #[test]
    fn one_changed_character_breaks_a_token(at in 0usize..1000, with in "[A-Za-z0-9_-]") {
        let signer = Signer::secret("s");
        let token = signer.sign(&good());
        let at = at % token.len();
        let changed = [&token[..at], &with, &token[at + 1..]].concat();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async { verifier(&[&signer]).await.verify(&changed).await });
        // The last character of a part carries bits that mean nothing; a strict decoder refuses them.
        prop_assert!(answer.is_err() || changed == token, "{changed}");
    }
}
