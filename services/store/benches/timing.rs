//! `cargo bench -p heimdex-store`: what a collection like Heimdex's costs the real program, from the first upsert over
//! restarts to changes in bulk. `HEIMDEX_BENCH_POINTS` sets its size, 20,000 by default.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed measurement should stop")]

#[path = "../tests/support/mod.rs"]
mod support;

#[tokio::main]
async fn main() {
    let points = std::env::var("HEIMDEX_BENCH_POINTS").map_or(20_000, |points| points.parse().unwrap());
    support::scale::measure(points).await;
}
