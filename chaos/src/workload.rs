//! Who uploads and deletes what, when: all of it decided by the seed before anything begins.

use heimdex_e2e::client::SOURCE;
use heimdex_schemas::{AssetId, Lane, Org, UploadId};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

use crate::pool::{Kind, Pool};
use crate::scenario::WorkloadSettings;

/// Two with the same asset ids, so that a point that strays is seen; and one that may be purged.
pub const ORGS: [&str; 3] = ["chaos-a", "chaos-b", "chaos-purged"];
/// A wrong clock is wrong by up to this.
const SKEW_S: i64 = 30 * 24 * 60 * 60;

/// What an event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Upload the pool's entry of this number.
    Upload(usize),
    Delete,
    /// Delete all that the org has.
    Purge,
}

/// One event of an uploader. It may be published several times, and is one job all the same.
#[derive(Debug, Clone)]
pub struct Event {
    pub org: Org,
    /// `None` for a purge.
    pub asset: Option<AssetId>,
    pub id: String,
    pub wish: Wish,
    /// Which event of the asset is newer: the greater. Events of one org that a purge concerns are all comparable.
    pub rank: u64,
    /// Whether the uploader says so (the `sequence` extension); else the order of publishing does.
    pub is_numbered: bool,
    pub lane: Lane,
    /// Seconds by which its clock is wrong.
    pub skew: i64,
}

impl Event {
    #[must_use]
    pub fn job(&self) -> UploadId {
        UploadId::new(&self.org, SOURCE, &self.id)
    }
}

/// One publishing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Of the whole time, from 0 to 1.
    pub at: f64,
    pub event: usize,
    /// Published before: with another `Nats-Msg-Id`, so that the broker does not know it again.
    pub is_copy: bool,
}

/// Everything that is published.
#[derive(Debug, Clone, Default)]
pub struct Workload {
    pub events: Vec<Event>,
    /// Each producer's, in their order.
    pub producers: Vec<Vec<Step>>,
    /// Published once more at the very end.
    pub late: Vec<usize>,
}

impl Workload {
    /// The workload of a seed.
    ///
    /// # Errors
    /// None with the names used here.
    pub fn new(settings: &WorkloadSettings, pool: &Pool, seed: u64) -> anyhow::Result<Self> {
        let mut making = Making {
            random: StdRng::seed_from_u64(seed),
            settings,
            seed,
            workload: Self::default(),
            steps: Vec::new(),
        };
        making.assets(pool)?;
        making.purge()?;
        making.copies();
        Ok(making.finish())
    }

    /// How many events have a wrong clock.
    #[must_use]
    pub fn skewed(&self) -> usize {
        self.events.iter().filter(|event| event.skew != 0).count()
    }
}

struct Making<'a> {
    random: StdRng,
    settings: &'a WorkloadSettings,
    seed: u64,
    workload: Workload,
    /// With their producer.
    steps: Vec<(usize, Step)>,
}

/// What all events of one asset share.
#[derive(Clone)]
struct Asset {
    org: Org,
    id: AssetId,
    family: Vec<usize>,
    is_numbered: bool,
    lane: Lane,
    /// Who publishes it when the order of publishing matters.
    producer: usize,
}

