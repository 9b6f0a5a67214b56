//! The services in this process: stages, query, health. One shutdown drains them all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use heimdex_bus::{Bus, BusError, Options as BusOptions};
use heimdex_chunker::{Chunker, Settings as ChunkerSettings};
use heimdex_embedder::EmbedderStage;
use heimdex_embedding::{Embedder, Model};
use heimdex_extractor::{Extractor, Pool, PoolConfig};
use heimdex_index::{Index, Options as IndexOptions};
use heimdex_lexical::Bm25;
use heimdex_provision::File;
use heimdex_query::{Options as QueryOptions, Search, ServedModel};
use heimdex_runtime::{Config, Health, Metrics, Process, StageConfig, State, http, run_stage};
use heimdex_stage::Stage;
use heimdex_writer::{Eraser, Purger, Writer};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::gateway::gateway;
use super::{StackConfig, keeper};
use crate::cli::{ModelOptions, Part};
use crate::commands::chunk::tokens;
use crate::exit::{Failure, Outcome};
use crate::models;
use crate::output::provisioned;

/// How long a process waits for the broker at its start before it gives up with exit code 4.
const BROKER_PATIENCE: Duration = Duration::from_secs(30);
const BROKER_RETRY: Duration = Duration::from_millis(200);
/// How often the index is asked whether it is there.
const INDEX_WATCH: Duration = Duration::from_secs(2);
/// How long it may take to answer that.
const INDEX_PATIENCE: Duration = Duration::from_secs(5);
/// Messages in hand per stage. The embedder holds several parts so that batches fill across documents; the others work
/// on one core each and wait for disks between.
const EMBEDDER_PERMITS: usize = 16;
const CHUNKER_PERMITS: usize = 4;
const ERASER_PERMITS: usize = 4;
/// A purge reads through all that an org has.
const PURGER_PERMITS: usize = 2;

/// What runs in this process.
pub struct Services {
    http: SocketAddr,
    /// Ends the stages and the query service.
    shutdown: CancellationToken,
    /// Ends health and metrics, last of all.
    farewell: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

/// What the services are made from.
struct Kitchen<'a> {
    stack: &'a StackConfig,
    config: Config,
    process: Process,
    qdrant_url: &'a str,
    shutdown: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Services {
    /// Starts those of `stack.only`; all when it is empty. `monitor` is the broker's monitoring address when known.
    pub async fn start(
        stack: &StackConfig,
        nats_url: &str,
        monitor: Option<SocketAddr>,
        qdrant_url: &str,
    ) -> Result<Self, Failure> {
        heimdex_runtime::failpoint::check().map_err(Failure::input)?;
        let mut config = Config::from_env().map_err(Failure::input)?;
        config.bus.monitor = monitor.map(|address| address.to_string()).or(config.bus.monitor);
        config.stage.model = stack.model.model.clone();
        let (shutdown, farewell) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        if !stack.wants_services() {
            let http = serve_http(stack.http, http::router(Health::default(), Metrics::default()), &farewell).await?;
            return Ok(Self { http, shutdown, farewell, tasks });
        }
        let bus = connect(nats_url, &config.bus).await?;
        bus.ensure().await.map_err(Failure::input)?;
        let process = Process::new(bus);
        let mut router = http::router(process.health.clone(), process.metrics.clone());
        if stack.wants(Part::Gateway) {
            router = router.merge(gateway(&process, stack).await?.router());
        }
        let http = serve_http(stack.http, router, &farewell).await?;
        let (watched, every, stop) = (process.clone(), config.stage.watch_interval, shutdown.clone());
        tasks.spawn(async move {
            watched.watch_broker(every, stop).await;
            Ok(())
        });
        let mut kitchen = Kitchen { stack, config, process, qdrant_url, shutdown: shutdown.clone(), tasks };
        kitchen.start().await?;
        Ok(Self { http, shutdown, farewell, tasks: kitchen.tasks })
    }

    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// Waits for a signal, or for the first service that fails.
    pub async fn wait(&mut self) -> Outcome {
        let asked = heimdex_runtime::signals::shutdown()?;
        loop {
            tokio::select! {
                () = asked.cancelled() => return Ok(()),
                Some(ended) = self.tasks.join_next() => ended.context("a service ended unexpectedly")??,
            }
        }
    }

    /// Drains: no new work, what is in hand is finished or given back.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended.map_err(anyhow::Error::from).flatten() {
                tracing::error!(error = format!("{error:#}"), "a service did not stop well");
            }
        }
        self.farewell.cancel();
    }
}

async fn serve_http(address: SocketAddr, router: Router, farewell: &CancellationToken) -> Result<SocketAddr, Failure> {
    let served = http::serve(address, router, farewell.clone()).await;
    let (bound, _task) = served.with_context(|| format!("cannot listen on {address}; --http names another address"))?;
    Ok(bound)
}

