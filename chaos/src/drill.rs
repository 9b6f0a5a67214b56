//! One run on a cluster of its own: publish, strike, heal, settle, look, judge.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use heimdex_schemas::{Receipt, ReceiptState, UploadId};
use tokio::task::JoinHandle;

use crate::acks;
use crate::cluster::{Cluster, Plan};
use crate::expect::Expected;
use crate::faults::{self, Kind, Strike};
use crate::injector::{Injector, Struck};
use crate::observe::{Observation, Observer, Unsettled, Watch};
use crate::oracle::{self, Verdict};
use crate::pool::Pool;
use crate::producer::{Produced, Producers};
use crate::reader::{Reader, Reading, Sightings};
use crate::reference::Reference;
use crate::scenario::Scenario;
use crate::workload::{Event, Workload};

/// How often healing and reviving is looked after.
const TEND: Duration = Duration::from_millis(100);
/// Between two looks at a cluster that is quiet but not yet as it must be.
const AGAIN: Duration = Duration::from_millis(500);
/// Tries of a strike that meets nobody.
const TRIES: usize = 10;

/// What happened, and what is there afterwards.
#[derive(Debug, Clone, Default)]
pub struct Run {
    pub produced: Produced,
    /// Kinds that were to strike.
    pub planned: BTreeSet<Kind>,
    pub struck: Struck,
    /// Events with a wrong clock.
    pub skewed: usize,
    /// From the first upload to the last strike.
    pub struck_for: Duration,
    /// What had not ended when patience did; how long everything took to end.
    pub unsettled: Unsettled,
    pub observation: Observation,
    pub sightings: Sightings,
    /// Messages that came again after a process saw them confirmed as acknowledged.
    pub acked_again: Vec<String>,
}

/// One scenario with one seed.
pub struct Drill<'a> {
    pub scenario: &'a Scenario,
    pub seed: u64,
    pub pool: &'a Arc<Pool>,
    pub reference: &'a Reference,
    /// How many times the scenario's patience is waited.
    pub patience: u32,
    /// Variables of the program on top of the scenario's.
    pub variables: &'a [(String, String)],
    /// Where the processes' output is kept when a promise was broken.
    pub logs: Option<PathBuf>,
}

