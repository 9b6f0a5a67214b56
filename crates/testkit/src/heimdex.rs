//! The real program `heimdex`, run as one process or as one process per part, on ports and data that survive restarts.
//!
//! The program is found beside the running test; `cargo build --release` puts it there. Start a cluster on the thread
//! that outlives it: the kernel kills each process when the thread that started it ends.

mod http;
mod process;
pub mod tree;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

pub use http::{Answer, get};
pub use process::{HeimdexProcess, Ready};

/// How long a drain may take before it counts as hanging; beyond the grace the program itself allows.
const DRAIN: Duration = Duration::from_secs(60);

/// How the parts are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Every part in one process, nats-server and the store as its children.
    OneProcess,
    /// A process for each part.
    OneProcessPerPart,
}

/// A part of Heimdex, as `heimdex up --only` calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Nats,
    Store,
    Extractor,
    Chunker,
    Embedder,
    Writer,
    Query,
    Keeper,
    Gateway,
}

impl Part {
    /// In the order in which they start.
    pub const ALL: [Self; 9] = [
        Self::Nats,
        Self::Store,
        Self::Extractor,
        Self::Chunker,
        Self::Embedder,
        Self::Writer,
        Self::Query,
        Self::Keeper,
        Self::Gateway,
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
            Self::Gateway => "gateway",
        }
    }

    /// The name of the program that a supervisor runs for this part, as the kernel shows it.
    const fn server(self) -> Option<&'static str> {
        match self {
            Self::Nats => Some("nats-server"),
            Self::Store => Some("heimdex"),
            Self::Extractor
            | Self::Chunker
            | Self::Embedder
            | Self::Writer
            | Self::Query
            | Self::Keeper
            | Self::Gateway => None,
        }
    }
}

/// How a cluster is run.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    pub topology: Topology,
    /// Environment variables of every process, for example `HEIMDEX_ACK_WAIT`.
    pub variables: Vec<(String, String)>,
}

impl ClusterConfig {
    #[must_use]
    pub const fn new(topology: Topology) -> Self {
        Self { topology, variables: Vec::new() }
    }

    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running Heimdex. Dropping it kills every process and removes the data.
pub struct Cluster {
    /// Before the folder, so that nobody writes into it while it is removed.
    processes: Vec<HeimdexProcess>,
    nats_url: String,
    qdrant_url: String,
    folder: TempDir,
}

impl Cluster {
    /// Starts one with the default settings and waits until it is ready; panics when that fails.
    #[must_use]
    pub fn start(topology: Topology) -> Self {
        Self::with(&ClusterConfig::new(topology))
    }

    #[must_use]
    pub fn with(config: &ClusterConfig) -> Self {
        provision();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut cluster = Self { processes: Vec::new(), nats_url: String::new(), qdrant_url: String::new(), folder };
        match config.topology {
            Topology::OneProcess => cluster.start_one(config),
            Topology::OneProcessPerPart => cluster.start_each(config),
        }
        cluster
    }

    /// `nats://127.0.0.1:<port>`, the same after every restart.
    #[must_use]
    pub fn nats_url(&self) -> &str {
        &self.nats_url
    }

    /// `http://127.0.0.1:<port>` of the store, the same after every restart.
    #[must_use]
    pub fn qdrant_url(&self) -> &str {
        &self.qdrant_url
    }

    /// Where everything is kept.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The process that runs `part`.
    #[must_use]
    pub fn process(&mut self, part: Part) -> &mut HeimdexProcess {
        let found = self.processes.iter_mut().find(|process| process.parts().contains(&part));
        found.expect("every part has a process")
    }

    /// Every process, in the order in which they were started.
    #[must_use]
    pub fn processes(&mut self) -> &mut [HeimdexProcess] {
        &mut self.processes
    }

    /// The pid of the nats-server or store that the process of `part` supervises, `None` between a death and a restart.
    #[must_use]
    pub fn server_pid(&mut self, part: Part) -> Option<u32> {
        let name = part.server()?;
        let pid = self.process(part).id();
        tree::children(pid)
            .into_iter()
            .find(|child| tree::name(*child).as_deref() == Some(name) && is_server(*child, part))
    }

    /// Sends a signal to the nats-server or store of `part`, for example `libc::SIGSTOP`; `false` when none runs just now.
    pub fn signal_server(&mut self, part: Part, signal: i32) -> bool {
        let pid = self.server_pid(part);
        pid.inspect(|pid| tree::signal(*pid, signal)).is_some()
    }

