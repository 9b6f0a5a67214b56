//! Points: removed in every collection, counted exactly.

use heimdex_schemas::UploadId;
use serde::{Deserialize, Serialize};

use super::deletion::{Deletion, Tools};
use crate::error::WriterError;
use crate::points::{Place, Points};
use crate::record;

/// How many points a deletion has removed so far, `erased.<job>`: a crash between a removal and its count must not
/// make the receipt say less.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Erased {
    removed: u64,
    /// How many there were when a removal was begun that nobody has reported on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun_with: Option<u64>,
}

/// The covered uploads of one collection.
struct Covered {
    place: Place,
    uploads: Vec<UploadId>,
    points: u64,
}

impl<P: Points> Tools<'_, P> {
    /// Removes the points of all that is covered. Returns how many this deletion has removed by now, over all deliveries.
    pub(super) async fn remove_points(&self, deletion: &Deletion) -> Result<u64, WriterError> {
        let covered = self.covered(deletion).await?;
        let before = covered.iter().map(|covered| covered.points).sum();
        let erased = self.begin(deletion, before).await?;
        if before == 0 {
            return Ok(erased);
        }
        for Covered { place, uploads, .. } in &covered {
            self.points.remove(place, uploads).await?;
        }
        let after = self.remaining(deletion).await?;
        self.report(deletion, after).await
    }

    /// The exact number of points that are covered and still there.
    pub(super) async fn remaining(&self, deletion: &Deletion) -> Result<u64, WriterError> {
        Ok(self.covered(deletion).await?.iter().map(|covered| covered.points).sum())
    }

    async fn covered(&self, deletion: &Deletion) -> Result<Vec<Covered>, WriterError> {
        let mut all = Vec::new();
        for space in self.points.spaces().await? {
            let place = Place { org: self.ctx.org.clone(), space };
            let mut found = self.points.uploads(&place, deletion.asset.as_ref()).await?;
            found.retain(|stored| deletion.mark.covers(stored.order, stored.position));
            let points = found.iter().map(|stored| stored.points).sum();
            let uploads: Vec<UploadId> = found.into_iter().map(|stored| stored.upload).collect();
            if !uploads.is_empty() {
                all.push(Covered { place, uploads, points });
            }
        }
        Ok(all)
    }

    /// Writes down how many there are before any is removed, after counting what a delivery that died had removed.
    async fn begin(&self, deletion: &Deletion, before: u64) -> Result<u64, WriterError> {
        let begun = |found: &Erased| {
            let unreported = found.begun_with.map_or(0, |begun| begun.saturating_sub(before));
            Erased { removed: found.removed + unreported, begun_with: (before > 0).then_some(before) }
        };
        self.count(deletion, begun).await
    }

    async fn report(&self, deletion: &Deletion, after: u64) -> Result<u64, WriterError> {
        let reported = |found: &Erased| {
            let removed = found.begun_with.map_or(0, |begun| begun.saturating_sub(after));
            Erased { removed: found.removed + removed, begun_with: None }
        };
        self.count(deletion, reported).await
    }

    async fn count(&self, deletion: &Deletion, next: impl Fn(&Erased) -> Erased) -> Result<u64, WriterError> {
        let fresh = next(&Erased::default());
        if fresh == Erased::default() {
            let found = record::read::<Erased>(self.ctx.ledger.as_ref(), &key(deletion)).await?;
            if found.is_none() {
                return Ok(0);
            }
        }
        let changed = |found: &Erased, _: &Erased| Some(next(found)).filter(|next| next != found);
        let erased = record::settle(self.ctx.ledger.as_ref(), &key(deletion), fresh, changed).await?;
        Ok(erased.removed)
    }

    /// The receipt has it now.
    pub(super) async fn forget_count(&self, deletion: &Deletion) -> Result<(), WriterError> {
        record::remove::<Erased>(self.ctx.ledger.as_ref(), &key(deletion), |_| true).await
    }
}

fn key(deletion: &Deletion) -> String {
    format!("erased.{}", deletion.job)
}
