//! Strikes a running cluster, and heals it again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use heimdex_bus::{Bus, topology};
use heimdex_schemas::StageName;
use heimdex_testkit::heimdex::tree;
use serde::Deserialize;

use crate::cluster::{Cluster, Part};
use crate::faults::{Kind, Strike, Target};
use crate::memory;
use crate::proxy::{Flow, Weather};

/// How long a process may take from SIGTERM to its end: the program's own grace and its children's.
const DRAIN: Duration = Duration::from_secs(60);
/// How long a purge waits until there is something to purge.
const FILLS: Duration = Duration::from_secs(4);
/// Messages that make a purge worth it.
const WORTH: u64 = 2;
const API: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
/// Percent of its address space that a limited process gets, from and to.
const SHARE: (u64, u64) = (25, 85);
/// What a process says that cannot have more memory.
const COMPLAINTS: [&str; 4] = ["annot allocate", "out of memory", "memory allocation", "t spawn worker thread"];

/// What struck, and what happened on the way.
#[derive(Debug, Clone, Default)]
pub struct Struck {
    /// By kind and target, each blow that met somebody.
    pub blows: BTreeMap<(Kind, String), usize>,
    /// Why a kind could not strike here.
    pub missed: BTreeMap<Kind, String>,
    /// Processes that ended by themselves, by name and how they ended.
    pub exits: BTreeMap<String, usize>,
    /// Drains that did not end as they should.
    pub rough_ends: Vec<String>,
}

impl Struck {
    /// Blows of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> usize {
        self.blows.iter().filter(|((struck, _), _)| *struck == kind).map(|(_, times)| times).sum()
    }
}

/// A fault that lasts.
struct Active {
    strike: Strike,
    until: Instant,
    heal: Heal,
}

enum Heal {
    /// SIGCONT.
    Continue(Vec<u32>),
    /// Clear weather on a link that had been touched so often before.
    Calm { link: usize, touched: u64 },
    /// Start a process that was killed.
    Start(usize),
    /// Give the disk its space back.
    Empty(Part),
    /// Give a process its memory back: a fresh start, since what it started has its own limit.
    Lift { process: usize, exits: usize, written: usize },
}

/// The injector of one run.
pub struct Injector {
    pub cluster: Cluster,
    pub struck: Struck,
    bus: Bus,
    active: Vec<Active>,
    /// Processes that are to stay dead for now.
    down: BTreeSet<usize>,
    /// Processes that may have so many bytes of address space for now.
    limited: BTreeMap<usize, u64>,
}

#[derive(Deserialize)]
struct Purged {
    purged: Option<u64>,
}

impl Injector {
    #[must_use]
    pub fn new(cluster: Cluster, bus: Bus) -> Self {
        Self {
            cluster,
            struck: Struck::default(),
            bus,
            active: Vec::new(),
            down: BTreeSet::new(),
            limited: BTreeMap::new(),
        }
    }

    /// Strikes; `false` when there was nobody to strike just now.
    ///
    /// # Errors
    /// When a process does not end or start as it must, or the broker refuses what an operator may do.
    pub async fn strike(&mut self, strike: Strike) -> anyhow::Result<bool> {
        match strike.kind {
            Kind::Kill => self.kill(strike).await,
            Kind::KillServer => Ok(self.kill_server(&strike)),
            Kind::Pause => Ok(self.pause(strike)),
            Kind::Partition | Kind::Latency | Kind::Loss => Ok(self.disturb(strike)),
            Kind::Reset => Ok(self.reset(&strike)),
            Kind::DiskFull => self.fill(strike),
            Kind::MemoryLimit => self.limit(strike).await,
            Kind::ConsumerDeleted => self.delete_consumer(&strike).await,
            Kind::StreamPurged => self.purge(&strike).await,
            Kind::Restart => self.restart(&strike).await,
        }
    }

