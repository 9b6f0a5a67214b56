//! nats-server with JetStream as a supervised child.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use heimdex_bus::Storage;
use serde::Deserialize;
use tokio::process::{Child, Command};

use super::supervise::{Addresses, Daemon};

/// How often the file with the ports is looked for while the server starts.
const POLL: Duration = Duration::from_millis(10);
/// How often the server is asked whether it can write its streams, and how long it may take to say so.
const STORAGE_WATCH: Duration = Duration::from_secs(2);
const STORAGE_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that must be free before a server that met a full disk is started again.
const ROOM: usize = 4 * 1024 * 1024;

/// A broker on the loopback interface that keeps its streams in `data_dir`.
pub struct Nats {
    pub program: PathBuf,
    pub data_dir: PathBuf,
    /// 0 takes a free one.
    pub port: u16,
}

impl Daemon for Nats {
    fn name(&self) -> &'static str {
        "nats-server"
    }

    fn command(&self, at: Option<Addresses>) -> anyhow::Result<Command> {
        std::fs::create_dir_all(self.ports_dir())?;
        for stale in std::fs::read_dir(self.ports_dir())?.flatten() {
            std::fs::remove_file(stale.path())?;
        }
        let path = self.data_dir.join("nats.conf");
        std::fs::write(&path, self.config(at)).with_context(|| format!("cannot write {}", path.display()))?;
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&path).arg("--ports_file_dir").arg(self.ports_dir());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }

    async fn listening(&self, child: &mut Child) -> anyhow::Result<Addresses> {
        let pid = child.id().context("it ended at once")?;
        let file = self.ports_dir().join(format!("nats-server_{pid}.ports"));
        loop {
            if let Some(addresses) = read_ports(&file)? {
                return Ok(addresses);
            }
            if let Some(status) = child.try_wait()? {
                bail!("it ended with {status}; see {}", self.log().display());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// A stream that met a full disk takes no write until the server starts anew: when there is room, it does.
    async fn needs_restart(&self, at: Addresses) -> String {
        loop {
            tokio::time::sleep(STORAGE_WATCH).await;
            let Some(monitoring) = at.monitoring else { continue };
            let storage = heimdex_bus::storage::of_server(&monitoring.to_string(), STORAGE_PATIENCE).await;
            let Storage::Full(reason) = storage else { continue };
            match self.has_room() {
                Ok(()) => return format!("there is room again after: {reason}"),
                Err(error) => tracing::error!(%error, reason, "the broker's disk is full"),
            }
        }
    }
}

impl Nats {
    /// Free bytes are a promise; bytes written are a proof.
    fn has_room(&self) -> std::io::Result<()> {
        let probe = self.data_dir.join("room");
        let written = File::create(&probe).and_then(|mut file| {
            file.write_all(&vec![0; ROOM])?;
            file.sync_all()
        });
        let removed = std::fs::remove_file(&probe);
        written.and(removed)
    }

    fn ports_dir(&self) -> PathBuf {
        self.data_dir.join("ports")
    }

    fn log(&self) -> PathBuf {
        self.data_dir.join("nats.log")
    }

    /// `sync_interval: always` makes a PubAck mean "on disk".
    fn config(&self, at: Option<Addresses>) -> String {
        let first = if self.port == 0 { -1 } else { i32::from(self.port) };
        let port = at.map_or(first, |at| i32::from(at.service.port()));
        let monitoring = at.and_then(|at| at.monitoring).map_or(-1, |at| i32::from(at.port()));
        format!(
            "listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitoring}\"\nlog_file: {}\nlogfile_size_limit: 16MB\n\
             max_payload: 1MB\njetstream {{\n  store_dir: {}\n  sync_interval: always\n}}\n",
            quoted(&self.log()),
            quoted(&self.data_dir.join("jetstream")),
        )
    }
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
    #[serde(default)]
    monitoring: Vec<String>,
}

/// `None` while the file is absent or only half written.
fn read_ports(file: &Path) -> anyhow::Result<Option<Addresses>> {
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(None) };
    let Ok(ports) = serde_json::from_str::<Ports>(&text) else { return Ok(None) };
    let Some(service) = ports.nats.first() else { return Ok(None) };
    let monitoring = ports.monitoring.first().map(|url| address(url)).transpose()?;
    Ok(Some(Addresses { service: address(service)?, monitoring }))
}

fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let host = url.split_once("://").map_or(url, |(_, host)| host);
    host.parse().with_context(|| format!("nats-server reported the address {url:?}"))
}
