//! JSON values in the ledger, written so that the better of two wins whoever comes first.

use bytes::Bytes;
use heimdex_stage::{Ledger, Revision};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::WriterError;

/// How often a key may change between our read and our write before we give the message back.
pub(crate) const ATTEMPTS: u32 = 16;

pub(crate) async fn read<T: DeserializeOwned>(
    ledger: &dyn Ledger,
    key: &str,
) -> Result<Option<(Revision, T)>, WriterError> {
    let Some((revision, value)) = ledger.get(key).await? else { return Ok(None) };
    Ok(Some((revision, parse(key, &value)?)))
}

pub(crate) fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, WriterError> {
    serde_json::from_slice(value).map_err(|error| unreadable(key, &error))
}

fn unreadable(key: &str, error: &serde_json::Error) -> WriterError {
    WriterError::Record { key: key.to_owned(), reason: error.to_string() }
}

/// Writes what `better` makes of the value found, until nobody interferes; returns what stands under the key at the end.
/// `better` is given the value found (`None` when absent) and returns `None` to leave it; an absent key is always written.
pub(crate) async fn settle<T>(
    ledger: &dyn Ledger,
    key: &str,
    ours: T,
    better: impl Fn(&T, &T) -> Option<T>,
) -> Result<T, WriterError>
where
    T: Serialize + DeserializeOwned,
{
    for _ in 0..ATTEMPTS {
        // Most keys are new: this is one round trip for them.
        if ledger.create(key, json(key, &ours)?).await?.is_some() {
            return Ok(ours);
        }
        let Some((revision, found)) = read::<T>(ledger, key).await? else { continue };
        let Some(next) = better(&found, &ours) else { return Ok(found) };
        if ledger.compare_and_set(key, revision, json(key, &next)?).await?.is_some() {
            return Ok(next);
        }
    }
    Err(WriterError::Contended { key: key.to_owned(), attempts: ATTEMPTS })
}

/// Changes the value under a key that exists, until nobody interferes; returns what stands at the end. `next` returns
/// `None` to leave it.
pub(crate) async fn revise<T>(
    ledger: &dyn Ledger,
    key: &str,
    next: impl Fn(&T) -> Option<T>,
) -> Result<Option<T>, WriterError>
where
    T: Serialize + DeserializeOwned,
{
    for _ in 0..ATTEMPTS {
        let Some((revision, found)) = read::<T>(ledger, key).await? else { return Ok(None) };
        let Some(next) = next(&found) else { return Ok(Some(found)) };
        if replace(ledger, key, Some(revision), &next).await? {
            return Ok(Some(next));
        }
    }
    Err(WriterError::Contended { key: key.to_owned(), attempts: ATTEMPTS })
}

/// Writes a value where `seen` stood (`None`: nothing); `false` when somebody was faster.
pub(crate) async fn replace<T: Serialize>(
    ledger: &dyn Ledger,
    key: &str,
    seen: Option<Revision>,
    value: &T,
) -> Result<bool, WriterError> {
    let value = json(key, value)?;
    let written = match seen {
        None => ledger.create(key, value).await?,
        Some(revision) => ledger.compare_and_set(key, revision, value).await?,
    };
    Ok(written.is_some())
}

/// Removes a key for as long as its value is one of `unwanted`.
pub(crate) async fn remove<T: DeserializeOwned>(
    ledger: &dyn Ledger,
    key: &str,
    unwanted: impl Fn(&T) -> bool,
) -> Result<(), WriterError> {
    for _ in 0..ATTEMPTS {
        let Some((revision, found)) = read::<T>(ledger, key).await? else { return Ok(()) };
        if !unwanted(&found) || ledger.delete(key, revision).await? {
            return Ok(());
        }
    }
    Err(WriterError::Contended { key: key.to_owned(), attempts: ATTEMPTS })
}

fn json<T: Serialize>(key: &str, value: &T) -> Result<Bytes, WriterError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| unreadable(key, &error))
}