impl Making<'_> {
    fn assets(&mut self, pool: &Pool) -> anyhow::Result<()> {
        let WorkloadSettings { assets, uploads, deletes, purged, bad, large, .. } = *self.settings;
        let [good, big, unreadable] = [Kind::Good, Kind::Large, Kind::Bad].map(|kind| pool.families(kind));
        let mut made = Vec::new();
        for n in 0..assets {
            made.push(self.asset(n % 2, n / 2, &good)?);
        }
        for n in 0..purged {
            made.push(Asset { is_numbered: false, producer: 0, ..self.asset(2, n, &good)? });
        }
        let mut wishes: Vec<usize> = vec![1; made.len()];
        for _ in made.len()..uploads {
            let n = self.random.random_range(0..wishes.len());
            wishes[n] += 1;
        }
        let mut doomed: Vec<usize> = (0..assets).collect();
        doomed.shuffle(&mut self.random);
        doomed.truncate(deletes);
        for (n, asset) in made.iter().enumerate() {
            self.events(asset, wishes[n], doomed.contains(&n));
        }
        for n in 0..large {
            let asset = self.asset(n % 2, 900 + n, &big)?;
            self.events(&asset, 2, false);
        }
        for n in 0..bad {
            let asset = self.asset(n % 2, 950 + n, &unreadable)?;
            self.events(&asset, 1, false);
        }
        Ok(())
    }

    fn asset(&mut self, org: usize, n: usize, families: &[Vec<usize>]) -> anyhow::Result<Asset> {
        let is_bulk = self.percent(self.settings.bulk);
        Ok(Asset {
            org: ORGS[org].parse()?,
            id: format!("shelf {}/document {n:03}.txt", n % 7).parse()?,
            family: families.choose(&mut self.random).cloned().unwrap_or_default(),
            is_numbered: self.percent(self.settings.numbered),
            lane: if is_bulk { Lane::Bulk } else { Lane::Interactive },
            producer: self.random.random_range(0..self.settings.producers),
        })
    }

    fn percent(&mut self, percent: u8) -> bool {
        self.random.random_ratio(u32::from(percent.min(100)), 100)
    }

    /// The uploads of one asset and, if it is doomed, a deletion somewhere among them.
    fn events(&mut self, asset: &Asset, uploads: usize, is_doomed: bool) {
        let mut wishes: Vec<Wish> = (0..uploads)
            .map(|_| Wish::Upload(asset.family.choose(&mut self.random).copied().unwrap_or_default()))
            .collect();
        if is_doomed {
            let at = self.random.random_range(1..=wishes.len());
            wishes.insert(at, Wish::Delete);
        }
        let mut times: Vec<f64> = wishes.iter().map(|_| self.random.random()).collect();
        if !asset.is_numbered {
            times.sort_by(f64::total_cmp);
        }
        for (rank, (wish, at)) in wishes.into_iter().zip(times).enumerate() {
            let producer =
                if asset.is_numbered { self.random.random_range(0..self.settings.producers) } else { asset.producer };
            let event = self.event(asset.org.clone(), Some(asset), wish, rank as u64 + 1);
            self.steps.push((producer, Step { at, event, is_copy: false }));
        }
    }

    fn event(&mut self, org: Org, asset: Option<&Asset>, wish: Wish, rank: u64) -> usize {
        let n = self.workload.events.len();
        let skew = if self.percent(self.settings.skewed) { self.random.random_range(-SKEW_S..=SKEW_S) } else { 0 };
        self.workload.events.push(Event {
            org,
            asset: asset.map(|asset| asset.id.clone()),
            id: format!("{}-{n:05}", self.seed),
            wish,
            rank,
            is_numbered: asset.is_some_and(|asset| asset.is_numbered),
            lane: asset.map_or(Lane::Interactive, |asset| asset.lane),
            skew,
        });
        n
    }

    /// In the middle of everything, by the producer that publishes all of that org.
    fn purge(&mut self) -> anyhow::Result<()> {
        if self.settings.purged > 0 {
            let event = self.event(ORGS[2].parse()?, None, Wish::Purge, 0);
            self.steps.push((0, Step { at: 0.5, event, is_copy: false }));
        }
        Ok(())
    }

    /// A copy of a numbered event may come at any time. One whose order is that of publishing comes right after the event,
    /// since a copy that the broker stores after a newer upload may be the one that is seen first.
    fn copies(&mut self) {
        let originals = self.steps.clone();
        for _ in 0..self.settings.duplicates {
            let Some((producer, step)) = originals.choose(&mut self.random).copied() else { return };
            let copy = if self.workload.events[step.event].is_numbered {
                let at = self.random.random_range(step.at..=1.0);
                (self.random.random_range(0..self.settings.producers), Step { at, is_copy: true, ..step })
            } else {
                (producer, Step { is_copy: true, ..step })
            };
            self.steps.push(copy);
        }
        let mut all: Vec<usize> = (0..self.workload.events.len()).collect();
        all.shuffle(&mut self.random);
        self.workload.late = all.into_iter().take(self.settings.late).collect();
    }

    /// Sorts the steps; the order of publishing becomes the rank of what is not numbered.
    fn finish(mut self) -> Workload {
        // Stable, so that a copy made last follows its original of the same time.
        self.steps.sort_by(|(_, a), (_, b)| a.at.total_cmp(&b.at));
        self.workload.producers = vec![Vec::new(); self.settings.producers];
        for (rank, (producer, step)) in self.steps.into_iter().enumerate() {
            self.workload.producers[producer].push(step);
            let event = &mut self.workload.events[step.event];
            if !event.is_numbered && !step.is_copy {
                event.rank = rank as u64 + 1;
            }
        }
        self.workload
    }
}

#[cfg(test)]
mod tests;
