//! Many runs, one after the other: every scenario with every seed, as long as there is time.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use futures::FutureExt as _;

use crate::drill::Drill;
use crate::pool::Pool;
use crate::reference::Reference;
use crate::report::{Report, Summary};
use crate::scenario::Scenario;

/// What to run.
pub struct Suite {
    pub scenarios: Vec<Scenario>,
    pub first_seed: u64,
    pub seeds: u64,
    /// No run begins after this.
    pub time: Option<Duration>,
    /// How many times the scenarios' patience is waited.
    pub patience: u32,
    /// Variables of the program on top of the scenarios'.
    pub variables: Vec<(String, String)>,
    /// A folder whose files are uploaded, too.
    pub documents: Option<PathBuf>,
    /// Where the processes' output is kept when a promise was broken.
    pub logs: Option<PathBuf>,
}

/// What every run is measured against.
pub(crate) struct Known {
    pool: Arc<Pool>,
    reference: Reference,
}

impl Suite {
    /// Runs everything, telling each report as it comes: all scenarios with the first seed, then all with the next, so that a
    /// suite that runs out of time has seen each of them.
    ///
    /// # Errors
    /// When the documents cannot be read or the undisturbed run does not end well.
    pub async fn run(&self, mut tell: impl FnMut(&Report)) -> anyhow::Result<(Vec<Report>, Summary)> {
        let begun = Instant::now();
        let known = self.know().await?;
        let (mut reports, mut left_out) = (Vec::new(), Vec::new());
        for seed in self.first_seed..self.first_seed.saturating_add(self.seeds) {
            for scenario in &self.scenarios {
                if self.time.is_some_and(|time| begun.elapsed() > time) {
                    left_out.push(format!("{} {seed}", scenario.name));
                    continue;
                }
                let report = self.one(scenario, seed, &known).await;
                tell(&report);
                reports.push(report);
            }
        }
        let summary = Summary::of(&reports, left_out);
        Ok((reports, summary))
    }

    /// The documents, and what becomes of them undisturbed.
    pub(crate) async fn know(&self) -> anyhow::Result<Known> {
        let pool = Arc::new(Pool::new(self.documents.as_deref())?);
        let reference = Reference::measure(&pool, self.patience, self.logs.as_deref()).await?;
        Ok(Known { pool, reference })
    }

    /// A panic is a run that could not be run to its end, not the end of all runs.
    pub(crate) async fn one(&self, scenario: &Scenario, seed: u64, known: &Known) -> Report {
        let begun = Instant::now();
        let Known { pool, reference } = known;
        let (variables, logs) = (self.variables.as_slice(), self.logs.clone());
        let drill = Drill { scenario, seed, pool, reference, patience: self.patience, variables, logs };
        match AssertUnwindSafe(drill.run()).catch_unwind().await {
            Ok(Ok((run, verdict))) => Report::new((&scenario.name, seed), &run, verdict, begun.elapsed()),
            Ok(Err(error)) => Report::failed(&scenario.name, seed, &error, begun.elapsed()),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                Report::failed(&scenario.name, seed, &anyhow!("panic: {}", text.unwrap_or_default()), begun.elapsed())
            }
        }
    }
}
