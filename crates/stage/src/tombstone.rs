//! What was deleted: `tombstone.<org>.<asset hash>` and `tombstone.<org>` in the ledger. A tombstone only grows, and
//! outlives every message that could bring the deleted content back.

use chrono::{DateTime, Utc};
use heimdex_schemas::{AssetId, Order, Org, UploadId};
use serde::{Deserialize, Serialize};

/// Which uploads of an asset, or of an org, were deleted: the union of all deletions of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The greatest order of a deletion: what it covers of uploads that their uploader ordered, too.
    pub order: Order,
    /// The last position of a deletion: what it covers of uploads that nobody ordered.
    pub position: Order,
    /// The last position of a deletion that its sender did not order: it covers everything before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub everything_before: Option<Order>,
    /// The job of the deletion that added to it last.
    pub by: UploadId,
    /// When the broker stored that deletion.
    pub at: DateTime<Utc>,
}

/// The key for an asset, or for a whole org.
#[must_use]
pub fn key(org: &Org, asset: Option<&AssetId>) -> String {
    asset.map_or_else(|| format!("tombstone.{org}"), |asset| format!("tombstone.{org}.{}", asset.hash()))
}

impl Tombstone {
    /// Of the deletion of one asset.
    #[must_use]
    pub fn of_asset(order: Order, position: Order, by: UploadId, at: DateTime<Utc>) -> Self {
        let everything_before = (!order.is_by_uploader()).then_some(position);
        Self { order, position, everything_before, by, at }
    }

    /// Of the purge of an org, which goes by position alone: a `sequence` orders the uploads of one asset.
    #[must_use]
    pub const fn of_org(position: Order, by: UploadId, at: DateTime<Utc>) -> Self {
        Self { order: position, position, everything_before: Some(position), by, at }
    }

    /// Whether an upload was deleted: by `order` when the uploader ordered both, by `position` otherwise.
    #[must_use]
    pub fn covers(&self, order: Order, position: Order) -> bool {
        let before = self.everything_before.is_some_and(|everything| position <= everything);
        let ordered = match order.is_by_uploader() {
            true => self.order.is_by_uploader() && order <= self.order,
            false => position <= self.position,
        };
        before || ordered
    }

    /// What both cover together; `None` when `other` adds nothing to this one.
    #[must_use]
    pub fn grown_by(&self, other: &Self) -> Option<Self> {
        let grown = Self {
            order: self.order.max(other.order),
            position: self.position.max(other.position),
            everything_before: self.everything_before.max(other.everything_before),
            by: other.by,
            at: other.at,
        };
        let same = (grown.order, grown.position, grown.everything_before)
            == (self.order, self.position, self.everything_before);
        (!same).then_some(grown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heimdex_schemas::Org;

    fn job() -> UploadId {
        UploadId(Default::default())
    }

    fn deletion(sequence: Option<u64>, position: u64) -> Tombstone {
        let position = Order::by_stream(1, position);
        Tombstone::of_asset(sequence.map_or(position, Order::by_uploader), position, job(), DateTime::UNIX_EPOCH)
    }

    fn covers(tombstone: &Tombstone, sequence: Option<u64>, position: u64) -> bool {
        let position = Order::by_stream(1, position);
        tombstone.covers(sequence.map_or(position, Order::by_uploader), position)
    }

    #[test]
    fn orders_decide_where_both_have_one_and_positions_otherwise() {
        let ordered = deletion(Some(7), 10);
        assert!(covers(&ordered, Some(7), 99) && !covers(&ordered, Some(8), 1));
        assert!(covers(&ordered, None, 9) && !covers(&ordered, None, 11));
        let unordered = deletion(None, 10);
        assert!(covers(&unordered, Some(99), 9) && !covers(&unordered, Some(1), 11));
        assert!(covers(&unordered, None, 9) && !covers(&unordered, None, 11));
        let purge = Tombstone::of_org(Order::by_stream(1, 10), job(), DateTime::UNIX_EPOCH);
        assert!(covers(&purge, Some(99), 9) && !covers(&purge, Some(1), 11));
    }

    #[test]
    fn a_union_covers_what_either_covers_and_no_more() {
        let marks = [deletion(Some(7), 10), deletion(None, 5), deletion(Some(3), 30), deletion(None, 20)];
        for a in &marks {
            for b in &marks {
                let union = a.grown_by(b).unwrap_or_else(|| a.clone());
                assert_eq!(union.grown_by(a), None, "nothing is added twice");
                for (sequence, position) in (0..40).flat_map(|p| [None, Some(2), Some(5), Some(9)].map(|s| (s, p))) {
                    let either = covers(a, sequence, position) || covers(b, sequence, position);
                    assert_eq!(covers(&union, sequence, position), either, "{a:?} {b:?} {sequence:?} {position}");
                }
            }
        }
    }

    #[test]
    fn an_org_and_its_assets_have_keys_of_their_own() {
        let (org, asset): (Result<Org, _>, Result<AssetId, _>) = ("acme".parse(), "a".parse());
        let keys = org.ok().zip(asset.ok()).map(|(org, asset)| (key(&org, None), key(&org, Some(&asset))));
        assert!(keys.is_some_and(|(org, asset)| org == "tombstone.acme" && asset.len() == org.len() + 33));
    }
}
