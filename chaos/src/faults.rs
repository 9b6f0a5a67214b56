//! What can be struck, and in which order a seed says.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use heimdex_schemas::{Lane, StageName};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use crate::cluster::{PRODUCER, Part, Placement};
use crate::scenario::Scenario;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// SIGKILL to a process and its children; it starts again after the hold.
    Kill,
    /// SIGKILL to a nats-server or store, which its supervisor starts again.
    KillServer,
    /// SIGSTOP, and SIGCONT after the hold.
    Pause,
    /// Silence in one direction, the other, or both.
    Partition,
    Latency,
    /// Segments come late, as after a retransmission.
    Loss,
    /// RST on every open connection.
    Reset,
    /// The disk below the broker or the store is full.
    DiskFull,
    /// The process may not allocate any more (`RLIMIT_AS`).
    MemoryLimit,
    /// An operator deletes a consumer.
    ConsumerDeleted,
    /// An operator purges the stream that a stage reads.
    StreamPurged,
    /// SIGTERM, and a new start when it has drained.
    Restart,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::KillServer => "kill-server",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::Latency => "latency",
            Self::Loss => "loss",
            Self::Reset => "reset",
            Self::DiskFull => "disk-full",
            Self::MemoryLimit => "memory-limit",
            Self::ConsumerDeleted => "consumer-deleted",
            Self::StreamPurged => "stream-purged",
            Self::Restart => "restart",
        })
    }
}

/// Whom a fault strikes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A process of a part: `writer`.
    Process(Part),
    /// The nats-server or store itself: `nats-server`, `store-server`.
    Server(Part),
    /// The connection of a part, or of the producers, to a server: `writer:store`.
    Link(Option<Part>, Part),
    /// A consumer: `writer-bulk`; or a stage's stream, for which the lane is of no matter.
    Queue(StageName, Lane),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(part) => part.fmt(f),
            Self::Server(part) => write!(f, "{part}-server"),
            Self::Link(None, server) => write!(f, "{PRODUCER}:{server}"),
            Self::Link(Some(part), server) => write!(f, "{part}:{server}"),
            Self::Queue(stage, lane) => write!(f, "{stage}-{lane}"),
        }
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Some((who, server)) = text.split_once(':') {
            let who = if who == PRODUCER { None } else { Some(who.parse()?) };
            return Ok(Self::Link(who, server.parse()?));
        }
        match text.rsplit_once('-') {
            Some((part, "server")) => Ok(Self::Server(part.parse()?)),
            Some((stage, lane)) => Ok(Self::Queue(stage.parse()?, lane.parse()?)),
            None => Ok(Self::Process(text.parse()?)),
        }
    }
}

/// One `[[fault]]` of a scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSettings {
    pub kind: Kind,
    /// As [`Target`] reads them.
    pub targets: Vec<String>,
    /// From and to: how long it lasts.
    #[serde(default)]
    pub hold_ms: [u64; 2],
    /// Of `latency`.
    #[serde(default = "latency")]
    pub latency_ms: u64,
    /// Of `loss`: reads of a thousand.
    #[serde(default = "lost")]
    pub lost: u16,
}

const fn latency() -> u64 {
    40
}

const fn lost() -> u16 {
    100
}

impl FaultSettings {
    /// # Errors
    /// A target that is none, or none for this kind.
    pub fn targets(&self) -> anyhow::Result<Vec<Target>> {
        ensure!(!self.targets.is_empty(), "it has no targets");
        ensure!(self.hold_ms[0] <= self.hold_ms[1], "hold_ms ends before it begins");
        self.targets.iter().map(|text| self.target(text)).collect()
    }

    fn target(&self, text: &str) -> anyhow::Result<Target> {
        let target: Target = text.parse().with_context(|| format!("target {text:?}"))?;
        let fits = match (self.kind, &target) {
            (Kind::Kill | Kind::Restart, Target::Process(_)) => true,
            (Kind::Pause | Kind::MemoryLimit, Target::Process(_) | Target::Server(_)) => true,
            (Kind::KillServer | Kind::DiskFull, Target::Server(part)) => part.is_server(),
            (Kind::Partition | Kind::Latency | Kind::Loss | Kind::Reset, Target::Link(_, server)) => server.is_server(),
            (Kind::ConsumerDeleted | Kind::StreamPurged, Target::Queue(..)) => true,
            _ => false,
        };
        if fits { Ok(target) } else { bail!("{} does not strike {text:?}", self.kind) }
    }
}