    /// Heals what has lasted long enough, or everything.
    ///
    /// # Errors
    /// When a process does not start, or a disk does not get its space back.
    pub async fn heal(&mut self, all: bool) -> anyhow::Result<()> {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.active).into_iter().partition(|active| all || active.until <= now);
        self.active = later;
        let due: Vec<Active> = due;
        for Active { strike, heal, .. } in due {
            self.heal_one(&strike, heal).await?;
        }
        Ok(())
    }

    /// Whether anything still lasts.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.active.is_empty()
    }

    /// Starts what ended by itself again, as an orchestrator does.
    ///
    /// # Errors
    /// When a process does not start.
    pub async fn revive(&mut self) -> anyhow::Result<()> {
        for n in 0..self.cluster.processes.len() {
            let process = &mut self.cluster.processes[n];
            if self.down.contains(&n) || process.is_running() {
                continue;
            }
            let status = process.status();
            *self.struck.exits.entry(format!("{} {status}", process.name())).or_default() += 1;
            process.kill9().await?;
            self.start(n)?;
        }
        Ok(())
    }

    fn count(&mut self, strike: &Strike) {
        *self.struck.blows.entry((strike.kind, strike.target.to_string())).or_default() += 1;
    }

    fn hold(&mut self, strike: Strike, heal: Heal) {
        let until = Instant::now() + strike.hold;
        self.active.push(Active { strike, until, heal });
    }

    /// One of the part's processes that is up.
    fn pick(&mut self, strike: &Strike) -> Option<usize> {
        let Target::Process(part) = strike.target else { return None };
        let processes = self.cluster.processes.iter_mut().enumerate();
        let up = processes.filter(|(n, process)| !self.down.contains(n) && process.runs(part));
        let up: Vec<usize> = up.map(|(n, _)| n).collect();
        let n = usize::try_from(strike.seed % (up.len().max(1) as u64)).unwrap_or_default();
        up.get(n).copied()
    }

    async fn kill(&mut self, strike: Strike) -> anyhow::Result<bool> {
        let Some(n) = self.pick(&strike) else { return Ok(false) };
        self.cluster.processes[n].kill9().await?;
        self.count(&strike);
        if strike.hold.is_zero() {
            self.cluster.processes[n].revive()?;
        } else {
            self.down.insert(n);
            self.hold(strike, Heal::Start(n));
        }
        Ok(true)
    }

    fn kill_server(&mut self, strike: &Strike) -> bool {
        let Some(pid) = self.server(strike) else { return false };
        tree::signal(pid, libc::SIGKILL);
        self.count(strike);
        true
    }

    fn server(&self, strike: &Strike) -> Option<u32> {
        let Target::Server(part) = strike.target else { return None };
        self.cluster.server_pid(part)
    }

    fn pause(&mut self, strike: Strike) -> bool {
        let pids = match self.pick(&strike) {
            Some(n) => self.cluster.processes[n].signal(libc::SIGSTOP, true),
            None => self.server(&strike).into_iter().inspect(|pid| tree::signal(*pid, libc::SIGSTOP)).collect(),
        };
        if pids.is_empty() {
            return false;
        }
        self.count(&strike);
        self.hold(strike, Heal::Continue(pids));
        true
    }

    /// A link of the target that is calm.
    fn link(&self, strike: &Strike) -> Option<usize> {
        let Target::Link(who, server) = strike.target else { return None };
        let runs = |name: &str| match who {
            None => name == crate::cluster::PRODUCER,
            Some(part) => self.cluster.processes.iter().any(|process| process.name() == name && process.runs(part)),
        };
        let taken =
            |n: usize| self.active.iter().any(|active| matches!(active.heal, Heal::Calm { link, .. } if link == n));
        let links = self.cluster.links.iter().enumerate();
        let fits = links.filter(|(n, link)| link.server == server && runs(&link.who) && !taken(*n));
        let fits: Vec<usize> = fits.map(|(n, _)| n).collect();
        let n = usize::try_from(strike.seed % (fits.len().max(1) as u64)).unwrap_or_default();
        fits.get(n).copied()
    }

    /// Counted when it is over, if it met anybody.
    fn disturb(&mut self, strike: Strike) -> bool {
        let Some(link) = self.link(&strike) else { return false };
        let proxy = &self.cluster.links[link].proxy;
        proxy.set(weather(&strike));
        let touched = proxy.touched();
        self.hold(strike, Heal::Calm { link, touched });
        true
    }

    fn reset(&mut self, strike: &Strike) -> bool {
        let Some(link) = self.link(strike) else { return false };
        self.cluster.links[link].proxy.reset();
        self.count(strike);
        true
    }

    fn fill(&mut self, strike: Strike) -> anyhow::Result<bool> {
        let Target::Server(part) = strike.target else { return Ok(false) };
        let Some(volume) = self.cluster.volumes.get(&part) else {
            let reason = self.cluster.no_volumes.clone().unwrap_or_else(|| format!("{part} has no disk of its own"));
            self.struck.missed.insert(Kind::DiskFull, reason);
            return Ok(true);
        };
        volume.fill(0)?;
        self.count(&strike);
        self.hold(strike, Heal::Empty(part));
        Ok(true)
    }

    /// The process starts again with less address space than it had. Counted when it is over, if it died or complained.
    async fn limit(&mut self, strike: Strike) -> anyhow::Result<bool> {
        let Some(n) = self.pick(&strike).filter(|n| !self.limited.contains_key(n)) else { return Ok(false) };
        let Target::Process(part) = strike.target else { return Ok(false) };
        let largest = self.cluster.server_pid(part).unwrap_or(self.cluster.processes[n].id());
        let Ok(used) = memory::used(largest) else { return Ok(false) };
        let share = SHARE.0 + strike.seed % (SHARE.1 - SHARE.0);
        self.limited.insert(n, used / 100 * share);
        self.cluster.processes[n].kill9().await?;
        let (exits, written) = (self.exits(), self.cluster.processes[n].output().len());
        self.start(n)?;
        self.hold(strike, Heal::Lift { process: n, exits, written });
        Ok(true)
    }

    fn exits(&self) -> usize {
        self.struck.exits.values().sum()
    }

    /// Starts a process that has ended, with its limit if it has one.
    fn start(&mut self, n: usize) -> anyhow::Result<()> {
        let process = &mut self.cluster.processes[n];
        process.revive()?;
        if let Some(bytes) = self.limited.get(&n)
            && let Err(error) = memory::limit(process.id(), *bytes)
        {
            self.struck.missed.insert(Kind::MemoryLimit, error.to_string());
        }
        Ok(())
    }

    async fn delete_consumer(&mut self, strike: &Strike) -> anyhow::Result<bool> {
        let Target::Queue(stage, lane) = strike.target else { return Ok(false) };
        let deleted = self.bus.delete_consumer(stage, lane).await.is_ok();
        if deleted {
            self.count(strike);
        }
        Ok(deleted)
    }

    /// The stage is held still until its queue has something in it, so that there is something to lose.
    async fn purge(&mut self, strike: &Strike) -> anyhow::Result<bool> {
        let Target::Queue(stage, _) = strike.target else { return Ok(false) };
        let part: Part = stage.as_str().parse()?;
        let readers = self.cluster.processes.iter().filter(|process| process.runs(part));
        let held: Vec<u32> = readers.flat_map(|process| process.signal(libc::SIGSTOP, true)).collect();
        let purged = self.purge_when_full(stage).await;
        held.iter().for_each(|pid| tree::signal(*pid, libc::SIGCONT));
        if purged? {
            self.count(strike);
            return Ok(true);
        }
        Ok(false)
    }

    async fn purge_when_full(&self, stage: StageName) -> anyhow::Result<bool> {
        let stream = topology::input_stream(stage);
        let give_up = Instant::now() + FILLS;
        while self.bus.stream_messages(stream).await.unwrap_or_default() < WORTH {
            if Instant::now() > give_up {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        let call = format!("$JS.API.STREAM.PURGE.{stream}");
        let answer = self.bus.requests().request(&call, &[], Bytes::new(), API).await?;
        let Purged { purged } = serde_json::from_slice(&answer).context("the answer to a purge")?;
        Ok(purged.is_some_and(|purged| purged > 0))
    }

    async fn restart(&mut self, strike: &Strike) -> anyhow::Result<bool> {
        let Some(n) = self.pick(strike) else { return Ok(false) };
        let process = &mut self.cluster.processes[n];
        // One that is still starting has nothing to drain.
        process.wait_ready().await?;
        let status = process.terminate(DRAIN).await?;
        if !status.success() {
            self.struck.rough_ends.push(format!("{} after SIGTERM: {status}", process.name()));
        }
        process.revive()?;
        process.wait_ready().await?;
        self.count(strike);
        Ok(true)
    }

    async fn heal_one(&mut self, strike: &Strike, heal: Heal) -> anyhow::Result<()> {
        match heal {
            Heal::Continue(pids) => pids.iter().for_each(|pid| tree::signal(*pid, libc::SIGCONT)),
            Heal::Calm { link, touched } => self.calm(strike, link, touched),
            Heal::Start(n) => {
                self.down.remove(&n);
                self.cluster.processes[n].revive()?;
            }
            Heal::Empty(part) => self.cluster.volumes.get(&part).map_or(Ok(()), crate::cluster::Volume::empty)?,
            Heal::Lift { process, exits, written } => self.lift(strike, process, (exits, written)).await?,
        }
        Ok(())
    }

    /// A partition ends with the connections as they were, or, as often, with a reset: firewalls forget them.
    fn calm(&mut self, strike: &Strike, link: usize, before: u64) {
        let proxy = &self.cluster.links[link].proxy;
        let met = proxy.touched() > before;
        if strike.kind == Kind::Partition && strike.seed.is_multiple_of(2) {
            proxy.reset();
        }
        proxy.set(Weather::default());
        if met {
            self.count(strike);
        }
    }

    async fn lift(&mut self, strike: &Strike, n: usize, (exits, written): (usize, usize)) -> anyhow::Result<()> {
        let said = self.cluster.processes[n].output();
        let said = said.get(written..).unwrap_or_default();
        if self.exits() > exits || COMPLAINTS.iter().any(|complaint| said.contains(complaint)) {
            self.count(strike);
        }
        self.limited.remove(&n);
        self.cluster.processes[n].kill9().await?;
        self.cluster.processes[n].revive()
    }
}

fn weather(strike: &Strike) -> Weather {
    let clear = Flow::default();
    match strike.kind {
        Kind::Latency => Weather::both(Flow { latency: strike.latency, ..clear }),
        Kind::Loss => Weather::both(Flow { lost: strike.lost, ..clear }),
        _ => {
            let silent = Flow { silent: true, ..clear };
            // Half of them are whole; the others let one direction through.
            match strike.seed / 2 % 4 {
                0 => Weather { to_server: silent, ..Weather::default() },
                1 => Weather { to_client: silent, ..Weather::default() },
                _ => Weather::both(silent),
            }
        }
    }
}
