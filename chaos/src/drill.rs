//! One run on a cluster of its own: publish, strike, settle, look.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use heimdex_e2e::{Client, Upload};
use heimdex_schemas::{StageName, UploadId};
use heimdex_testkit::heimdex::{Cluster, ClusterConfig, Topology};
use tokio::task::JoinHandle;

use crate::faults::{Fault, Schedule};
use crate::logs;
use crate::observe::{self, Observation};
use crate::producer::{Produced, produce};
use crate::settings::Settings;

/// How often a process that ended by itself is looked for, and started again.
const WATCH: Duration = Duration::from_millis(200);

/// What happened, and what is there afterwards.
#[derive(Debug)]
pub struct Run {
    pub produced: Produced,
    pub strikes: BTreeMap<Fault, usize>,
    /// Processes that ended by themselves (a broker that is away at the start), by part and how they ended.
    pub exits: BTreeMap<String, usize>,
    /// From the first upload to the last strike.
    pub struck_for: Duration,
    /// From the last strike to the last receipt, with empty queues.
    pub settled_in: Duration,
    /// Accepted uploads without a receipt when patience ended.
    pub waiting: Vec<UploadId>,
    /// Messages still in the stages' queues then.
    pub queued: u64,
    pub observation: Observation,
}

/// Publishes everything at once and waits until it has settled.
///
/// # Errors
/// When the cluster cannot be looked into.
pub async fn undisturbed(settings: &Settings, uploads: &[Upload]) -> anyhow::Result<Run> {
    let drill = Drill::start(settings, "undisturbed").await;
    let produced = produce(drill.client.clone(), uploads.to_vec(), Duration::ZERO).await;
    drill.finish(uploads, produced, Duration::ZERO).await
}

/// Publishes while one process after the other is killed, in the order of `seed`.
///
/// # Errors
/// When publishing did not end in time, or the cluster cannot be looked into.
pub async fn disturbed(settings: &Settings, uploads: &[Upload], seed: u64) -> anyhow::Result<Run> {
    let mut drill = Drill::start(settings, &format!("seed-{seed}")).await;
    let begun = Instant::now();
    let producing = tokio::spawn(produce(drill.client.clone(), uploads.to_vec(), settings.pace()));
    drill.strike_while(&producing, seed).await?;
    let struck_for = begun.elapsed();
    let produced = producing.await?;
    drill.finish(uploads, produced, struck_for).await
}

struct Drill<'a> {
    settings: &'a Settings,
    name: String,
    cluster: Cluster,
    client: Client,
    strikes: BTreeMap<Fault, usize>,
    exits: BTreeMap<String, usize>,
}

impl<'a> Drill<'a> {
    async fn start(settings: &'a Settings, name: &str) -> Self {
        let config = ClusterConfig { topology: Topology::OneProcessPerPart, variables: settings.variables.clone() };
        let cluster = Cluster::with(&config);
        let client = Client::connect(cluster.nats_url()).await;
        Self { settings, name: name.to_owned(), cluster, client, strikes: BTreeMap::new(), exits: BTreeMap::new() }
    }

    async fn strike_while(&mut self, producing: &JoinHandle<Produced>, seed: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut schedule = Schedule::new(seed);
        let mut beat = tokio::time::interval(self.settings.every);
        let mut watch = tokio::time::interval(WATCH);
        beat.tick().await;
        while self.struck() < self.settings.strikes || !producing.is_finished() {
            tokio::select! {
                _ = beat.tick() => self.strike(&mut schedule),
                _ = watch.tick() => self.revive(),
            }
            ensure!(
                begun.elapsed() < self.settings.patience,
                "publishing did not end within {:?}",
                self.settings.patience
            );
        }
        Ok(())
    }

    fn struck(&self) -> usize {
        self.strikes.values().sum()
    }

    fn strike(&mut self, schedule: &mut Schedule) {
        let Some(fault) = schedule.next() else { return };
        if fault.strike(&mut self.cluster) {
            *self.strikes.entry(fault).or_default() += 1;
        }
        if let Fault::Process(part) = fault {
            let process = self.cluster.process(part);
            logs::keep(self.settings.logs.as_deref(), &self.name, process);
            process.restart();
        }
    }

    /// Starts what ended by itself again, as an orchestrator does.
    fn revive(&mut self) {
        for process in self.cluster.processes() {
            if !process.is_running() {
                let status = process.wait(Duration::ZERO);
                *self.exits.entry(format!("{} {status}", process.name())).or_default() += 1;
                logs::keep(self.settings.logs.as_deref(), &self.name, process);
                process.restart();
            }
        }
    }

    async fn finish(mut self, uploads: &[Upload], produced: Produced, struck_for: Duration) -> anyhow::Result<Run> {
        let begun = Instant::now();
        let mut waiting: Vec<Upload> = uploads.to_vec();
        let mut watch = tokio::time::interval(WATCH);
        let mut queued = u64::MAX;
        while (!waiting.is_empty() || queued > 0) && begun.elapsed() < self.settings.patience {
            watch.tick().await;
            self.revive();
            waiting = self.without_receipt(waiting).await;
            queued = self.queued().await;
        }
        let settled_in = begun.elapsed();
        let observation = observe::observe(&self.client, &self.cluster).await?;
        for process in self.cluster.processes() {
            logs::keep(self.settings.logs.as_deref(), &self.name, process);
        }
        let waiting = waiting.iter().map(Upload::job).collect();
        let Self { strikes, exits, .. } = self;
        Ok(Run { produced, strikes, exits, struck_for, settled_in, waiting, queued, observation })
    }

    async fn without_receipt(&self, uploads: Vec<Upload>) -> Vec<Upload> {
        let receipts = self.client.bus().receipts();
        let mut waiting = Vec::new();
        for upload in uploads {
            if !matches!(receipts.current(&upload.org, upload.job()).await, Ok(Some(_))) {
                waiting.push(upload);
            }
        }
        waiting
    }

    /// Messages in all stages' queues; unknown is not none.
    async fn queued(&self) -> u64 {
        let mut queued = 0u64;
        for stage in StageName::ALL {
            let state = self.client.bus().queue_state(*stage).await;
            queued = queued.saturating_add(state.map_or(1, |state| state.messages));
        }
        queued
    }
}
