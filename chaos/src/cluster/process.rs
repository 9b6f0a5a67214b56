//! One `heimdex up` that can be struck, and started again as it was.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use heimdex_testkit::Child;
use heimdex_testkit::heimdex::{command, tree};

use super::Part;

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(120);
/// How long the children of a killed process may outlive it.
const ORPHANS: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// What a process says on standard output when it is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// `nats://…`
    pub nats: String,
    /// `http://…`, gRPC.
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

/// A process with one part, or with all.
pub struct Process {
    name: String,
    parts: Vec<Part>,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    child: Child,
    /// What its earlier lives wrote.
    past: String,
}

impl Process {
    pub(super) fn start(
        name: &str,
        parts: &[Part],
        arguments: Vec<String>,
        variables: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let child = spawn(&arguments, variables)?;
        let (name, parts) = (name.to_owned(), parts.to_vec());
        Ok(Self { name, parts, arguments, variables: variables.to_vec(), child, past: String::new() })
    }

    /// Its part, with a number when there are several of it, or `heimdex` when it runs all.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn runs(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.is_running()
    }

    /// What it wrote, all its lives, both streams.
    #[must_use]
    pub fn output(&self) -> String {
        format!("{}{}", self.past, self.child.output())
    }

    /// The ready line of its present life, once it is there.
    #[must_use]
    pub fn ready(&self) -> Option<Ready> {
        Ready::read(&self.child.output())
    }

    /// Waits for the ready line.
    ///
    /// # Errors
    /// When it ends, or takes longer than two minutes.
    pub async fn wait_ready(&mut self) -> anyhow::Result<Ready> {
        let give_up = Instant::now() + START;
        loop {
            if let Some(ready) = self.ready() {
                return Ok(ready);
            }
            ensure!(self.is_running(), "{} ended:\n{}", self.name, self.child.output());
            ensure!(Instant::now() < give_up, "{} is not ready:\n{}", self.name, self.child.output());
            tokio::time::sleep(POLL).await;
        }
    }

    /// SIGKILL; returns when it and all that it started are gone.
    ///
    /// # Errors
    /// When a child outlives it for ten seconds.
    pub async fn kill9(&mut self) -> anyhow::Result<()> {
        let family = tree::descendants(self.child.id());
        self.child.kill9();
        let give_up = Instant::now() + ORPHANS;
        for pid in family {
            while tree::is_running(pid) {
                let orphan = tree::name(pid).unwrap_or_default();
                ensure!(Instant::now() < give_up, "{orphan} (pid {pid}) outlived the {} that started it", self.name);
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// SIGTERM; returns how it ended.
    ///
    /// # Errors
    /// When it still runs after `patience`.
    pub async fn terminate(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        self.child.terminate();
        let give_up = Instant::now() + patience;
        while self.is_running() {
            if Instant::now() > give_up {
                bail!("{} still runs {patience:?} after SIGTERM", self.name);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(self.child.wait(Duration::ZERO))
    }

    /// How it ended; only for one that does not run.
    #[must_use]
    pub fn status(&mut self) -> ExitStatus {
        self.child.wait(Duration::ZERO)
    }

    /// Sends a signal to it and, where `family` says so, to all that it started. Returns whom it reached.
    pub fn signal(&self, signal: i32, family: bool) -> Vec<u32> {
        let mut pids = vec![self.child.id()];
        if family {
            pids.extend(tree::descendants(self.child.id()));
        }
        pids.iter().for_each(|pid| tree::signal(*pid, signal));
        pids
    }

    /// From its next life on without this variable.
    pub fn forget_variable(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// Starts it again with the same arguments. The previous life must have ended.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn revive(&mut self) -> anyhow::Result<()> {
        self.past = format!("{}--- pid {} ended\n", self.output(), self.child.id());
        self.child = spawn(&self.arguments, &self.variables)?;
        Ok(())
    }
}

fn spawn(arguments: &[String], variables: &[(String, String)]) -> anyhow::Result<Child> {
    let mut command = command();
    command.args(arguments).envs(variables.iter().cloned());
    Child::spawn(command).context("the program did not start")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_ready_line_is_found_among_the_log() {
        let output = "INFO up\nready nats=nats://127.0.0.1:1 qdrant=http://127.0.0.1:2 http=127.0.0.1:3\nINFO more\n";
        let ready = Ready::read(output).unwrap();
        assert_eq!((ready.nats.as_str(), ready.qdrant.as_str()), ("nats://127.0.0.1:1", "http://127.0.0.1:2"));
        assert_eq!(ready.http.port(), 3);
        assert_eq!(Ready::read("INFO ready\nready nats=x\n"), None);
    }
}
