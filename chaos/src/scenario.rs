//! A scenario: a folder with a `scenario.toml` that says what is uploaded, what is struck, and how often.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::cluster::{Part, Placement};
use crate::faults::FaultSettings;

/// What is uploaded. Zero of something is none of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkloadSettings {
    /// Assets, over two orgs that use the same names.
    pub assets: usize,
    /// Uploads of all of them together; each asset has one at least.
    pub uploads: usize,
    pub producers: usize,
    /// Percent of the assets whose uploads are numbered by their uploader and published in any order by any producer.
    pub numbered: u8,
    /// Deletions of an asset, some of them followed by a new upload.
    pub deletes: usize,
    /// Assets of a third org, which is purged midway; some of them are uploaded again after it.
    pub purged: usize,
    /// Events that are published once more, unknown to the broker's window of duplicates.
    pub duplicates: usize,
    /// Events that are published once more after everything has ended.
    pub late: usize,
    /// Percent of the events whose clock is wrong, by up to thirty days.
    pub skewed: u8,
    /// Percent of the assets that travel in the bulk lane.
    pub bulk: u8,
    /// Assets that nobody can read.
    pub bad: usize,
    /// Assets of several parts.
    pub large: usize,
    /// Seconds over which the publishing is spread.
    pub seconds: f64,
}

impl Default for WorkloadSettings {
    fn default() -> Self {
        Self {
            assets: 24,
            uploads: 60,
            producers: 3,
            numbered: 50,
            deletes: 4,
            purged: 0,
            duplicates: 6,
            late: 6,
            skewed: 0,
            bulk: 20,
            bad: 1,
            large: 1,
            seconds: 12.0,
        }
    }
}

/// One scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    #[serde(skip)]
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// A seed takes one of these in turn.
    #[serde(default = "apart")]
    pub placements: Vec<Placement>,
    /// Processes of a part where it is not one.
    #[serde(default)]
    pub copies: BTreeMap<Part, usize>,
    /// Mebibytes of the disk below the broker or the store, where it is to be a small one.
    #[serde(default)]
    pub disks: BTreeMap<Part, u64>,
    /// Times that each fault strikes each of its targets.
    #[serde(default = "one")]
    pub rounds: usize,
    /// Milliseconds between two strikes.
    #[serde(default = "every")]
    pub every_ms: u64,
    /// Seconds in which everything must have ended after the last strike.
    #[serde(default = "patience")]
    pub patience_s: u64,
    /// Seconds that a cluster without anything waiting may still need until all is as it must be.
    #[serde(default = "grace")]
    pub grace_s: u64,
    /// Whether somebody searches all the time and looks at every answer.
    #[serde(default)]
    pub reader: bool,
    /// Whether a message that a process saw confirmed as acknowledged must not come again. So it is where nothing dies and no
    /// lease runs out; the processes must log as JSON, `heimdex_runtime` at `debug`.
    #[serde(default)]
    pub acks_once: bool,
    /// Columns of which one must have a finding: the scenario breaks a rule on purpose.
    #[serde(default)]
    pub must_find: Vec<String>,
    /// Codes of failures that uploads may end with although nothing is wrong with their documents.
    #[serde(default)]
    pub may_fail: Vec<String>,
    #[serde(default)]
    pub workload: WorkloadSettings,
    /// Variables of the program.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    #[serde(default, rename = "fault")]
    pub faults: Vec<FaultSettings>,
}

fn apart() -> Vec<Placement> {
    vec![Placement::Apart]
}

const fn one() -> usize {
    1
}

const fn every() -> u64 {
    1000
}

const fn patience() -> u64 {
    90
}

const fn grace() -> u64 {
    10
}

impl Scenario {
    /// Where `scenarios` and `bites` lie: `HEIMDEX_CHAOS_DIR`, or this package's folder.
    #[must_use]
    pub fn folder() -> PathBuf {
        std::env::var_os("HEIMDEX_CHAOS_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
    }

    /// Every scenario, by name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn all() -> anyhow::Result<Vec<Self>> {
        Self::read_all(&Self::folder().join("scenarios"))
    }

    /// Those that break a rule on purpose, to show that the oracle names it.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn bites() -> anyhow::Result<Vec<Self>> {
        Self::read_all(&Self::folder().join("bites"))
    }

    fn read_all(folder: &Path) -> anyhow::Result<Vec<Self>> {
        let entries = std::fs::read_dir(folder).with_context(|| format!("no scenarios in {}", folder.display()))?;
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.join("scenario.toml").is_file() {
                found.push(Self::read(&path)?);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The one called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let all = Self::all()?;
        let names: Vec<String> = all.iter().map(|scenario| scenario.name.clone()).collect();
        let found = all.into_iter().find(|scenario| scenario.name == name);
        found.with_context(|| format!("no scenario {name:?}; there are {}", names.join(", ")))
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("scenario.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut scenario: Self = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        scenario.name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ensure!(!scenario.placements.is_empty(), "{}: placements is empty", path.display());
        ensure!(scenario.workload.producers > 0, "{}: no producers", path.display());
        for fault in &scenario.faults {
            fault.targets().with_context(|| format!("{}: fault {}", path.display(), fault.kind))?;
        }
        Ok(scenario)
    }

    /// The placement of a seed.
    #[must_use]
    pub fn placement(&self, seed: u64) -> Placement {
        let n = usize::try_from(seed % self.placements.len() as u64).unwrap_or_default();
        self.placements.get(n).copied().unwrap_or(Placement::Apart)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn every_scenario_of_this_package_can_be_read_and_says_what_it_is() {
        let all = Scenario::all().unwrap();
        for scenario in &all {
            assert!(scenario.summary.ends_with('.') && !scenario.faults.is_empty(), "{}", scenario.name);
        }
        let names: Vec<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
        for name in ["kill-nine", "partition", "disk-full", "reupload-storm", "mixed"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }

    #[test]
    fn every_bite_breaks_one_rule_and_says_where_it_must_be_seen() {
        let columns = crate::Verdict::default();
        for bite in Scenario::bites().unwrap() {
            let armed = bite.settings.get("HEIMDEX_FAILPOINTS").unwrap();
            assert!(heimdex_stage::failpoint::SABOTAGE.contains(&armed.as_str()), "{armed}");
            assert!(!bite.must_find.is_empty(), "{}", bite.name);
            for column in &bite.must_find {
                assert!(columns.columns().iter().any(|(name, _)| name == column), "{column}");
            }
        }
        assert_eq!(Scenario::bites().unwrap().len(), heimdex_stage::failpoint::SABOTAGE.len());
    }

    #[test]
    fn an_unknown_setting_or_target_is_refused() {
        let read = |text: &str| toml::from_str::<Scenario>(text);
        assert!(read("summary = \"x.\"\nround = 3").is_err());
        assert!(read("summary = \"x.\"\n[workload]\nasset = 3").is_err());
        let odd = read("summary = \"x.\"\n[[fault]]\nkind = \"kill\"\ntargets = [\"wrter\"]").unwrap();
        assert!(odd.faults[0].targets().is_err());
    }
}
