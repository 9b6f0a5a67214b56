#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn settings() -> WorkloadSettings {
    WorkloadSettings { purged: 4, skewed: 30, duplicates: 40, late: 10, ..WorkloadSettings::default() }
}

fn workload(seed: u64) -> Workload {
    Workload::new(&settings(), &Pool::new(None).unwrap(), seed).unwrap()
}

#[test]
fn a_seed_says_everything() {
    let show = |seed| format!("{:?}", workload(seed));
    assert_eq!(show(3), show(3));
    assert_ne!(show(3), show(4));
}

#[test]
fn everything_asked_for_is_there() {
    let (settings, workload) = (settings(), workload(1));
    let count = |wanted: fn(&Wish) -> bool| workload.events.iter().filter(|event| wanted(&event.wish)).count();
    let uploads = settings.uploads + 2 * settings.large + settings.bad;
    assert_eq!(count(|wish| matches!(wish, Wish::Upload(_))), uploads);
    assert_eq!((count(|wish| *wish == Wish::Delete), count(|wish| *wish == Wish::Purge)), (settings.deletes, 1));
    let steps: Vec<Step> = workload.producers.concat();
    assert_eq!(steps.len(), workload.events.len() + settings.duplicates);
    let originals = steps.iter().filter(|step| !step.is_copy).map(|step| step.event).collect::<BTreeSet<_>>();
    assert_eq!(originals.len(), workload.events.len());
    assert!(workload.skewed() > 0 && workload.late.len() == settings.late);
    let jobs = workload.events.iter().map(Event::job).collect::<BTreeSet<_>>();
    assert_eq!(jobs.len(), workload.events.len());
}

#[test]
fn one_producer_publishes_what_is_not_numbered_in_the_order_of_its_ranks() {
    for seed in 0..20 {
        let workload = workload(seed);
        let mut published: BTreeMap<(&Org, &Option<AssetId>), (usize, u64)> = BTreeMap::new();
        for (producer, steps) in workload.producers.iter().enumerate() {
            assert!(steps.is_sorted_by(|a, b| a.at <= b.at));
            for step in steps {
                let event = &workload.events[step.event];
                if event.is_numbered {
                    continue;
                }
                let last = published.entry((&event.org, &event.asset)).or_insert((producer, 0));
                assert!(
                    last.0 == producer && (event.rank > last.1 || (step.is_copy && event.rank == last.1)),
                    "{seed}"
                );
                *last = (producer, event.rank);
            }
        }
    }
}

#[test]
fn ranks_of_an_asset_differ() {
    let workload = workload(5);
    let mut ranks = BTreeSet::new();
    for event in &workload.events {
        assert!(ranks.insert((event.org.clone(), event.asset.clone(), event.is_numbered, event.rank)), "{event:?}");
    }
}
