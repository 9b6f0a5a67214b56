//! Whether the oracle bites: scenarios in which the program breaks one of its rules on purpose, and the oracle must name it.

use serde::Serialize;

use crate::report::Report;
use crate::scenario::Scenario;
use crate::suite::Suite;

/// One broken rule.
#[derive(Debug, Clone, Serialize)]
pub struct Bite {
    pub rule: String,
    /// Columns of which one must have a finding.
    pub must_find: Vec<String>,
    /// The column that did, and its first finding.
    pub found: Option<(String, String)>,
    /// The seed that showed it.
    pub seed: Option<u64>,
    /// Runs until then.
    pub runs: usize,
}

impl Bite {
    /// What `report` shows of the broken rule.
    #[must_use]
    pub fn seen(scenario: &Scenario, report: &Report) -> Option<(String, String)> {
        let columns = report.verdict.columns();
        let mut bitten = columns.iter().filter(|(name, _)| scenario.must_find.iter().any(|wanted| wanted == name));
        bitten.find_map(|(name, found)| Some(((*name).to_owned(), found.first()?.clone())))
    }

    #[must_use]
    pub fn text(&self) -> String {
        match (&self.found, self.seed) {
            (Some((column, finding)), Some(seed)) => {
                format!("{}: named by {column:?} in run {} (seed {seed}): {finding}", self.rule, self.runs)
            }
            _ => format!("{}: NOT NAMED in {} runs; it must be by {:?}", self.rule, self.runs, self.must_find),
        }
    }
}

impl Suite {
    /// Runs each scenario with one seed after the other until the oracle names the broken rule. `tell` gets each report and
    /// each result.
    ///
    /// # Errors
    /// As [`Suite::run`].
    pub async fn bite(&self, mut tell: impl FnMut(String)) -> anyhow::Result<Vec<Bite>> {
        let known = self.know().await?;
        let mut bites = Vec::new();
        for scenario in &self.scenarios {
            let (rule, must_find) = (scenario.name.clone(), scenario.must_find.clone());
            let mut bite = Bite { rule, must_find, found: None, seed: None, runs: 0 };
            for seed in self.first_seed..self.first_seed.saturating_add(self.seeds) {
                let report = self.one(scenario, seed, &known).await;
                tell(report.text());
                bite.runs += 1;
                bite.found = Bite::seen(scenario, &report);
                if bite.found.is_some() {
                    bite.seed = Some(seed);
                    break;
                }
            }
            tell(bite.text());
            bites.push(bite);
        }
        Ok(bites)
    }
}
