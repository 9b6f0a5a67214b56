//! Deleting as a user does, and waiting for what becomes of a job.

use std::time::Duration;

use futures::StreamExt as _;
use heimdex_bus::{ReceiptScope, ReceiptsFrom};
use heimdex_schemas::{AssetDeleted, Envelope, Event, Lane, Org, OrgPurged, Receipt, ReceiptState, UploadId};
use uuid::Uuid;

use crate::client::{Client, SOURCE};

/// How long a job may take to change its state on a busy machine.
const CHANGE: Duration = Duration::from_secs(90);

impl Client {
    /// Deletes an asset and waits for the deletion's receipt. `sequence` as an uploader would give it.
    pub async fn delete(&self, org: &Org, asset: &str, sequence: Option<u64>) -> Receipt {
        let event = AssetDeleted { asset_id: asset.parse().expect("an asset id"), org: None, reason: None };
        self.wish(org, &event, sequence).await
    }

    /// Deletes all that an org has and waits for the receipt.
    pub async fn purge(&self, org: &Org) -> Receipt {
        self.wish(org, &OrgPurged { org: None, reason: None }, None).await
    }

    async fn wish<E: Event>(&self, org: &Org, event: &E, sequence: Option<u64>) -> Receipt {
        let id = Uuid::now_v7().to_string();
        let mut envelope = Envelope::wrap(SOURCE, &id, event).expect("an envelope");
        if let Some(sequence) = sequence {
            envelope = envelope.with_extension("sequence", &sequence.to_string());
        }
        self.bus().publisher().publish_wish::<E>(org, Lane::Interactive, envelope).await.expect("it is accepted");
        self.receipt(org, UploadId::new(org, SOURCE, &id)).await
    }

    /// Waits until a job's current receipt says `state`; panics when it does not.
    pub async fn receipt_in(&self, org: &Org, job: UploadId, state: ReceiptState) -> Receipt {
        let scope = ReceiptScope::Job(org.clone(), job);
        let mut updates = self.bus().receipts().watch(&scope, ReceiptsFrom::Current).await.expect("the broker");
        let waiting = async {
            while let Some(update) = updates.next().await {
                let receipt = update.expect("a receipt").receipt;
                if receipt.state == state {
                    return receipt;
                }
            }
            panic!("the receipts ended");
        };
        let found = tokio::time::timeout(CHANGE, waiting).await;
        found.unwrap_or_else(|_| panic!("{job} of {org} is not {state:?} after {CHANGE:?}"))
    }
}
