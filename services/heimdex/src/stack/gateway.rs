//! The gateway in this process: its keys and its settings.

use std::path::Path;

use heimdex_auth::{DevelopmentKeys, Settings as TokenSettings, Source, Verifier};
use heimdex_gateway::{Gateway, Settings};
use heimdex_runtime::{ConfigError, Process, Variables};

use super::StackConfig;
use crate::exit::Failure;

/// The secret that signs tokens on a machine of one's own, in the data folder.
const DEVELOPMENT_KEYS: &str = "development-keys.json";

/// A gateway with the keys of `HEIMDEX_JWKS`; with development keys in the data folder when that is not set.
pub async fn gateway(process: &Process, stack: &StackConfig) -> Result<Gateway, Failure> {
    let variables = Variables::of_process();
    let settings = Settings::read(&variables).map_err(Failure::input)?;
    let tokens = token_settings(&variables)?;
    let source = match variables.text("HEIMDEX_JWKS") {
        Some(source) => source.parse::<Source>().map_err(Failure::input)?,
        None => {
            let keys = development_keys(&stack.data_dir)?;
            if stack.http.ip().is_loopback() {
                tracing::info!(keys = %keys.source(), "tokens are checked with development keys");
            } else {
                tracing::warn!(keys = %keys.source(), "others can reach this address, and tokens are checked with development keys; HEIMDEX_JWKS names an issuer's");
            }
            keys.source()
        }
    };
    let verifier = Verifier::open(source, tokens).await.map_err(Failure::input)?;
    Ok(Gateway::new(process.bus.clone(), verifier, settings, &process.metrics))
}

/// The development keys of a data folder, made when there are none.
pub fn development_keys(data_dir: &Path) -> Result<DevelopmentKeys, Failure> {
    std::fs::create_dir_all(data_dir)?;
    DevelopmentKeys::at(&data_dir.join(DEVELOPMENT_KEYS)).map_err(Failure::input)
}

/// What tokens must say, from `HEIMDEX_JWT_*` and `HEIMDEX_JWKS_*`.
pub fn token_settings(variables: &Variables) -> Result<TokenSettings, Failure> {
    read(variables).map_err(Failure::input)
}

fn read(variables: &Variables) -> Result<TokenSettings, ConfigError> {
    let default = TokenSettings::default();
    Ok(TokenSettings {
        audience: variables.parse("HEIMDEX_JWT_AUDIENCE", default.audience)?,
        issuer: variables.parse("HEIMDEX_JWT_ISSUER", default.issuer)?,
        leeway: variables.duration("HEIMDEX_JWT_LEEWAY", default.leeway)?,
        max_token_bytes: variables.parse("HEIMDEX_JWT_MAX_BYTES", default.max_token_bytes)?,
        max_keys_bytes: variables.parse("HEIMDEX_JWKS_MAX_BYTES", default.max_keys_bytes)?,
        refresh: variables.duration("HEIMDEX_JWKS_REFRESH", default.refresh)?,
        cool_down: variables.duration("HEIMDEX_JWKS_COOL_DOWN", default.cool_down)?,
        timeout: variables.duration("HEIMDEX_JWKS_TIMEOUT", default.timeout)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;

    #[test]
    fn every_setting_of_tokens_has_its_variable() {
        assert_eq!(read(&Variables::default()).unwrap(), TokenSettings::default());
        for key in ["LEEWAY", "MAX_BYTES"]
            .map(|name| format!("HEIMDEX_JWT_{name}"))
            .into_iter()
            .chain(["MAX_BYTES", "REFRESH", "COOL_DOWN", "TIMEOUT"].map(|name| format!("HEIMDEX_JWKS_{name}")))
        {
            assert_eq!(read(&[(key.as_str(), "much")].into_iter().collect()).unwrap_err().key, key);
        }
        let own = [("HEIMDEX_JWT_AUDIENCE", "search"), ("HEIMDEX_JWT_ISSUER", "https://id.example")];
        let settings = read(&own.into_iter().collect()).unwrap();
        assert_eq!((settings.audience.as_str(), settings.issuer.as_str()), ("search", "https://id.example"));
    }
}
