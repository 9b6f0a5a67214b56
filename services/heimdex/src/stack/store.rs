//! The embedded Qdrant as a supervised child: this same program, run as `heimdex store`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::supervise::{Addresses, Daemon};

/// A store on the loopback interface that keeps its collections in `data_dir`.
pub struct Store {
    pub data_dir: PathBuf,
    /// 0 takes a free one.
    pub port: u16,
    /// What it logs when `HEIMDEX_LOG` does not say.
    pub log: &'static str,
}

impl Daemon for Store {
    fn name(&self) -> &'static str {
        "store"
    }

    fn command(&self, at: Option<Addresses>) -> anyhow::Result<Command> {
        let listen = at.map_or(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), |at| at.service);
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("store").arg("--data-dir").arg(&self.data_dir).arg("--listen").arg(listen.to_string());
        if std::env::var_os("HEIMDEX_LOG").is_none() {
            command.env("HEIMDEX_LOG", self.log);
        }
        // Only the first start is read; a restarted store must not find a closed pipe.
        command.stdout(if at.is_none() { Stdio::piped() } else { Stdio::null() });
        Ok(command)
    }

    async fn listening(&self, child: &mut Child) -> anyhow::Result<Addresses> {
        let stdout = child.stdout.take().context("its output is not captured")?;
        let line = BufReader::new(stdout).lines().next_line().await?.context("it ended before it listened")?;
        let service = line.strip_prefix("listening ").and_then(|address| address.parse().ok());
        Ok(Addresses { service: service.with_context(|| format!("it said {line:?}"))?, monitoring: None })
    }
}
