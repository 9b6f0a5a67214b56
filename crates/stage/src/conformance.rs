//! What every `Ledger` must do. Implementations run `ledger` in their tests; a failed rule panics with its name.

use bytes::Bytes;

use crate::{Ledger, LedgerError, Revision};

/// Checks one fresh ledger against every rule of the trait. `scope` keeps runs on a shared ledger apart.
pub async fn ledger(ledger: &dyn Ledger, scope: &str) -> Result<(), String> {
    create_is_if_absent(ledger, scope).await.map_err(|e| format!("create: {e}"))?;
    compare_and_set_needs_the_revision(ledger, scope).await.map_err(|e| format!("compare_and_set: {e}"))?;
    deletes_need_the_revision(ledger, scope).await.map_err(|e| format!("delete: {e}"))?;
    count_is_by_whole_tokens(ledger, scope).await.map_err(|e| format!("count: {e}"))?;
    bad_keys_are_refused(ledger).await.map_err(|e| format!("keys: {e}"))?;
    one_of_many_creates_wins(ledger, scope).await.map_err(|e| format!("concurrent create: {e}"))
}

fn rule(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("broken rule: {rule}")) }
}

fn text(error: LedgerError) -> String {
    error.to_string()
}

async fn create_is_if_absent(ledger: &dyn Ledger, scope: &str) -> Result<(), String> {
    let key = format!("{scope}.create");
    rule(ledger.get(&key).await.map_err(text)?.is_none(), "a fresh key is absent")?;
    let first = ledger.create(&key, Bytes::from_static(b"one")).await.map_err(text)?;
    rule(first.is_some(), "the first create succeeds")?;
    let second = ledger.create(&key, Bytes::from_static(b"two")).await.map_err(text)?;
    rule(second.is_none(), "the second create says so and is no error")?;
    let found = ledger.get(&key).await.map_err(text)?;
    rule(found == first.map(|r| (r, Bytes::from_static(b"one"))), "get returns the first value and its revision")
}

async fn compare_and_set_needs_the_revision(ledger: &dyn Ledger, scope: &str) -> Result<(), String> {
    let key = format!("{scope}.cas");
    let absent = ledger.compare_and_set(&key, Revision(999_999), Bytes::from_static(b"x")).await.map_err(text)?;
    rule(absent.is_none(), "an absent key cannot be set by revision")?;
    let Some(first) = ledger.create(&key, Bytes::from_static(b"1")).await.map_err(text)? else {
        return Err("broken rule: the first create succeeds".to_owned());
    };
    let second = ledger.compare_and_set(&key, first, Bytes::from_static(b"2")).await.map_err(text)?;
    rule(second.is_some_and(|revision| revision > first), "revisions grow")?;
    let stale = ledger.compare_and_set(&key, first, Bytes::from_static(b"3")).await.map_err(text)?;
    rule(stale.is_none(), "a stale revision loses")?;
    let found = ledger.get(&key).await.map_err(text)?.map(|(_, value)| value);
    rule(found == Some(Bytes::from_static(b"2")), "the loser changed nothing")
}

async fn deletes_need_the_revision(ledger: &dyn Ledger, scope: &str) -> Result<(), String> {
    let key = format!("{scope}.gone.key");
    let absent = ledger.delete(&key, Revision(1)).await.map_err(text)?;
    rule(!absent, "an absent key cannot be deleted")?;
    let Some(first) = ledger.create(&key, Bytes::from_static(b"1")).await.map_err(text)? else {
        return Err("broken rule: the first create succeeds".to_owned());
    };
    let Some(second) = ledger.compare_and_set(&key, first, Bytes::from_static(b"2")).await.map_err(text)? else {
        return Err("broken rule: compare and set by the revision succeeds".to_owned());
    };
    rule(!ledger.delete(&key, first).await.map_err(text)?, "a stale revision deletes nothing")?;
    rule(ledger.get(&key).await.map_err(text)?.is_some(), "the loser changed nothing")?;
    rule(ledger.delete(&key, second).await.map_err(text)?, "the current revision deletes")?;
    rule(ledger.get(&key).await.map_err(text)?.is_none(), "a deleted key is absent")?;
    let scope = format!("{scope}.gone");
    rule(ledger.count(&scope).await.map_err(text)? == 0, "a deleted key is not counted")?;
    rule(ledger.list(&scope).await.map_err(text)?.is_empty(), "a deleted key is not listed")?;
    let stale = ledger.compare_and_set(&key, second, Bytes::from_static(b"3")).await.map_err(text)?;
    rule(stale.is_none(), "a deleted key cannot be set by its old revision")?;
    let again = ledger.create(&key, Bytes::from_static(b"4")).await.map_err(text)?;
    rule(again.is_some_and(|revision| revision > second), "a deleted key can be created, with a later revision")
}

async fn count_is_by_whole_tokens(ledger: &dyn Ledger, scope: &str) -> Result<(), String> {
    for key in ["part.7.a", "part.7.b", "part.7.c.d", "part.77.a"] {
        ledger.create(&format!("{scope}.{key}"), Bytes::from_static(b"v")).await.map_err(text)?;
    }
    let prefix = format!("{scope}.part.7");
    rule(ledger.count(&prefix).await.map_err(text)? == 3, "count sees every key below the prefix and no neighbour")?;
    let listed = ledger.list(&prefix).await.map_err(text)?;
    let keys: Vec<&str> = listed.iter().filter_map(|(key, _)| key.strip_prefix(prefix.as_str())).collect();
    rule(keys == [".a", ".b", ".c.d"], "list is in key order")
}

async fn bad_keys_are_refused(ledger: &dyn Ledger) -> Result<(), String> {
    for key in ["", "a..b", "a b", "a.*", "a.>", ".a", "ä"] {
        let refused = ledger.create(key, Bytes::new()).await;
        rule(matches!(refused, Err(LedgerError::Key(_))), "a bad key is a typed error")?;
    }
    Ok(())
}

async fn one_of_many_creates_wins(ledger: &dyn Ledger, scope: &str) -> Result<(), String> {
    let key = format!("{scope}.race");
    let creates = (0..16).map(|n| ledger.create(&key, Bytes::from(format!("{n}"))));
    let results = futures::future::join_all(creates).await;
    let won = results.into_iter().filter(|r| matches!(r, Ok(Some(_)))).count();
    rule(won == 1, "exactly one of concurrent creates wins")
}
