//! What a drill does, with the defaults that `scenarios/kill-nine/README.md` states.

use std::path::PathBuf;
use std::time::Duration;

/// One drill.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Uploads that are published.
    pub documents: usize,
    /// Strikes before the drill stops killing.
    pub strikes: usize,
    /// Time between two strikes.
    pub every: Duration,
    /// How long publishing and killing together, and then settling, may each take.
    pub patience: Duration,
    /// Environment variables of the program, for example `HEIMDEX_ACK_WAIT`.
    pub variables: Vec<(String, String)>,
    /// Where what the processes wrote is kept.
    pub logs: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            documents: 50,
            strikes: 27,
            every: Duration::from_secs(2),
            patience: Duration::from_secs(300),
            variables: Vec::new(),
            logs: None,
        }
    }
}

impl Settings {
    /// The producer spreads its uploads over the time of the strikes, so that each strike finds work under way.
    #[must_use]
    pub fn pace(&self) -> Duration {
        let strikes = u32::try_from(self.strikes).unwrap_or(u32::MAX);
        let documents = u32::try_from(self.documents.max(1)).unwrap_or(u32::MAX);
        self.every * strikes / documents
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;

    #[test]
    fn defaults_are_what_the_scenario_says() {
        let settings = Settings::default();
        assert_eq!((settings.documents, settings.strikes, settings.every), (50, 27, Duration::from_secs(2)));
        assert_eq!(settings.patience, Duration::from_secs(300));
        assert_eq!(settings.strikes % Fault::ALL.len(), 0, "each kind is struck equally often");
    }

    #[test]
    fn uploads_last_as_long_as_the_strikes() {
        let settings = Settings { documents: 10, strikes: 5, every: Duration::from_secs(2), ..Settings::default() };
        assert_eq!(settings.pace(), Duration::from_secs(1));
    }
}
