//! What a workload must leave behind, worked out without running it: who is current, who is superseded, who is deleted.

use std::collections::{BTreeMap, BTreeSet};

use heimdex_schemas::{AssetId, Org, PointId, ReceiptState, UploadId};

use crate::reference::Reference;
use crate::workload::{Event, Wish, Workload};

/// A live point that must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    pub upload: UploadId,
    /// Of the pool.
    pub entry: usize,
    pub ordinal: u32,
}

/// How one job must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub org: Org,
    /// `None` for the purge of an org.
    pub asset: Option<AssetId>,
    /// Any of these.
    pub states: Vec<ReceiptState>,
    /// Where it is searchable: how many chunks.
    pub chunks: Option<u32>,
}

/// Everything owed.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    pub endings: BTreeMap<UploadId, Ending>,
    pub live: BTreeMap<PointId, Owed>,
    /// Uploads whose asset or org was deleted after them: nothing of them may be left.
    pub gone: BTreeSet<UploadId>,
    /// Assets with a document that nobody can read, by org and hash: they may have dead letters.
    pub guilty: BTreeSet<(String, String)>,
}

impl Expected {
    /// `excused` uploads failed for a reason that the scenario allows; the one before them stays current.
    #[must_use]
    pub fn new(workload: &Workload, reference: &Reference, excused: &BTreeSet<UploadId>) -> Self {
        let mut expected = Self::default();
        let mut assets: BTreeMap<(&Org, &AssetId), Vec<&Event>> = BTreeMap::new();
        for event in &workload.events {
            match &event.asset {
                Some(asset) => assets.entry((&event.org, asset)).or_default().push(event),
                None => expected.end(event, vec![ReceiptState::Deleted], None),
            }
        }
        let purges: Vec<&Event> = workload.events.iter().filter(|event| event.wish == Wish::Purge).collect();
        for ((org, _), events) in assets {
            let purges = purges.iter().filter(|purge| &purge.org == org).map(|purge| purge.rank);
            let deletions = events.iter().filter(|event| event.wish == Wish::Delete).map(|event| event.rank);
            let tombstone = purges.chain(deletions).max().unwrap_or_default();
            expected.asset(&events, tombstone, (reference, excused));
        }
        expected
    }

    fn end(&mut self, event: &Event, states: Vec<ReceiptState>, chunks: Option<u32>) {
        let ending = Ending { org: event.org.clone(), asset: event.asset.clone(), states, chunks };
        self.endings.insert(event.job(), ending);
    }

    fn asset(&mut self, events: &[&Event], tombstone: u64, (reference, excused): (&Reference, &BTreeSet<UploadId>)) {
        let outcome = |event: &Event| match event.wish {
            Wish::Upload(_) if excused.contains(&event.job()) => Some(ReceiptState::Failed),
            Wish::Upload(entry) => reference.entry(entry).map(|known| known.state),
            Wish::Delete | Wish::Purge => None,
        };
        let is_good = |event: &&&Event| {
            event.rank > tombstone && matches!(outcome(event), Some(ReceiptState::Indexed | ReceiptState::Degraded))
        };
        let head = events.iter().filter(is_good).max_by_key(|event| event.rank).map(|event| event.job());
        for event in events {
            let Some(state) = outcome(event) else {
                self.end(event, vec![ReceiptState::Deleted], None);
                continue;
            };
            let is_head = head == Some(event.job());
            if state == ReceiptState::Failed && !excused.contains(&event.job()) {
                self.blame(event);
            }
            if event.rank < tombstone {
                self.gone.insert(event.job());
                let allowed = vec![ReceiptState::Deleted, ReceiptState::Superseded];
                let failed = (state == ReceiptState::Failed).then_some(state);
                self.end(event, allowed.into_iter().chain(failed).collect(), None);
            } else if state == ReceiptState::Failed {
                self.end(event, vec![state], None);
            } else if is_head {
                self.owe(event, state, reference);
            } else {
                self.end(event, vec![ReceiptState::Superseded], None);
            }
        }
    }

    fn blame(&mut self, event: &Event) {
        if let Some(asset) = &event.asset {
            self.guilty.insert((event.org.to_string(), asset.hash()));
        }
    }

    fn owe(&mut self, event: &Event, state: ReceiptState, reference: &Reference) {
        let Wish::Upload(entry) = event.wish else { return };
        let upload = event.job();
        let chunks = reference.entry(entry).map(|known| known.chunks.as_slice()).unwrap_or_default();
        for chunk in chunks {
            let point = PointId::new(upload, &reference.space, chunk.ordinal);
            self.live.insert(point, Owed { upload, entry, ordinal: chunk.ordinal });
        }
        self.end(event, vec![state], u32::try_from(chunks.len()).ok());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use heimdex_schemas::Lane;

    use super::*;
    use crate::reference::Known;

    /// `(rank, wish)` of one asset; entry 0 is good, entry 1 cannot be read.
    fn expected(wishes: &[(u64, Wish)]) -> (Expected, Vec<Event>) {
        let events = wishes.iter().map(|(rank, wish)| Event {
            org: "a".parse().unwrap(),
            asset: (*wish != Wish::Purge).then(|| "x".parse().unwrap()),
            id: format!("{rank}"),
            wish: *wish,
            rank: *rank,
            is_numbered: true,
            lane: Lane::Interactive,
            skew: 0,
        });
        let workload = Workload { events: events.collect(), ..Workload::default() };
        let reference = Reference { space: "s".to_owned(), entries: vec![Known::good(2), Known::unreadable()] };
        (Expected::new(&workload, &reference, &BTreeSet::new()), workload.events)
    }

    fn states(wishes: &[(u64, Wish)]) -> Vec<ReceiptState> {
        let (expected, events) = expected(wishes);
        events.iter().map(|event| expected.endings[&event.job()].states[0]).collect()
    }

    const GOOD: Wish = Wish::Upload(0);
    const BAD: Wish = Wish::Upload(1);

    #[test]
    fn the_newest_is_current_whatever_the_order_of_publishing() {
        use ReceiptState::{Indexed, Superseded};
        assert_eq!(states(&[(2, GOOD), (3, GOOD), (1, GOOD)]), [Superseded, Indexed, Superseded]);
        let (expected, events) = expected(&[(2, GOOD), (3, GOOD), (1, GOOD)]);
        assert_eq!(expected.live.len(), 2);
        assert!(expected.live.values().all(|owed| owed.upload == events[1].job()));
    }

    #[test]
    fn what_cannot_be_read_never_hides_what_was_there_before() {
        use ReceiptState::{Failed, Indexed};
        assert_eq!(states(&[(1, GOOD), (2, BAD)]), [Indexed, Failed]);
        assert_eq!(expected(&[(1, GOOD), (2, BAD)]).0.guilty.len(), 1);
    }

    #[test]
    fn a_deletion_covers_what_is_older_and_nothing_else() {
        use ReceiptState::{Deleted, Indexed};
        assert_eq!(states(&[(1, GOOD), (3, GOOD), (2, Wish::Delete)]), [Deleted, Indexed, Deleted]);
        assert_eq!(states(&[(1, GOOD), (2, Wish::Purge), (3, GOOD)]), [Deleted, Deleted, Indexed]);
        let (expected, events) = expected(&[(1, GOOD), (2, GOOD), (3, Wish::Delete)]);
        assert!(expected.live.is_empty() && expected.gone.contains(&events[1].job()) && expected.gone.len() == 2);
    }
}
