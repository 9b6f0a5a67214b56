//! Children that must live as long as this process: started, restarted when they die, stopped with a grace period.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a child may take from SIGTERM to its end before it is killed.
const GRACE: Duration = Duration::from_secs(20);
/// How long the first start may take until its address is known.
const START: Duration = Duration::from_secs(60);
/// Pause before a restart, doubled at each death within a minute of its start up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const HEALTHY: Duration = Duration::from_secs(60);

/// Where a child listens. A restarted child must come back at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub service: SocketAddr,
    pub monitoring: Option<SocketAddr>,
}

/// A program that serves, and how to learn where.
pub trait Daemon: Send + Sync + 'static {
    fn name(&self) -> &'static str;
    /// The command; `at` is where it listened before, `None` for the first start.
    fn command(&self, at: Option<Addresses>) -> anyhow::Result<Command>;
    /// Waits until a freshly started child says where it listens.
    fn listening(&self, child: &mut Child) -> impl Future<Output = anyhow::Result<Addresses>> + Send;
    /// Returns, with the reason, when a running child can only go on after a restart.
    fn needs_restart(&self, _at: Addresses) -> impl Future<Output = String> + Send {
        std::future::pending()
    }
}

/// A supervised child.
pub struct Supervised {
    name: &'static str,
    pub addresses: Addresses,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Supervised {
    /// Starts `daemon` and waits until it listens.
    pub async fn start(daemon: impl Daemon) -> anyhow::Result<Self> {
        let name = daemon.name();
        let mut child = spawn(&daemon, None)?;
        let addresses = tokio::select! {
            found = daemon.listening(&mut child) => found.with_context(|| format!("{name} did not start"))?,
            () = tokio::time::sleep(START) => bail!("{name} did not listen within {} s", START.as_secs()),
        };
        tracing::info!(child = name, pid = child.id(), address = %addresses.service, "started");
        let stop = CancellationToken::new();
        let task = tokio::spawn(supervise(daemon, child, addresses, stop.clone()));
        Ok(Self { name, addresses, stop, task })
    }

    /// SIGTERM, then wait; SIGKILL after the grace period.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(child = self.name, %error, "the supervisor failed");
        }
    }
}

async fn supervise(daemon: impl Daemon, mut child: Child, addresses: Addresses, stop: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    loop {
        let started = tokio::time::Instant::now();
        tokio::select! {
            () = stop.cancelled() => return terminate(daemon.name(), child).await,
            status = child.wait() => report(daemon.name(), status),
            reason = daemon.needs_restart(addresses) => {
                tracing::error!(child = daemon.name(), reason, "restarting");
                terminate(daemon.name(), child).await;
            }
        }
        pause = if started.elapsed() > HEALTHY { FIRST_PAUSE } else { pause };
        let Some(next) = restart(&daemon, addresses, &mut pause, &stop).await else { return };
        child = next;
    }
}

fn report(name: &str, status: std::io::Result<ExitStatus>) {
    match status {
        Ok(status) => tracing::error!(child = name, %status, "died, restarting"),
        Err(error) => tracing::error!(child = name, %error, "cannot be watched, restarting"),
    }
}

async fn restart(
    daemon: &impl Daemon,
    addresses: Addresses,
    pause: &mut Duration,
    stop: &CancellationToken,
) -> Option<Child> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(*pause) => *pause = (*pause * 2).min(LONGEST_PAUSE),
        }
        match spawn(daemon, Some(addresses)) {
            Ok(child) => {
                tracing::info!(child = daemon.name(), pid = child.id(), "restarted");
                return Some(child);
            }
            Err(error) => tracing::error!(child = daemon.name(), error = format!("{error:#}"), "cannot restart"),
        }
    }
}

fn spawn(daemon: &impl Daemon, at: Option<Addresses>) -> anyhow::Result<Child> {
    let mut command = daemon.command(at)?;
    command.stdin(Stdio::null()).kill_on_drop(true);
    die_with_parent(&mut command);
    command.spawn().with_context(|| format!("cannot start {}: {:?}", daemon.name(), command.as_std().get_program()))
}

/// A killed supervisor must not leave a broker or store behind that nobody watches. The child leads a process group of
/// its own, so that Ctrl-C reaches it through us, after the services have drained.
#[expect(unsafe_code, reason = "pre_exec runs between fork and exec")]
fn die_with_parent(command: &mut Command) {
    command.process_group(0);
    // SAFETY: prctl is async-signal-safe and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            Ok(())
        });
    }
}

async fn terminate(name: &str, mut child: Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        tracing::error!(child = name, seconds = GRACE.as_secs(), "did not stop in time, killing it");
        let _ = child.kill().await;
    }
}
