//! Planned failures at named points, for tests of what survives them.
//!
//! `HEIMDEX_FAILPOINTS=store_after_append` aborts the process the first time that point is passed; `name:3` the third
//! time; several are separated by commas. Points of other programs are ignored.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that arms points.
const VARIABLE: &str = "HEIMDEX_FAILPOINTS";

static ARMED: OnceLock<HashMap<String, AtomicU64>> = OnceLock::new();

/// Passes the point `name`; aborts the process if it is armed and its count has come.
pub fn pass(name: &str) {
    if strikes(name) {
        tracing::error!(failpoint = name, "planned crash");
        std::process::abort();
    }
}

/// Passes the point `name`; panics if it is armed and its count has come.
pub fn pass_or_panic(name: &'static str) {
    if strikes(name) {
        std::panic::resume_unwind(Box::new(format!("planned panic at {name}")));
    }
}

/// Whether a rule is broken on purpose in this process, to see whether a drill notices: `sabotage.ack_before_redo`.
pub fn is_broken(rule: &str) -> bool {
    armed().contains_key(rule)
}

fn armed() -> &'static HashMap<String, AtomicU64> {
    ARMED.get_or_init(|| parse(&std::env::var(VARIABLE).unwrap_or_default()))
}

fn strikes(name: &str) -> bool {
    armed().get(name).is_some_and(|left| left.fetch_sub(1, Ordering::SeqCst) == 1)
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
}