    /// Asks all to stop, the broker and the store last, and says how each ended.
    pub fn terminate(&mut self) -> Vec<(String, ExitStatus)> {
        let (servers, services): (Vec<_>, Vec<_>) = self
            .processes
            .iter_mut()
            .partition(|process| process.parts().len() == 1 && process.parts()[0].server().is_some());
        let mut ended = Vec::new();
        for group in [services, servers] {
            group.iter().for_each(|process| process.terminate());
            ended.extend(group.into_iter().map(|process| (process.name(), process.wait(DRAIN))));
        }
        ended
    }

    /// Starts what has ended again on the same ports and data, and waits until all is ready.
    pub fn restart(&mut self) {
        for process in &mut self.processes {
            if !process.is_running() {
                process.restart();
                process.wait_ready();
            }
        }
    }

    /// Runs a command of the program against this cluster.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        command().env("HEIMDEX_NATS_URL", &self.nats_url).args(arguments).output().expect("the program starts")
    }

    fn start_one(&mut self, config: &ClusterConfig) {
        let ports = ["--nats-port", "--store-port"].map(|flag| (flag.to_owned(), free_port().to_string()));
        let mut all = HeimdexProcess::start(&Part::ALL, self.arguments(&[]), ports.to_vec(), config);
        let ready = all.wait_ready();
        self.nats_url = ready.nats;
        self.qdrant_url = ready.qdrant;
        self.processes.push(all);
    }

    fn start_each(&mut self, config: &ClusterConfig) {
        let mut nats = self.start_server(Part::Nats, "--nats-port", config);
        self.nats_url = nats.wait_ready().nats;
        let mut store = self.start_server(Part::Store, "--store-port", config);
        self.qdrant_url = store.wait_ready().qdrant;
        self.processes.extend([nats, store]);
        for part in Part::ALL.into_iter().filter(|part| part.server().is_none()) {
            let addresses = [("--nats", self.nats_url.clone()), ("--qdrant", self.qdrant_url.clone())];
            let addresses = addresses.map(|(flag, url)| (flag.to_owned(), url)).to_vec();
            self.processes.push(HeimdexProcess::start(&[part], self.arguments(&[part]), addresses, config));
        }
        for process in &mut self.processes {
            process.wait_ready();
        }
    }

    fn start_server(&self, part: Part, flag: &str, config: &ClusterConfig) -> HeimdexProcess {
        HeimdexProcess::start(
            &[part],
            self.arguments(&[part]),
            vec![(flag.to_owned(), free_port().to_string())],
            config,
        )
    }

    fn arguments(&self, only: &[Part]) -> Vec<String> {
        let data_dir = self.data_dir().display().to_string();
        let mut arguments =
            vec!["up".to_owned(), "--data-dir".to_owned(), data_dir, "--http".to_owned(), "127.0.0.1:0".to_owned()];
        for part in only {
            arguments.extend(["--only".to_owned(), part.name().to_owned()]);
        }
        arguments
    }
}

/// The store's name is the program's own, which parse children have, too.
fn is_server(pid: u32, part: Part) -> bool {
    part != Part::Store || tree::arguments(pid).iter().any(|argument| argument == "store")
}

/// A port that is free, and below those that the kernel gives to outgoing connections (32768 and up on Linux): a client
/// that reconnects to a dead server must not take the server's port for its own end, or even connect to itself.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_240;
    const COUNT: u32 = 22_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(61);
    let candidates = (0..COUNT).map(|_| FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
    let mut ports = candidates.filter_map(|port| u16::try_from(port).ok());
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// The program, beside this test or in the folder above; panics with what to do when it is not there.
#[must_use]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let here = std::env::current_exe().expect("the path of this program");
        let found = here.ancestors().skip(1).take(2).map(|folder| folder.join("heimdex")).find(|path| path.is_file());
        found.unwrap_or_else(|| {
            panic!("the program `heimdex` is not beside {}: build it with `cargo build --release`", here.display())
        })
    })
}

/// The program without any variable that could lead it elsewhere than to its defaults.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(program());
    for name in ["NATS_URL", "ORG", "HTTP", "DATA_DIR", "NATS_PORT", "STORE_PORT", "MODEL", "NATS_MONITOR"] {
        command.env_remove(format!("HEIMDEX_{name}"));
    }
    command.env_remove("QDRANT_URL");
    command
}

/// Fetches the runtime files once, so that no later start has to.
pub fn provision() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let done = command().arg("provision").output().expect("the program starts");
        assert!(done.status.success(), "heimdex provision: {}", String::from_utf8_lossy(&done.stderr));
    });
}
