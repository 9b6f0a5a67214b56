//! The real program in many processes, or in one, on ports and data that survive restarts, with proxies and small disks
//! between and below them where a scenario asks for it.

mod process;
mod volume;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use heimdex_testkit::heimdex::{command, free_port, provision, tree};
use serde::Deserialize;
use tempfile::TempDir;

pub use process::{Process, Ready};
pub use volume::Volume;

use crate::proxy::Proxy;

/// A part of Heimdex, as `heimdex up --only` calls it, in the order in which they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Nats,
    Store,
    Extractor,
    Chunker,
    Embedder,
    Writer,
    Query,
    Keeper,
}

impl Part {
    pub const ALL: [Self; 8] = [
        Self::Nats,
        Self::Store,
        Self::Extractor,
        Self::Chunker,
        Self::Embedder,
        Self::Writer,
        Self::Query,
        Self::Keeper,
    ];

    /// The argument of `--only`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Store => "store",
            Self::Extractor => "extractor",
            Self::Chunker => "chunker",
            Self::Embedder => "embedder",
            Self::Writer => "writer",
            Self::Query => "query",
            Self::Keeper => "keeper",
        }
    }

    /// Whether it serves the others, as a child that its process supervises.
    #[must_use]
    pub const fn is_server(self) -> bool {
        matches!(self, Self::Nats | Self::Store)
    }

    /// Whether it talks to the store, too; all talk to the broker.
    const fn uses_store(self) -> bool {
        matches!(self, Self::Writer | Self::Query | Self::Keeper)
    }

    /// Whether the process `pid` is the server of this part.
    fn is_served_by(self, pid: u32) -> bool {
        match self {
            Self::Nats => tree::name(pid).as_deref() == Some("nats-server"),
            // The program is the same as its supervisor's.
            Self::Store => tree::arguments(pid).iter().any(|argument| argument == "store"),
            _ => false,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Part {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> anyhow::Result<Self> {
        Self::ALL.into_iter().find(|part| part.name() == text).with_context(|| format!("{text:?} is not a part"))
    }
}

/// How the parts are placed in processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Every part in one process, nats-server and the store as its children.
    Together,
    /// At least one process for each part.
    Apart,
}

/// The small one: what is tried here has nothing to do with the model.
pub const MODEL: &str = "all-minilm-l6-v2";

/// What to start.
#[derive(Debug, Clone)]
pub struct Plan {
    pub placement: Placement,
    /// Processes of a part where it is not one.
    pub copies: BTreeMap<Part, usize>,
    /// Environment variables of every process.
    pub variables: Vec<(String, String)>,
    /// Bytes of the disk below the broker's or the store's data, where it is to be a small one.
    pub volumes: BTreeMap<Part, u64>,
    /// A proxy between each process and each server it uses.
    pub proxied: bool,
    pub seed: u64,
}

/// A connection that can be disturbed.
pub struct Link {
    /// The process's name, or `producer`.
    pub who: String,
    pub server: Part,
    pub proxy: Proxy,
}

/// A running Heimdex. Dropping it kills every process and removes the data.
pub struct Cluster {
    /// Before the disks and the folder, so that nobody writes while they are removed.
    pub processes: Vec<Process>,
    pub links: Vec<Link>,
    pub volumes: BTreeMap<Part, Volume>,
    /// Why there is no small disk although one was asked for.
    pub no_volumes: Option<String>,
    nats: SocketAddr,
    store: SocketAddr,
    plan: Plan,
    folder: TempDir,
}

impl Cluster {
    /// Starts everything and waits until it is ready.
    ///
    /// # Errors
    /// When a process does not become ready.
    pub async fn start(plan: &Plan) -> anyhow::Result<Self> {
        provision();
        let model = ("HEIMDEX_MODEL".to_owned(), MODEL.to_owned());
        let variables = [model].into_iter().chain(plan.variables.iter().cloned()).collect();
        let [nats, store] = [free_port(), free_port()].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut cluster = Self {
            processes: Vec::new(),
            links: Vec::new(),
            volumes: BTreeMap::new(),
            no_volumes: None,
            nats,
            store,
            plan: Plan { variables, ..plan.clone() },
            folder: tempfile::tempdir()?,
        };
        cluster.mount()?;
        match plan.placement {
            Placement::Together => cluster.start_together()?,
            Placement::Apart => cluster.start_apart().await?,
        }
        for process in &mut cluster.processes {
            process.wait_ready().await?;
        }
        Ok(cluster)
    }

    /// The broker itself, past every proxy: for those who look.
    #[must_use]
    pub fn nats_url(&self) -> String {
        format!("nats://{}", self.nats)
    }

    /// The store itself, past every proxy.
    #[must_use]
    pub fn qdrant_url(&self) -> String {
        format!("http://{}", self.store)
    }

    /// Where the producers connect: through a link of their own when there are links.
    #[must_use]
    pub fn producer_url(&self) -> String {
        let link = self.links.iter().find(|link| link.who == PRODUCER);
        link.map_or_else(|| self.nats_url(), |link| format!("nats://{}", link.proxy.address()))
    }

    /// The nats-server or store that the process of `part` supervises, `None` between a death and a restart.
    #[must_use]
    pub fn server_pid(&self, part: Part) -> Option<u32> {
        let process = self.processes.iter().find(|process| process.runs(part))?;
        tree::children(process.id()).into_iter().find(|pid| part.is_served_by(*pid))
    }

    /// Runs a command of the program against this cluster and returns what it printed.
    ///
    /// # Errors
    /// When it cannot be run, or ends with another status than 0.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = command();
        command.env("HEIMDEX_NATS_URL", self.nats_url()).env("QDRANT_URL", self.qdrant_url()).args(arguments);
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await?;
        let failed = || format!("heimdex {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        anyhow::ensure!(output.status.success(), failed());
        String::from_utf8(output.stdout).context("its output is not text")
    }

    /// Writes what every process has written into `folder`, and says so.
    pub fn keep_logs(&self, folder: &Path) {
        match self.write_logs(folder) {
            Ok(()) => eprintln!("what the processes wrote is in {}", folder.display()),
            Err(error) => eprintln!("{}: {error}", folder.display()),
        }
    }

    fn write_logs(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        for process in &self.processes {
            std::fs::write(folder.join(format!("{}.log", process.name())), process.output())?;
        }
        let broker = self.data_dir().join("nats/nats.log");
        std::fs::copy(broker, folder.join("nats-server.log")).map(drop).or(Ok(()))
    }

    /// Where the broker and the store keep their data.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn mount(&mut self) -> anyhow::Result<()> {
        for (part, bytes) in &self.plan.volumes {
            let at = self.data_dir().join(part.name());
            std::fs::create_dir_all(&at)?;
            match Volume::mount(&at, *bytes) {
                Ok(volume) => drop(self.volumes.insert(*part, volume)),
                Err(reason) => self.no_volumes = Some(format!("{reason:#}")),
            }
        }
        Ok(())
    }

    fn start_together(&mut self) -> anyhow::Result<()> {
        let ports = [("--nats-port", self.nats), ("--store-port", self.store)];
        let ports = ports.map(|(flag, address)| [flag.to_owned(), address.port().to_string()]);
        let arguments = [self.arguments(None), ports.concat()].concat();
        self.processes.push(Process::start("heimdex", &Part::ALL, arguments, &self.plan.variables)?);
        Ok(())
    }

    async fn start_apart(&mut self) -> anyhow::Result<()> {
        for (part, flag, address) in [(Part::Nats, "--nats-port", self.nats), (Part::Store, "--store-port", self.store)]
        {
            let port = vec![flag.to_owned(), address.port().to_string()];
            self.start_part(part, part.name(), port)?;
            self.processes.last_mut().context("it was just started")?.wait_ready().await?;
        }
        for part in Part::ALL.into_iter().filter(|part| !part.is_server()) {
            let copies = self.plan.copies.get(&part).copied().unwrap_or(1);
            for copy in 1..=copies {
                let name = if copies == 1 { part.name().to_owned() } else { format!("{part}-{copy}") };
                let addresses = self.connect(part, &name).await?;
                self.start_part(part, &name, addresses)?;
            }
        }
        if self.plan.proxied {
            self.link(PRODUCER, Part::Nats).await?;
        }
        Ok(())
    }

    fn start_part(&mut self, part: Part, name: &str, addresses: Vec<String>) -> anyhow::Result<()> {
        let arguments = [self.arguments(Some(part)), addresses].concat();
        self.processes.push(Process::start(name, &[part], arguments, &self.plan.variables)?);
        Ok(())
    }

    /// The arguments that lead `name` to its servers.
    async fn connect(&mut self, part: Part, name: &str) -> anyhow::Result<Vec<String>> {
        let nats = self.link(name, Part::Nats).await?;
        let mut arguments = vec!["--nats".to_owned(), format!("nats://{nats}")];
        let store = if part.uses_store() { self.link(name, Part::Store).await? } else { self.store };
        arguments.extend(["--qdrant".to_owned(), format!("http://{store}")]);
        Ok(arguments)
    }

    async fn link(&mut self, who: &str, server: Part) -> anyhow::Result<SocketAddr> {
        let upstream = if server == Part::Nats { self.nats } else { self.store };
        if !self.plan.proxied {
            return Ok(upstream);
        }
        let proxy = Proxy::start(upstream, self.plan.seed.wrapping_add(self.links.len() as u64)).await?;
        let address = proxy.address();
        self.links.push(Link { who: who.to_owned(), server, proxy });
        Ok(address)
    }

    fn arguments(&self, only: Option<Part>) -> Vec<String> {
        let data_dir = self.data_dir().display().to_string();
        let mut arguments = ["up", "--data-dir", &data_dir, "--http", "127.0.0.1:0"].map(str::to_owned).to_vec();
        if let Some(part) = only {
            arguments.extend(["--only".to_owned(), part.name().to_owned()]);
        }
        arguments
    }
}

/// The producers' end of their link.
pub const PRODUCER: &str = "producer";
