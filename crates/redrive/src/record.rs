//! JSON values in the ledger.

use bytes::Bytes;
use heimdex_stage::{Ledger, LedgerError, Revision};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::RedriveError;

/// How often a key may change between our read and our write.
const ATTEMPTS: u32 = 16;

pub(crate) async fn read<T: DeserializeOwned>(
    ledger: &dyn Ledger,
    key: &str,
) -> Result<Option<(Revision, T)>, RedriveError> {
    let Some((revision, value)) = ledger.get(key).await? else { return Ok(None) };
    let value = serde_json::from_slice(&value).map_err(|error| unreadable(key, &error))?;
    Ok(Some((revision, value)))
}

/// `None` when the key is there already.
pub(crate) async fn create(
    ledger: &dyn Ledger,
    key: &str,
    value: &(impl Serialize + Sync),
) -> Result<Option<Revision>, RedriveError> {
    Ok(ledger.create(key, json(key, value)?).await?)
}

/// `None` when somebody was faster.
pub(crate) async fn replace(
    ledger: &dyn Ledger,
    key: &str,
    revision: Revision,
    value: &(impl Serialize + Sync),
) -> Result<Option<Revision>, RedriveError> {
    Ok(ledger.compare_and_set(key, revision, json(key, value)?).await?)
}

/// Writes the value, whatever was there.
pub(crate) async fn put(ledger: &dyn Ledger, key: &str, value: &(impl Serialize + Sync)) -> Result<(), RedriveError> {
    for _ in 0..ATTEMPTS {
        if create(ledger, key, value).await?.is_some() {
            return Ok(());
        }
        let Some((revision, _)) = ledger.get(key).await? else { continue };
        if replace(ledger, key, revision, value).await?.is_some() {
            return Ok(());
        }
    }
    Err(LedgerError::Unavailable(format!("{key} changed under each of {ATTEMPTS} attempts")).into())
}

fn json(key: &str, value: &impl Serialize) -> Result<Bytes, RedriveError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| unreadable(key, &error))
}

fn unreadable(key: &str, error: &serde_json::Error) -> RedriveError {
    RedriveError::Record { key: key.to_owned(), reason: error.to_string() }
}
