//! Reading and writing tombstones.

use heimdex_schemas::{AssetId, Order, Org};
use heimdex_stage::{Ledger, Tombstone, tombstone};

use crate::error::WriterError;
use crate::record;

/// The tombstone of the asset or its org that covers an upload, if any does.
pub(crate) async fn covering(
    ledger: &dyn Ledger,
    org: &Org,
    asset: &AssetId,
    (order, position): (Order, Order),
) -> Result<Option<Tombstone>, WriterError> {
    for key in [tombstone::key(org, Some(asset)), tombstone::key(org, None)] {
        let found = record::read::<Tombstone>(ledger, &key).await?;
        if let Some((_, tombstone)) = found.filter(|(_, tombstone)| tombstone.covers(order, position)) {
            return Ok(Some(tombstone));
        }
    }
    Ok(None)
}

/// Puts up the tombstone of a deletion, or lets it add to the one that stands.
pub(crate) async fn put_up(
    ledger: &dyn Ledger,
    org: &Org,
    asset: Option<&AssetId>,
    ours: Tombstone,
) -> Result<(), WriterError> {
    record::settle(ledger, &tombstone::key(org, asset), ours, Tombstone::grown_by).await?;
    Ok(())
}
