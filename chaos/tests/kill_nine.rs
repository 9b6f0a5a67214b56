//! One short drill: small documents, every kind of fault once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a drill fails by panicking")]

use std::time::Duration;

use heimdex_chaos::{Report, Settings, disturbed, documents, oracle, undisturbed};

const SEED: u64 = 20;
/// Each is uploaded twice.
const ASSETS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_innocently_dead() {
    let settings = Settings {
        documents: 2 * ASSETS,
        strikes: 9,
        every: Duration::from_millis(1500),
        patience: Duration::from_secs(120),
        variables: vec![("HEIMDEX_ACK_WAIT".to_owned(), "5s".to_owned())],
        logs: None,
    };
    let uploads = documents::uploads(&documents::bundled(), ASSETS, 2).unwrap();
    let before = undisturbed(&settings, &uploads).await.unwrap();
    assert!(before.waiting.is_empty() && before.observation.dead.is_empty(), "{before:?}");
    let run = disturbed(&settings, &uploads, SEED).await.unwrap();
    let report = Report::new(SEED, &run, oracle::judge(&run, &before.observation));
    assert!(report.held, "{}\n{:#?}", report.text(), report.verdict);
}
