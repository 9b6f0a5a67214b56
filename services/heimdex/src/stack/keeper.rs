//! The keeper in this process: its settings, its metrics, its task.

use heimdex_index::Index;
use heimdex_keeper::{Keeper, KeeperMetrics, Settings};
use heimdex_redrive::{ExpiryMetrics, Redrive};
use heimdex_runtime::{Config, Process, Variables};
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;

/// Who removes and announces dead letters, in their audit.
const NAME: &str = "keeper";

/// One contender for the keeper's lease.
pub fn keeper(config: &Config, process: &Process, index: Index) -> Result<Keeper, Failure> {
    let settings = Settings::read(&Variables::of_process(), &config.bus.limits).map_err(Failure::input)?;
    Ok(Keeper {
        bus: process.bus.clone(),
        index,
        settings,
        metrics: KeeperMetrics::new(&process.metrics),
        redrive: Redrive::new(&process.bus, NAME, config.stage.model.clone()),
        expiry: process.metrics.register(ExpiryMetrics::register),
    })
}

/// Keeps until `shutdown`.
pub async fn run(keeper: Keeper, shutdown: CancellationToken) -> anyhow::Result<()> {
    keeper.run(shutdown).await;
    Ok(())
}
