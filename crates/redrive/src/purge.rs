//! Removing dead letters for good, with a record of who removed what.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use heimdex_bus::Letter;
use heimdex_bus::dead_letter::Depth;
use serde::{Deserialize, Serialize};

use crate::replay::new_run_id;
use crate::select::Stretch;
use crate::{Filter, Redrive, RedriveError, record};

/// Letters being removed at the same time.
const AT_ONCE: usize = 16;

/// What a purge removed, or would. Stands in the ledger as `redrive.<run>.purge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeReport {
    /// Absent for a dry run.
    pub run: Option<String>,
    /// `user@host`.
    pub by: String,
    pub at: DateTime<Utc>,
    pub filter: Filter,
    /// Letters removed.
    pub removed: u64,
    /// By fingerprint.
    pub fingerprints: BTreeMap<String, u64>,
    /// Sequences, oldest first.
    pub letters: Vec<u64>,
}

impl PurgeReport {
    fn add(&mut self, letter: &Letter) {
        self.removed += 1;
        *self.fingerprints.entry(letter.fingerprint.clone()).or_default() += 1;
        self.letters.push(letter.sequence);
    }
}

impl Redrive {
    /// What [`Redrive::purge`] would remove.
    ///
    /// # Errors
    /// [`RedriveError::Bus`].
    pub async fn preview_purge(&self, filter: &Filter) -> Result<PurgeReport, RedriveError> {
        let mut report = self.empty_report(filter, None);
        let stretch = Stretch { after: 0, upto: self.letters.state().await?.last_sequence };
        let found = self.select(filter, stretch, Depth::Headers);
        let add = |letter: Letter| {
            report.add(&letter);
            std::future::ready(Ok(()))
        };
        found.try_for_each(add).await?;
        Ok(report)
    }

    /// Removes the letters that match and are there now. `observe` hears of each.
    ///
    /// # Errors
    /// [`RedriveError::Bus`], [`RedriveError::Ledger`]; doing it again is right.
    pub async fn purge(
        &self,
        filter: &Filter,
        mut observe: impl FnMut(u64) + Send,
    ) -> Result<PurgeReport, RedriveError> {
        let run = new_run_id(Utc::now());
        let mut report = self.empty_report(filter, Some(run.clone()));
        let stretch = Stretch { after: 0, upto: self.letters.state().await?.last_sequence };
        let removed = {
            let removals = self.select(filter, stretch, Depth::Headers).map_ok(|letter| async move {
                let removed = self.letters.remove(&letter).await?;
                Ok::<_, RedriveError>((letter, removed))
            });
            let mut removals = std::pin::pin!(removals.try_buffered(AT_ONCE));
            loop {
                match removals.next().await {
                    Some(Ok((letter, true))) => {
                        report.add(&letter);
                        observe(letter.sequence);
                    }
                    Some(Ok((_, false))) => {}
                    Some(Err(error)) => break Err(error),
                    None => break Ok(()),
                }
            }
        };
        // What was removed before an error was removed all the same.
        record::put(self.ledger.as_ref(), &format!("redrive.{run}.purge"), &report).await?;
        removed.map(|()| report)
    }

    fn empty_report(&self, filter: &Filter, run: Option<String>) -> PurgeReport {
        PurgeReport {
            run,
            by: self.by.clone(),
            at: Utc::now(),
            filter: filter.clone(),
            removed: 0,
            fingerprints: BTreeMap::new(),
            letters: Vec::new(),
        }
    }
}
