//! Changes in bulk are durable when they are answered. `HEIMDEX_BENCH_POINTS` makes this the benchmark's size.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed unwrap is a failed test")]

mod support;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_in_bulk_are_durable() {
    let points = std::env::var("HEIMDEX_BENCH_POINTS").map_or(2_000, |points| points.parse().unwrap());
    support::scale::measure(points).await;
}