/// One blow.
#[derive(Debug, Clone, PartialEq)]
pub struct Strike {
    pub kind: Kind,
    pub target: Target,
    pub hold: Duration,
    pub latency: Duration,
    pub lost: u16,
    /// For whatever is left to chance.
    pub seed: u64,
}

/// The blows of a seed in rounds: each fault once on each of its targets a round, in an order of its own each time. So the
/// order is random, and none is left out by chance.
///
/// # Errors
/// A target that is none.
pub fn schedule(scenario: &Scenario, seed: u64) -> anyhow::Result<Vec<Strike>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut strikes = Vec::new();
    for _ in 0..scenario.rounds {
        let mut round = Vec::new();
        for fault in &scenario.faults {
            for target in placed(fault.targets()?, scenario.placement(seed)) {
                round.push(strike(fault, target, &mut random));
            }
        }
        round.shuffle(&mut random);
        strikes.extend(round);
    }
    Ok(strikes)
}

/// In one process there is one process to strike.
fn placed(mut targets: Vec<Target>, placement: Placement) -> Vec<Target> {
    if placement == Placement::Together {
        let mut one = false;
        targets.retain(|target| match target {
            Target::Process(_) => !std::mem::replace(&mut one, true),
            Target::Server(_) | Target::Queue(..) => true,
            Target::Link(..) => false,
        });
    }
    targets
}

fn strike(fault: &FaultSettings, target: Target, random: &mut StdRng) -> Strike {
    let [from, to] = fault.hold_ms;
    Strike {
        kind: fault.kind,
        target,
        hold: Duration::from_millis(random.random_range(from..=to)),
        latency: Duration::from_millis(fault.latency_ms),
        lost: fault.lost,
        seed: random.random(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn scenario(text: &str) -> Scenario {
        toml::from_str(&format!("summary = \"x.\"\n{text}")).unwrap()
    }

    #[test]
    fn a_seed_says_the_order_and_each_round_has_every_target() {
        let kill = "rounds = 3\n[[fault]]\nkind = \"kill\"\ntargets = [\"nats\", \"writer\", \"query\", \"store\"]";
        let scenario = scenario(kill);
        let first = schedule(&scenario, 7).unwrap();
        assert_eq!(first, schedule(&scenario, 7).unwrap());
        assert_ne!(first, schedule(&scenario, 8).unwrap());
        for round in first.chunks(4) {
            let mut targets: Vec<String> = round.iter().map(|strike| strike.target.to_string()).collect();
            targets.sort();
            assert_eq!(targets, ["nats", "query", "store", "writer"]);
        }
    }

    #[test]
    fn in_one_process_there_is_one_to_kill_and_no_link() {
        let text = "placements = [\"together\"]\n[[fault]]\nkind = \"kill\"\ntargets = [\"nats\", \"writer\"]\n\
                    [[fault]]\nkind = \"reset\"\ntargets = [\"writer:store\"]";
        assert_eq!(schedule(&scenario(text), 1).unwrap().len(), 1);
    }

    #[test]
    fn targets_are_read_as_they_are_written() {
        for text in ["writer", "nats-server", "writer:store", "producer:nats", "embedder-bulk"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for text in ["", "wrter", "writer:", "nats-sever", "writer-fast"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_fault_strikes_only_what_it_can() {
        let fault = |kind, target: &str| FaultSettings {
            kind,
            targets: vec![target.to_owned()],
            hold_ms: [0, 0],
            latency_ms: 0,
            lost: 0,
        };
        assert!(fault(Kind::Kill, "writer:nats").targets().is_err());
        assert!(fault(Kind::Partition, "writer").targets().is_err());
        assert!(fault(Kind::DiskFull, "query-server").targets().is_err());
        assert!(fault(Kind::DiskFull, "store-server").targets().is_ok());
    }
}
