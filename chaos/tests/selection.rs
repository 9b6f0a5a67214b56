//! A short, seeded selection of the scenarios: one run of each, fewer uploads.

#![allow(clippy::unwrap_used, reason = "a drill fails by panicking")]

use heimdex_chaos::{Report, Scenario, Suite};

/// Changing it changes what is tested; a failure names it.
const SEED: u64 = 20;

fn short(name: &str) -> Scenario {
    let mut scenario = Scenario::named(name).unwrap();
    scenario.rounds = 1;
    scenario.workload.assets = 12;
    scenario.workload.uploads = scenario.workload.uploads.min(40);
    scenario.workload.large = 0;
    scenario.workload.seconds = 6.0;
    scenario
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_doubled_resurrected_or_innocently_dead() {
    let scenarios = ["kill-nine", "deletes-under-fire", "reset"].map(short).to_vec();
    let suite = Suite {
        scenarios,
        first_seed: SEED,
        seeds: 1,
        time: None,
        patience: 2,
        variables: Vec::new(),
        documents: None,
        logs: Some(std::env::temp_dir().join("heimdex-chaos")),
    };
    let (reports, summary) = suite.run(|report| eprintln!("{}", report.text())).await.unwrap();
    assert!(reports.iter().all(Report::is_good), "{}", summary.text());
}
