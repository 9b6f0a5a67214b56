//! The rules of suspicion, and that they never hit an innocent, whatever dies when.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use proptest::prelude::*;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn process(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn rules(n: u128) -> Rules {
    Rules { holder: process(n), deaths: 2, company: 1, patience: PATIENCE }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

fn marked(by: u128, seconds_ago: i64) -> Option<Mark> {
    Some(Mark { holder: process(by), at: now() - TimeDelta::seconds(seconds_ago) })
}

/// As process 1 judges it.
fn judged(record: &Record, delivered: u64) -> &'static str {
    match judge(Standing { record: record.clone(), revision: None }, delivered, &rules(1), now()) {
        Treatment::Normal(_) => "normal",
        Treatment::Suspect(_) => "suspect",
        Treatment::Held(_) => "held",
        Treatment::Poison(_) => "poison",
    }
}

#[test]
fn two_deliveries_without_an_outcome_make_a_suspect() {
    let explained = Record { accounted: 4, attempts: 4, ..Record::default() };
    assert_eq!((judged(&Record::default(), 2), judged(&Record::default(), 3)), ("normal", "suspect"));
    assert_eq!((judged(&explained, 5), judged(&explained, 6), judged(&explained, 7)), ("normal", "normal", "suspect"));
}

#[test]
fn two_processes_that_died_alone_with_it_make_poison() {
    let first = Record { accounted: 3, alone: marked(2, 60), ..Record::default() };
    assert_eq!(judged(&first, 4), "suspect");
    let second = Record { alone: marked(3, 60), died: [process(2)].into(), ..first.clone() };
    assert_eq!(judged(&second, 5), "poison");
    let same = Record { alone: marked(2, 60), died: [process(2)].into(), ..first };
    assert_eq!(judged(&same, 5), "suspect", "nobody dies twice");
}

#[test]
fn a_mark_of_a_process_that_may_be_alive_is_respected() {
    assert_eq!(judged(&Record { alone: marked(2, 29), ..Record::default() }, 4), "held");
    assert_eq!(judged(&Record { alone: marked(2, -3600), ..Record::default() }, 4), "held");
    assert_eq!(judged(&Record { alone: marked(2, 30), ..Record::default() }, 4), "suspect");
    let ours = Record { alone: marked(1, 3600), died: [process(2)].into(), ..Record::default() };
    assert_eq!(judged(&ours, 2), "suspect", "a copy in this very process is no death");
}

#[test]
fn what_is_buried_is_not_opened_again() {
    assert_eq!(judged(&Record { buried: true, accounted: 1, ..Record::default() }, 2), "poison");
}

#[test]
fn only_the_holder_clears_its_mark() {
    let mut record = Record { alone: marked(2, 0), ..Record::default() };
    clear(&mut record, process(1));
    assert_eq!(record.alone, marked(2, 0));
    clear(&mut record, process(2));
    assert_eq!(record.alone, None);
}

/// One message of a made-up queue.
#[derive(Debug, Clone, Default)]
struct Message {
    kills: bool,
    delivered: u64,
    record: Record,
    is_done: bool,
    is_poison: bool,
}

/// A queue and the process that works on it; each death makes the next process.
struct World {
    queue: Vec<Message>,
    process: u128,
    deaths: usize,
    now: DateTime<Utc>,
}

impl World {
    fn new(kills: &[bool]) -> Self {
        let message = |kills: &bool| Message { kills: *kills, ..Message::default() };
        Self { queue: kills.iter().map(message).collect(), process: 1, deaths: 0, now: now() }
    }

    fn die(&mut self) {
        self.process += 1;
        self.deaths += 1;
        // A lease runs out before anybody sees the message again.
        self.now += TimeDelta::from_std(PATIENCE).unwrap();
    }

    /// Takes the messages `picked` in hand at the same time, as permits do, and is killed from outside if `is_killed`.
    fn round(&mut self, picked: &[usize], is_killed: bool) {
        let mut together = Vec::new();
        for n in picked.iter().map(|n| n % self.queue.len()).collect::<BTreeSet<_>>() {
            if self.queue[n].is_done || self.queue[n].is_poison {
                continue;
            }
            self.queue[n].delivered += 1;
            let standing = Standing { record: self.queue[n].record.clone(), revision: None };
            let rules = Rules { holder: process(self.process), ..rules(1) };
            match judge(standing, self.queue[n].delivered, &rules, self.now) {
                Treatment::Normal(_) => together.push(n),
                Treatment::Held(_) => {}
                Treatment::Poison(_) => self.queue[n].is_poison = true,
                Treatment::Suspect(standing) => {
                    if self.alone(n, standing, is_killed) {
                        return self.die();
                    }
                }
            }
        }
        let dies = is_killed || together.iter().any(|n| self.queue[*n].kills);
        match dies {
            true => self.die(),
            false => together.iter().for_each(|n| self.queue[*n].is_done = true),
        }
    }

    /// Whether the process died of it, or with it.
    fn alone(&mut self, n: usize, standing: Standing, is_killed: bool) -> bool {
        let message = &mut self.queue[n];
        message.record = standing.record;
        message.record.alone = Some(Mark { holder: process(self.process), at: self.now });
        message.record.accounted = message.record.accounted.max(message.delivered);
        let dies = message.kills || is_killed;
        message.is_done = !dies;
        dies
    }
}

proptest! {
    /// Only killers are poison, each after two deaths of its own, and nobody else is lost.
    #[test]
    fn innocents_come_through_and_killers_do_not(
        kills in prop::collection::vec(prop::bool::weighted(0.2), 1..24),
        rounds in prop::collection::vec(prop::collection::vec(0usize..1000, 1..8), 0..40),
    ) {
        let mut world = World::new(&kills);
        for picked in &rounds {
            world.round(picked, false);
        }
        let everyone: Vec<usize> = (0..kills.len()).collect();
        // Whatever happened before, four deaths for each killer and one quiet round end it.
        for _ in 0..4 * kills.len() + 1 {
            everyone.chunks(8).for_each(|picked| world.round(picked, false));
        }
        for message in &world.queue {
            prop_assert_eq!(message.is_poison, message.kills);
            prop_assert_eq!(message.is_done, !message.kills);
        }
        let killers = kills.iter().filter(|kills| **kills).count();
        prop_assert!(world.deaths <= 4 * killers, "{} deaths for {killers} killers", world.deaths);
    }

    /// A process that is killed from outside costs an innocent nothing unless that happens twice with it alone in hand.
    #[test]
    fn kills_from_outside_in_company_poison_nobody(
        rounds in prop::collection::vec((prop::collection::vec(0usize..1000, 1..8), any::<bool>()), 1..40),
    ) {
        let mut world = World::new(&[false; 12]);
        for (picked, is_killed) in &rounds {
            let alone = |n: &usize| {
                let message = &world.queue[n % 12];
                message.delivered - message.record.accounted > 1 || !message.record.died.is_empty()
            };
            let strikes_a_suspect = *is_killed && picked.iter().any(alone);
            world.round(picked, *is_killed && !strikes_a_suspect);
        }
        prop_assert!(world.queue.iter().all(|message| !message.is_poison));
    }
}
