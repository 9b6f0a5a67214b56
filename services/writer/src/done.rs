//! The receipt that stands: one ledger key an upload, `done.<upload>.<model>`.
//!
//! A redelivery finds it and publishes the same receipt under the same id. Only more progress (a dead part replayed)
//! makes the next version.

use heimdex_schemas::Receipt;
use heimdex_stage::Ledger;
use serde::{Deserialize, Serialize};

use crate::error::WriterError;
use crate::record;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Done {
    progress: u64,
    receipt: Receipt,
}

/// Records `receipt` unless one from as much progress stands; returns the one that stands.
pub(crate) async fn conclude(ledger: &dyn Ledger, progress: u64, receipt: Receipt) -> Result<Receipt, WriterError> {
    let key = format!("done.{}.{}", receipt.upload, receipt.model);
    let done = record::settle(ledger, &key, Done { progress, receipt }, next).await?;
    Ok(done.receipt)
}

fn next(found: &Done, ours: &Done) -> Option<Done> {
    (ours.progress > found.progress).then(|| {
        let version = found.receipt.version.saturating_add(1);
        Done { progress: ours.progress, receipt: Receipt { version, ..ours.receipt.clone() } }
    })
}
