//! A real nats-server with JetStream, on free ports, in a folder of its own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use heimdex_provision::{File, Quiet};
use tempfile::TempDir;

use crate::Child;

const START: Duration = Duration::from_secs(20);

/// How the server is started.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// `sync_interval: always`, as production has it.
    pub sync_always: bool,
    /// Server lines added to the configuration.
    pub extra: String,
    /// Lines added to its `jetstream` block, for example a limit.
    pub jetstream: String,
    /// Where streams are kept; a folder of the server's own when not set.
    pub store_dir: Option<PathBuf>,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self { sync_always: true, extra: String::new(), jetstream: String::new(), store_dir: None }
    }
}

/// A running nats-server. Dropping it kills the server and removes its data.
pub struct NatsServer {
    child: Option<Child>,
    folder: TempDir,
    program: PathBuf,
    client_port: u16,
    monitor_port: u16,
}

impl NatsServer {
    /// Starts one with the production settings; panics when that fails.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&NatsConfig::default())
    }

    #[must_use]
    pub fn with(config: &NatsConfig) -> Self {
        let program = heimdex_provision::ensure(File::NatsServer, &Quiet).expect("nats-server");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (client_port, monitor_port) = free_ports();
        let sync = if config.sync_always { "\n  sync_interval: always" } else { "" };
        let store_dir = config.store_dir.clone().unwrap_or_else(|| folder.path().join("js"));
        let text = format!(
            "host: 127.0.0.1\nport: {client_port}\nhttp: \"127.0.0.1:{monitor_port}\"\n\
             jetstream {{\n  store_dir: {store_dir:?}{sync}\n{}\n}}\n{}\n",
            config.jetstream, config.extra
        );
        std::fs::write(folder.path().join("nats.conf"), text).expect("the server's configuration");
        let mut server = Self { child: None, folder, program, client_port, monitor_port };
        server.launch();
        server
    }

    /// `nats://127.0.0.1:<port>`
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.client_port)
    }

    /// `127.0.0.1:<port>` of the monitoring endpoint.
    #[must_use]
    pub fn monitor(&self) -> String {
        format!("127.0.0.1:{}", self.monitor_port)
    }

    /// SIGKILL; the data stays for [`NatsServer::restart`].
    pub fn kill9(&mut self) {
        if let Some(child) = self.child.as_mut() {
            child.kill9();
        }
        self.child = None;
    }

    /// Kills it if it still runs and starts it again on the same ports and data.
    pub fn restart(&mut self) {
        self.kill9();
        self.launch();
    }

    /// The running process.
    #[must_use]
    pub fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("the server runs")
    }

    fn launch(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.folder.path().join("nats.conf"));
        let mut child = Child::spawn(command).expect("nats-server starts");
        let give_up = Instant::now() + START;
        while !child.output().contains("Server is ready") {
            assert!(child.is_running(), "nats-server ended:\n{}", child.output());
            assert!(Instant::now() < give_up, "nats-server is not ready:\n{}", child.output());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child = Some(child);
    }
}

/// Two ports that were free a moment ago. They must be known before the start, because a restart reuses them.
fn free_ports() -> (u16, u16) {
    let listeners = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).expect("a free port"));
    let [client, monitor] = listeners.map(|listener| listener.local_addr().expect("a bound address").port());
    (client, monitor)
}