/// A broker that starts at the same time as its services is not a failure.
async fn connect(url: &str, options: &BusOptions) -> Result<Bus, Failure> {
    let give_up = tokio::time::Instant::now() + BROKER_PATIENCE;
    loop {
        match Bus::connect(url, options.clone()).await {
            Ok(bus) => return Ok(bus),
            Err(error @ BusError::Connect { .. }) if tokio::time::Instant::now() < give_up => {
                tracing::warn!(%error, "waiting for the broker");
                tokio::time::sleep(BROKER_RETRY).await;
            }
            Err(error) => return Err(Failure::unreachable(error)),
        }
    }
}

impl Kitchen<'_> {
    async fn start(&mut self) -> Result<(), Failure> {
        let stack = self.stack;
        if stack.wants(Part::Extractor) {
            self.extractor().await?;
        }
        if stack.wants(Part::Chunker) {
            self.chunker().await?;
        }
        if stack.wants(Part::Embedder) || stack.wants(Part::Query) {
            let embedder = models::open(&stack.model).await?;
            if stack.wants(Part::Query) {
                self.query(&embedder).await?;
            }
            if stack.wants(Part::Embedder) {
                self.embedder(embedder)?;
            }
        }
        if stack.wants(Part::Writer) {
            self.writer()?;
        }
        if stack.wants(Part::Keeper) {
            let keeper = keeper::keeper(&self.config, &self.process, self.index()?)?;
            self.tasks.spawn(keeper::run(keeper, self.shutdown.clone()));
        }
        if stack.wants(Part::Writer) || stack.wants(Part::Query) || stack.wants(Part::Keeper) {
            self.watch_index()?;
        }
        Ok(())
    }

    fn stage<S: Stage>(&mut self, stage: S, config: StageConfig) {
        let (process, shutdown) = (self.process.clone(), self.shutdown.clone());
        self.tasks.spawn(async move { Ok(run_stage(stage, config, &process, shutdown).await?) });
    }

    async fn extractor(&mut self) -> Result<(), Failure> {
        let pdfium = provisioned(File::Pdfium).await?;
        let config = PoolConfig::from_env(pdfium)?;
        // One more than children: the next document is at hand when a child becomes free.
        let permits = config.parallelism + 2;
        let pool = Pool::start(config).await?;
        let stage = Extractor::new(pool, self.config.stage.model.clone());
        self.stage(stage, self.config.stage.clone().with_permits(permits));
        Ok(())
    }

    async fn chunker(&mut self) -> Result<(), Failure> {
        let ModelOptions { model, .. } = &self.stack.model;
        let tokens = tokens(&Model::open(models::folder(model).await?)?)?;
        let settings = ChunkerSettings::from_env().map_err(Failure::input)?;
        let chunker = Chunker::new(model.clone(), tokens, settings)?;
        self.stage(chunker, self.config.stage.clone().with_permits(CHUNKER_PERMITS));
        Ok(())
    }

    fn embedder(&mut self, embedder: Embedder) -> Result<(), Failure> {
        let models = [(self.stack.model.model.clone(), embedder)];
        let stage = EmbedderStage::new(models, Bm25::default()).keeping(Arc::new(self.index()?));
        self.stage(stage, self.config.stage.clone().with_permits(EMBEDDER_PERMITS));
        Ok(())
    }

    /// The writer, and the stages that delete, beside it.
    fn writer(&mut self) -> Result<(), Failure> {
        let index = self.index()?;
        let config = self.config.stage.clone();
        self.stage(Writer::new(index.clone()), config.clone());
        let letters = Arc::new(self.process.bus.dead_letters());
        self.stage(Eraser::new(index.clone(), letters.clone()), config.clone().with_permits(ERASER_PERMITS));
        self.stage(Purger::new(index, letters), config.with_permits(PURGER_PERMITS));
        Ok(())
    }

    async fn query(&mut self, embedder: &Embedder) -> Result<(), Failure> {
        let model = ServedModel::new(embedder.model(), Some(embedder.clone()))?;
        let receipts = self.process.bus.receipts().clock().await.map_err(Failure::unreachable)?;
        let search = Search::new(self.index()?, model, Vec::new(), QueryOptions::default()).following(receipts);
        let search = Arc::new(search);
        let (bus, shutdown) = (self.process.bus.clone(), self.shutdown.clone());
        self.tasks.spawn(async move { Ok(heimdex_query::serve(&bus, search, shutdown).await?) });
        Ok(())
    }

    fn index(&self) -> Result<Index, Failure> {
        Index::connect(self.qdrant_url, IndexOptions::default()).map_err(Failure::input)
    }

    /// Keeps `index` in the process's health up to date.
    fn watch_index(&mut self) -> Result<(), Failure> {
        let (index, health, stop) = (self.index()?, self.process.health.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            loop {
                match tokio::time::timeout(INDEX_PATIENCE, index.ready()).await {
                    Ok(Ok(())) => health.set("index", State::Yes),
                    Ok(Err(error)) => health.set("index", State::No(error.to_string())),
                    Err(_) => health.set("index", State::No("it does not answer".to_owned())),
                }
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(INDEX_WATCH) => {}
                }
            }
        });
        Ok(())
    }
}
