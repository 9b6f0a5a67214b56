//! What is struck, and in which order a seed says.

use std::fmt;

use heimdex_testkit::heimdex::{Cluster, Part};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

/// A process that is killed with SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The process of a part, with all its children; the drill restarts it at once.
    Process(Part),
    /// Only the nats-server or the store below its supervisor, which restarts it.
    Server(Part),
}

impl Fault {
    pub const ALL: [Self; 9] = [
        Self::Process(Part::Nats),
        Self::Process(Part::Store),
        Self::Process(Part::Extractor),
        Self::Process(Part::Chunker),
        Self::Process(Part::Embedder),
        Self::Process(Part::Writer),
        Self::Process(Part::Query),
        Self::Server(Part::Nats),
        Self::Server(Part::Store),
    ];

    /// Kills it. `false` when there was nothing to kill, because it is just being restarted.
    pub fn strike(self, cluster: &mut Cluster) -> bool {
        match self {
            Self::Process(part) => {
                cluster.process(part).kill9();
                true
            }
            Self::Server(part) => cluster.signal_server(part, libc::SIGKILL),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(part) => f.write_str(part.name()),
            Self::Server(part) => write!(f, "{}-server", part.name()),
        }
    }
}

/// Faults without end, in rounds: each kind once a round, in an order of its own each time. So the order is random, and
/// no kind is left out by chance.
pub struct Schedule {
    random: StdRng,
    round: Vec<Fault>,
}

impl Schedule {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), round: Vec::new() }
    }
}

impl Iterator for Schedule {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        if self.round.is_empty() {
            self.round = Fault::ALL.to_vec();
            self.round.shuffle(&mut self.random);
        }
        self.round.pop()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_says_the_order_and_each_round_has_every_kind() {
        let first: Vec<Fault> = Schedule::new(7).take(27).collect();
        assert_eq!(first, Schedule::new(7).take(27).collect::<Vec<_>>());
        assert_ne!(first, Schedule::new(8).take(27).collect::<Vec<_>>());
        for round in first.chunks(Fault::ALL.len()) {
            assert_eq!(round.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from(Fault::ALL));
        }
    }
}