impl Drill<'_> {
    /// Runs it on a fresh cluster. Must be awaited on a thread that lives as long as the cluster: the kernel kills each
    /// process when the thread that started it ends.
    ///
    /// # Errors
    /// When it could not be run to its end, so that nothing can be said.
    pub async fn run(&self) -> anyhow::Result<(Run, Verdict)> {
        let workload = Arc::new(Workload::new(&self.scenario.workload, self.pool, self.seed)?);
        let strikes = faults::schedule(self.scenario, self.seed)?;
        let cluster = Cluster::start(&self.plan(&strikes)).await?;
        let observer = Observer::connect(&cluster).await?;
        let reading = self.read(&cluster, &workload).await?;
        let mut injector = Injector::new(cluster, observer.bus().clone());
        let mut run = Run { skewed: workload.skewed(), ..Run::default() };
        run.planned = strikes.iter().map(|strike| strike.kind).collect();
        let done = self.strike_and_settle(&mut injector, &observer, &workload, (strikes, &mut run)).await;
        if let Some(reading) = reading {
            run.sightings = reading.end().await?;
        }
        run.struck = injector.struck.clone();
        if let Err(error) = done {
            self.keep_logs(&injector.cluster);
            return Err(error);
        }
        if self.scenario.acks_once {
            run.acked_again = acks::twice(injector.cluster.processes.iter().map(|process| process.output()));
        }
        let verdict = self.judge(&mut run, &mut injector, &observer, &workload).await?;
        if !verdict.holds() {
            self.keep_logs(&injector.cluster);
        }
        Ok((run, verdict))
    }

    fn plan(&self, strikes: &[Strike]) -> Plan {
        let links = [Kind::Partition, Kind::Latency, Kind::Loss, Kind::Reset];
        let mebibytes = |(part, size): (_, &u64)| (part, size << 20);
        let settings = self.scenario.settings.iter().map(|(name, value)| (name.clone(), value.clone()));
        Plan {
            placement: self.scenario.placement(self.seed),
            copies: self.scenario.copies.clone(),
            variables: settings.chain(self.variables.iter().cloned()).collect(),
            volumes: self.scenario.disks.iter().map(|(part, size)| mebibytes((*part, size))).collect(),
            proxied: strikes.iter().any(|strike| links.contains(&strike.kind)),
            seed: self.seed,
        }
    }

    async fn read(&self, cluster: &Cluster, workload: &Workload) -> anyhow::Result<Option<Reading>> {
        if !self.scenario.reader {
            return Ok(None);
        }
        let reader = Reader::new(&cluster.nats_url(), workload, (self.pool, self.reference)).await?;
        Ok(Some(Reading::start(reader)))
    }

    fn producers(&self, cluster: &Cluster, workload: &Arc<Workload>, strikes: usize) -> Producers {
        let struck = Duration::from_millis(self.scenario.every_ms) * u32::try_from(strikes).unwrap_or(u32::MAX);
        let time = Duration::from_secs_f64(self.scenario.workload.seconds).max(struck);
        let (pool, workload) = (Arc::clone(self.pool), Arc::clone(workload));
        Producers { url: cluster.producer_url(), pool, workload, time }
    }

    async fn strike_and_settle(
        &self,
        injector: &mut Injector,
        observer: &Observer,
        workload: &Arc<Workload>,
        (strikes, run): (Vec<Strike>, &mut Run),
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        let producers = self.producers(&injector.cluster, workload, strikes.len());
        let patience = self.patience() + producers.time;
        let producing = tokio::spawn(producers.run());
        self.strike_while(injector, &producing, (strikes, patience)).await?;
        run.struck_for = begun.elapsed();
        run.produced = producing.await??;
        let jobs: Vec<UploadId> = workload.events.iter().map(Event::job).collect();
        let watch = Watch::new(observer, &jobs);
        run.unsettled = watch.quiet(self.patience(), async || injector.revive().await).await?;
        if !workload.late.is_empty() && run.unsettled.waiting.is_empty() {
            let late = self.producers(&injector.cluster, workload, 0).again(&workload.late).await?;
            run.produced.copies += late.copies;
            let took = run.unsettled.took;
            run.unsettled = watch.quiet(self.patience(), async || injector.revive().await).await?;
            run.unsettled.took += took;
        }
        Ok(())
    }

    /// Until every strike has struck, every event is accepted, and everything is healed.
    async fn strike_while(
        &self,
        injector: &mut Injector,
        producing: &JoinHandle<anyhow::Result<Produced>>,
        (strikes, patience): (Vec<Strike>, Duration),
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut left: VecDeque<(Strike, usize)> = strikes.into_iter().map(|strike| (strike, 0)).collect();
        let every = Duration::from_millis(self.scenario.every_ms.max(1));
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        let mut tend = tokio::time::interval(TEND);
        // What is missed while a strike takes its time is not made up for.
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !(left.is_empty() && producing.is_finished()) {
            tokio::select! {
                _ = beat.tick() => self.strike_next(injector, &mut left).await?,
                _ = tend.tick() => {
                    injector.heal(false).await?;
                    injector.revive().await?;
                }
            }
            ensure!(begun.elapsed() < patience, "the producers were not done within {patience:?}");
        }
        while !injector.is_calm() {
            tend.tick().await;
            injector.heal(false).await?;
            injector.revive().await?;
        }
        Ok(())
    }

    async fn strike_next(&self, injector: &mut Injector, left: &mut VecDeque<(Strike, usize)>) -> anyhow::Result<()> {
        let Some((strike, tries)) = left.pop_front() else { return Ok(()) };
        let shown = format!("{} {}", strike.kind, strike.target);
        let struck = injector.strike(strike.clone()).await.with_context(|| format!("striking: {shown}"))?;
        if !struck && tries < TRIES {
            left.push_back((strike, tries + 1));
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.scenario.patience_s) * self.patience
    }

    /// What a quiet cluster holds, looked at until it is right or the scenario's grace has passed.
    async fn judge(
        &self,
        run: &mut Run,
        injector: &mut Injector,
        observer: &Observer,
        workload: &Workload,
    ) -> anyhow::Result<Verdict> {
        let begun = Instant::now();
        let mut gone = Expected::new(workload, self.reference, &BTreeSet::new()).gone;
        loop {
            run.observation = observer.observe(&gone).await?;
            let expected = Expected::new(workload, self.reference, &self.excused(&run.observation.receipts));
            let verdict = oracle::judge(run, &expected, self.reference);
            if verdict.holds() || begun.elapsed() > Duration::from_secs(self.scenario.grace_s) * self.patience {
                return Ok(verdict);
            }
            gone = expected.gone;
            tokio::time::sleep(AGAIN).await;
            injector.revive().await?;
        }
    }

    fn excused(&self, receipts: &BTreeMap<UploadId, Receipt>) -> BTreeSet<UploadId> {
        let allowed = |receipt: &Receipt| {
            let mut codes = receipt.failures.iter().map(|failure| &failure.code);
            receipt.state == ReceiptState::Failed && codes.any(|code| self.scenario.may_fail.contains(code))
        };
        receipts.iter().filter(|(_, receipt)| allowed(receipt)).map(|(job, _)| *job).collect()
    }

    fn keep_logs(&self, cluster: &Cluster) {
        if let Some(folder) = &self.logs {
            cluster.keep_logs(&folder.join(format!("{}-{}", self.scenario.name, self.seed)));
        }
    }
}
