//! Planned crashes at named points, for tests of what survives them.
//!
//! `HEIMDEX_FAILPOINTS=writer.after_upsert` aborts the process the first time the writer has passed that point;
//! `name:3` the third time; several are separated by commas. A name is `<stage>.<before|after>_<action>`, and
//! [`points`] lists all there are. Without the variable a point costs one atomic load.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use heimdex_schemas::StageName;

/// The variable that arms points.
pub const VARIABLE: &str = "HEIMDEX_FAILPOINTS";

/// Actions of the consume loop: every stage has them.
const OF_THE_LOOP: [&str; 6] = ["publish", "ack", "ledger_attempt", "dead_letter", "consequence", "term"];

/// What each stage does besides. `ledger_<kind>` is the write of a key `<kind>.…`; `blob` the write of a blob.
const fn own(stage: StageName) -> &'static [&'static str] {
    match stage {
        StageName::Extractor => &["ledger_accepted", "ledger_origin", "blob"],
        StageName::Chunker | StageName::Embedder => &["blob"],
        StageName::Writer => &["ledger_part", "ledger_head", "ledger_done", "upsert", "flip", "retire"],
        StageName::Eraser | StageName::Purger => {
            &["ledger_accepted", "ledger_tombstone", "ledger_done", "delete", "blob_delete"]
        }
    }
}

/// Rules that can be broken on purpose, to see whether a drill notices; named in [`VARIABLE`] like points.
pub const SABOTAGE: [&str; 4] =
    ["sabotage.ack_before_publish", "sabotage.trust_double_ack", "sabotage.no_fence", "sabotage.ack_before_redo"];

static ARMED: OnceLock<HashMap<String, AtomicU64>> = OnceLock::new();

tokio::task_local! {
    static STAGE: StageName;
}

/// A name in [`VARIABLE`] that no point has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE} names {name:?}, and there is no such point; there are {known}")]
pub struct UnknownPoint {
    pub name: String,
    pub known: String,
}

/// Every point, in name order.
#[must_use]
pub fn points() -> BTreeSet<String> {
    let actions = |stage: &StageName| {
        let stage = *stage;
        OF_THE_LOOP.iter().chain(own(stage)).map(move |action| (stage, *action))
    };
    let both = |(stage, action)| ["before", "after"].map(|moment| format!("{stage}.{moment}_{action}"));
    StageName::ALL.iter().flat_map(actions).flat_map(both).collect()
}

/// Whether every name in [`VARIABLE`] is a point's, or one of [`SABOTAGE`], which is said loudly.
///
/// # Errors
/// [`UnknownPoint`] for the first that is not: a planned crash that never comes proves nothing.
pub fn check() -> Result<(), UnknownPoint> {
    for rule in SABOTAGE.into_iter().filter(|rule| is_broken(rule)) {
        tracing::error!(rule, "this process breaks a rule on purpose: it will lose or double work");
    }
    let known: BTreeSet<String> = points().into_iter().chain(SABOTAGE.map(str::to_owned)).collect();
    // The store is a program of its own, with points of its own.
    let is_of_the_store = |name: &str| name.starts_with("store_");
    match armed().keys().find(|name| !known.contains(*name) && !is_of_the_store(name)) {
        None => Ok(()),
        Some(name) => {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            Err(UnknownPoint { name: name.clone(), known })
        }
    }
}

/// Whether `rule`, one of [`SABOTAGE`], is broken in this process.
#[must_use]
pub fn is_broken(rule: &str) -> bool {
    armed().contains_key(rule)
}

/// Runs `work` as work of `stage`: the points it passes are that stage's.
pub async fn scope<F: Future>(stage: StageName, work: F) -> F::Output {
    STAGE.scope(stage, work).await
}

/// Passes the point before `action`; aborts the process if it is armed and its count has come.
pub fn before(action: &str) {
    pass("before", action, "");
}

/// Passes the point after `action`.
pub fn after(action: &str) {
    pass("after", action, "");
}

/// Passes the point before the write of a ledger key, which is named after the key's first token.
pub fn before_key(key: &str) {
    pass("before", "ledger_", kind(key));
}

/// Passes the point after the write of a ledger key.
pub fn after_key(key: &str) {
    pass("after", "ledger_", kind(key));
}

fn kind(key: &str) -> &str {
    key.split('.').next().unwrap_or_default()
}

fn pass(moment: &str, action: &str, more: &str) {
    let armed = armed();
    if armed.is_empty() {
        return;
    }
    // Work of no stage (an uploader, an operator's command) has no points.
    let Ok(stage) = STAGE.try_with(|stage| *stage) else { return };
    let name = format!("{stage}.{moment}_{action}{more}");
    if armed.get(&name).is_some_and(|left| left.fetch_sub(1, Ordering::SeqCst) == 1) {
        tracing::error!(failpoint = name, "planned crash");
        std::process::abort();
    }
}

fn armed() -> &'static HashMap<String, AtomicU64> {
    ARMED.get_or_init(|| parse(&std::env::var(VARIABLE).unwrap_or_default()))
}

fn parse(text: &str) -> HashMap<String, AtomicU64> {
    let point = |item: &str| {
        let (name, count) = item.split_once(':').unwrap_or((item, "1"));
        (name.trim().to_owned(), AtomicU64::new(count.trim().parse().unwrap_or(1)))
    };
    text.split(',').filter(|item| !item.trim().is_empty()).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_have_a_name_and_a_count() {
        let armed = parse("a, b:3");
        let left = |name: &str| armed.get(name).map(|left| left.load(Ordering::SeqCst));
        assert_eq!((left("a"), left("b"), left("c")), (Some(1), Some(3), None));
        assert!(parse("").is_empty());
    }

    #[test]
    fn every_stage_has_points_before_and_after_each_action() {
        let points = points();
        for name in ["extractor.before_blob", "writer.after_upsert", "purger.before_delete", "eraser.after_term"] {
            assert!(points.contains(name), "{name}");
        }
        assert_eq!(points.iter().filter(|name| name.contains(".before_")).count() * 2, points.len());
    }

    #[test]
    fn the_kind_of_a_key_is_its_first_token() {
        assert_eq!((kind("part.u.m.0"), kind("accepted.u"), kind("")), ("part", "accepted", ""));
    }
}
