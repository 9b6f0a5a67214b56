//! One `heimdex up` process, restarted as it was.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::{ClusterConfig, Part, command, tree};
use crate::Child;

/// How long a start may take: loading and checking the model on a busy machine is the longest part.
const START: Duration = Duration::from_secs(120);
/// How long the children of a killed process may outlive it.
const ORPHANS: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// What a process says on standard output when it is ready: `ready nats=<url> qdrant=<url> http=<address>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pub nats: String,
    pub qdrant: String,
    /// Health, readiness and metrics; another one after each start.
    pub http: SocketAddr,
}

impl Ready {
    fn read(output: &str) -> Option<Self> {
        let line = output.lines().find_map(|line| line.strip_prefix("ready "))?;
        let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        Some(Self {
            nats: field("nats")?.to_owned(),
            qdrant: field("qdrant")?.to_owned(),
            http: field("http")?.parse().ok()?,
        })
    }
}

/// A `heimdex up` with some parts.
pub struct HeimdexProcess {
    parts: Vec<Part>,
    arguments: Vec<String>,
    /// Where its servers listen, or where those of others do.
    addresses: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    child: Child,
}

impl HeimdexProcess {
    pub(super) fn start(
        parts: &[Part],
        arguments: Vec<String>,
        addresses: Vec<(String, String)>,
        config: &ClusterConfig,
    ) -> Self {
        let variables = config.variables.clone();
        let child = spawn(&arguments, &addresses, &variables);
        Self { parts: parts.to_vec(), arguments, addresses, variables, child }
    }

    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Its part, or `heimdex` when it runs several.
    #[must_use]
    pub fn name(&self) -> String {
        match self.parts.as_slice() {
            [part] => part.name().to_owned(),
            _ => "heimdex".to_owned(),
        }
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.is_running()
    }

    /// What it has written since its last start, both streams.
    #[must_use]
    pub fn output(&self) -> String {
        self.child.output()
    }

    /// Waits until it says that it is ready; panics with its output when it ends or takes too long.
    pub fn wait_ready(&mut self) -> Ready {
        let give_up = Instant::now() + START;
        loop {
            if let Some(ready) = Ready::read(&self.child.output()) {
                return ready;
            }
            assert!(self.child.is_running(), "{} ended:\n{}", self.name(), self.child.output());
            assert!(Instant::now() < give_up, "{} is not ready:\n{}", self.name(), self.child.output());
            std::thread::sleep(POLL);
        }
    }

    /// SIGKILL, and waits until it and all that it started are gone.
    pub fn kill9(&mut self) {
        let family = tree::descendants(self.child.id());
        self.child.kill9();
        let give_up = Instant::now() + ORPHANS;
        while let Some(orphan) = family.iter().find(|pid| tree::is_running(**pid)) {
            let name = tree::name(*orphan).unwrap_or_default();
            assert!(Instant::now() < give_up, "{name} (pid {orphan}) outlived the {} that started it", self.name());
            std::thread::sleep(POLL);
        }
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.child.terminate();
    }

    /// Waits for the end; panics with the output when it takes longer.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        self.child.wait(patience)
    }

    /// Kills it if it still runs and starts it again on the same ports and data. Does not wait until it is ready.
    pub fn restart(&mut self) {
        self.kill9();
        self.child = spawn(&self.arguments, &self.addresses, &self.variables);
    }
}

impl Drop for HeimdexProcess {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.kill9();
        }
    }
}

fn spawn(arguments: &[String], addresses: &[(String, String)], variables: &[(String, String)]) -> Child {
    let mut command = command();
    command.args(arguments).envs(variables.iter().cloned());
    for (flag, value) in addresses {
        command.arg(flag).arg(value);
    }
    Child::spawn(command).expect("the program starts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_found_among_the_log() {
        let output =
            "INFO started\nready nats=nats://127.0.0.1:1 qdrant=http://127.0.0.1:2 http=127.0.0.1:3\nINFO more\n";
        let ready = Ready::read(output).unwrap();
        assert_eq!((ready.nats.as_str(), ready.qdrant.as_str()), ("nats://127.0.0.1:1", "http://127.0.0.1:2"));
        assert_eq!(ready.http.port(), 3);
        assert_eq!(Ready::read("INFO ready\nready nats=x\n"), None);
    }
}
