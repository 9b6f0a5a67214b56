//! A message of a deleted upload that comes once more after its data is gone: its acknowledgement was lost, or it was
//! still on its way. The upload has its receipt, so nothing is owed and nothing can be done.

use heimdex_bus::DecodeError;
use heimdex_schemas::ReceiptState;
use heimdex_stage::{BlobError, Done, LedgerError, Stage};

use super::Worker;

impl<S: Stage> Worker<S> {
    /// Whether a message cannot be read because its upload was deleted.
    pub(crate) async fn is_leftover(&self, error: &DecodeError) -> Result<bool, LedgerError> {
        let DecodeError::Blob(BlobError::Missing(name)) = error else { return Ok(false) };
        let Some(prefix) = receipts_of(name) else { return Ok(false) };
        let found = self.ledger.list(&prefix).await?;
        let states = found.iter().filter_map(|(_, value)| serde_json::from_slice::<Done>(value).ok());
        let is_deleted = states.map(|done| done.receipt.state).any(|state| state == ReceiptState::Deleted);
        if is_deleted {
            tracing::info!(blob = name, "a message of a deleted upload came again after its data was deleted");
        }
        Ok(is_deleted)
    }
}

/// Below which key the receipts of a blob's upload lie: the blob is `<org>/<asset hash>/<upload>/<sha256>`.
fn receipts_of(blob: &str) -> Option<String> {
    let mut tokens = blob.split('/');
    let (org, asset, upload) = (tokens.next()?, tokens.next()?, tokens.next()?);
    tokens.next()?;
    Some(format!("done.{org}.{asset}.{upload}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_says_whose_it_is() {
        assert_eq!(receipts_of("acme/00ff/u-1/abc").as_deref(), Some("done.acme.00ff.u-1"));
        assert_eq!(receipts_of("acme/00ff"), None);
    }
}
