//! Messages that no consumer will deliver although they are stored: their consumer is made anew, which delivers them once
//! more. Every stage can be given the same message twice, so nothing is done twice.

use std::collections::HashMap;

use heimdex_schemas::{Lane, StageName};

use crate::error::KeeperError;
use crate::service::Desk;

/// Remembers what was stranded in the round before: only what stays is.
#[derive(Debug, Default)]
pub struct Mender {
    before: HashMap<(StageName, Lane), u64>,
}

impl Mender {
    /// One round. Returns the queues whose consumers were made anew.
    ///
    /// # Errors
    /// [`KeeperError`]; the next round sees what this one did not come to.
    pub async fn round(&mut self, desk: &Desk) -> Result<Vec<(StageName, Lane)>, KeeperError> {
        let before = std::mem::take(&mut self.before);
        let mut mended = Vec::new();
        for (stage, lane) in queues() {
            let queue = (stage, lane);
            let messages = desk.bus.stranded(stage, lane).await?;
            if messages == 0 {
                continue;
            }
            if desk.settings.dry_run || before.get(&queue) != Some(&messages) {
                tracing::warn!(%stage, %lane, messages, "messages that no consumer delivers");
                self.before.insert(queue, messages);
                continue;
            }
            desk.check()?;
            desk.bus.renew_consumer(stage, lane).await?;
            tracing::error!(%stage, %lane, messages, "no consumer delivered these messages: it was made anew");
            desk.metrics.stranded.inc_by(messages);
            mended.push(queue);
        }
        Ok(mended)
    }
}

fn queues() -> Vec<(StageName, Lane)> {
    StageName::ALL.iter().flat_map(|stage| Lane::ALL.iter().map(|lane| (*stage, *lane))).collect()
}
