//! A running Heimdex: the children it supervises and the services in this process.

pub mod gateway;
mod keeper;
mod nats;
mod services;
mod store;
mod supervise;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use heimdex_provision::File;

use crate::cli::{ModelOptions, Part, Up};
use crate::exit::{Failure, Outcome};
use crate::output::{self, provisioned};
use nats::Nats;
use services::Services;
use store::Store;
use supervise::Supervised;

/// What to run, and where.
#[derive(Debug, Clone)]
pub struct StackConfig {
    pub data_dir: PathBuf,
    pub http: SocketAddr,
    /// `None` starts one.
    pub nats: Option<String>,
    pub nats_port: u16,
    /// `None` starts one.
    pub qdrant: Option<String>,
    pub store_port: u16,
    /// Empty for everything.
    pub only: Vec<Part>,
    pub model: ModelOptions,
    /// What children log when `HEIMDEX_LOG` does not say.
    pub child_log: &'static str,
}

impl StackConfig {
    /// Everything on free loopback ports, apart from what else runs on the machine.
    #[must_use]
    pub fn private(data_dir: &Path, model: ModelOptions) -> Self {
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let data_dir = data_dir.to_owned();
        Self {
            data_dir,
            http,
            nats: None,
            nats_port: 0,
            qdrant: None,
            store_port: 0,
            only: Vec::new(),
            model,
            child_log: "error",
        }
    }

    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Whether anything but the children is wanted.
    fn wants_services(&self) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| !matches!(part, Part::Nats | Part::Store))
    }
}

impl From<Up> for StackConfig {
    fn from(up: Up) -> Self {
        Self {
            data_dir: up.data_dir,
            http: up.http,
            nats: up.nats,
            nats_port: up.nats_port,
            qdrant: up.qdrant,
            store_port: up.store_port,
            only: up.only,
            model: up.model,
            child_log: "info,qdrant_edge=error",
        }
    }
}

/// Children first to start, last to stop.
pub struct Stack {
    nats_url: String,
    qdrant_url: String,
    children: Vec<Supervised>,
    services: Services,
}

impl Stack {
    /// Starts all of `config` and returns when every part is ready.
    pub async fn start(config: StackConfig) -> Result<Self, Failure> {
        let mut children = Vec::new();
        let (nats_url, monitor) = match &config.nats {
            Some(url) => (url.clone(), None),
            None if config.wants(Part::Nats) => {
                let nats = start_nats(&config).await?;
                let found = (format!("nats://{}", nats.addresses.service), nats.addresses.monitoring);
                children.push(nats);
                found
            }
            None => (format!("nats://127.0.0.1:{}", config.nats_port), None),
        };
        let qdrant_url = match &config.qdrant {
            Some(url) => url.clone(),
            None if config.wants(Part::Store) => {
                let data_dir = config.data_dir.join("store");
                let store = Store { data_dir, port: config.store_port, log: config.child_log };
                let store = Supervised::start(store).await?;
                let url = format!("http://{}", store.addresses.service);
                children.push(store);
                url
            }
            None => format!("http://127.0.0.1:{}", config.store_port),
        };
        let services = Services::start(&config, &nats_url, monitor, &qdrant_url).await?;
        Ok(Self { nats_url, qdrant_url, children, services })
    }

    pub fn nats_url(&self) -> String {
        self.nats_url.clone()
    }

    /// Where the HTTP API, health, readiness and metrics are served.
    pub fn http(&self) -> SocketAddr {
        self.services.http()
    }

    /// One line on standard output for whoever started this: every address.
    pub fn announce(&self) -> Outcome {
        tracing::info!(nats = self.nats_url, qdrant = self.qdrant_url, http = %self.http(), "heimdex is up");
        output::text(format_args!("ready nats={} qdrant={} http={}", self.nats_url, self.qdrant_url, self.http()))
    }

    /// Runs until a signal or until a service fails, then drains.
    pub async fn run(mut self) -> Outcome {
        let outcome = self.services.wait().await;
        self.stop().await;
        outcome
    }

    /// Services drain first; then the children stop, the broker last.
    pub async fn stop(self) {
        self.services.stop().await;
        for child in self.children.into_iter().rev() {
            child.stop().await;
        }
    }
}

async fn start_nats(config: &StackConfig) -> Result<Supervised, Failure> {
    let program = provisioned(File::NatsServer).await?;
    let data_dir = config.data_dir.join("nats");
    std::fs::create_dir_all(&data_dir)?;
    Ok(Supervised::start(Nats { program, data_dir: data_dir.canonicalize()?, port: config.nats_port }).await?)
}
