//! Planned crashes: every named point of every stage, under everything that passes it. The real program dies there, is
//! started again, and leaves the same behind as one that never died.
//!
//! Each test thread keeps a broker, a store and a process for each stage; each case has an organization of its own and
//! restarts the one process that it kills. `matrix writer.` runs the points of one stage.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a case fails by panicking")]

mod observe;
mod points;
mod rig;
mod triggers;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::ExitCode;

use heimdex_stage::failpoint;
use libtest_mimic::{Arguments, Failed, Trial};
use points::Case;
use rig::Rig;

/// The embedder takes most of a core while it starts: more rigs than cores would only wait for each other.
const THREADS: usize = 2;

thread_local! {
    static RIG: RefCell<Option<Rig>> = const { RefCell::new(None) };
}

fn main() -> ExitCode {
    let cases = points::cases();
    let struck: BTreeSet<&str> = cases.iter().map(|case| case.point.as_str()).collect();
    println!("{} points under what passes them: {} cases", struck.len(), cases.len());
    let mut trials: Vec<Trial> = cases.into_iter().map(trial).collect();
    trials.push(Trial::test("every_point_is_struck", || {
        every_point_is_struck();
        Ok(())
    }));
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(case: Case) -> Trial {
    Trial::test(case.to_string(), move || {
        RIG.with_borrow_mut(|rig| rig.get_or_insert_with(Rig::start).strike(&case));
        Ok::<(), Failed>(())
    })
}

/// A point that no case strikes must be struck elsewhere, and said so here.
fn every_point_is_struck() {
    let struck: BTreeSet<String> = points::cases().into_iter().map(|case| case.point).collect();
    let left: Vec<String> = failpoint::points().into_iter().filter(|point| !struck.contains(point)).collect();
    let elsewhere = |point: &&String| !points::STRUCK_ELSEWHERE.iter().any(|action| point.ends_with(action));
    let forgotten: Vec<&String> = left.iter().filter(elsewhere).collect();
    assert!(forgotten.is_empty(), "no case strikes {forgotten:?}");
    let unknown: Vec<&String> = struck.iter().filter(|point| !failpoint::points().contains(*point)).collect();
    assert!(unknown.is_empty(), "there are no such points: {unknown:?}");
}
