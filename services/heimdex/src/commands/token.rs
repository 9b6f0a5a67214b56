//! `heimdex token mint`.

use std::path::Path;
use std::time::Duration;

use heimdex_auth::{Grant, Scope};
use heimdex_runtime::Variables;
use heimdex_schemas::Org;
use serde_json::json;

use crate::cli::{Token, TokenMint};
use crate::exit::{Failure, Outcome};
use crate::output;
use crate::stack::gateway::{development_keys, token_settings};

pub fn run(command: Token) -> Outcome {
    let Token::Mint(TokenMint { org, scope, lifetime, subject, data_dir, json }) = command;
    let scopes = scope.into_iter().collect();
    let grant = Grant { org, scopes, subject, lifetime: Duration::from_secs(lifetime) };
    let token = mint(&data_dir, &grant)?;
    if json {
        let (org, scope) = (&grant.org, grant.scopes.to_string());
        return output::json(&json!({"token": token, "org": org, "scope": scope, "expires_in": lifetime}));
    }
    output::text(token)
}

/// A token for all that the playground page does.
pub fn for_playground(data_dir: &Path, org: &Org) -> Result<String, Failure> {
    let scopes = [Scope::Search, Scope::Ingest].into_iter().collect();
    let lifetime = Duration::from_secs(12 * 60 * 60);
    mint(data_dir, &Grant { org: org.clone(), scopes, subject: None, lifetime })
}

fn mint(data_dir: &Path, grant: &Grant) -> Result<String, Failure> {
    let settings = token_settings(&Variables::of_process())?;
    development_keys(data_dir)?.mint(grant, &settings).map_err(Failure::input)
}
