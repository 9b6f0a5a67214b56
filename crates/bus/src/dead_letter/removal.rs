//! Taking dead letters out of the stream, with the blobs and ledger entries that belong to them.

use async_trait::async_trait;
use heimdex_schemas::{AssetId, Org, StageName};
use heimdex_stage::{Blobs, Bucket, DeadLetterBin, DeadLettersUnavailable, Ledger};
use serde::{Deserialize, Serialize};

use super::reader::{Address, Depth};
use super::{DeadLetters, Letter};
use crate::error::BusError;
use crate::link::ApiError;
use crate::topology::DEAD_LETTER_STREAM;

#[derive(Serialize)]
struct DeleteMessage {
    seq: u64,
    /// The bytes on disk are not overwritten first, which is slow.
    no_erase: bool,
}

#[derive(Deserialize)]
struct Done {
    success: bool,
}

/// What of an uploader's event says which asset it is about.
#[derive(Deserialize)]
struct Names {
    asset_id: AssetId,
}

impl DeadLetters {
    /// Removes one letter with what belongs to it. `false` when it was gone already.
    ///
    /// # Errors
    /// [`BusError::Unavailable`]; then it may be gone, or only half of what belongs to it.
    pub async fn remove(&self, letter: &Letter) -> Result<bool, BusError> {
        let call = format!("STREAM.MSG.DELETE.{DEAD_LETTER_STREAM}");
        let ask = DeleteMessage { seq: letter.sequence, no_erase: true };
        let removed = match self.link.api(&call, &ask).await {
            Ok(Done { success }) => success,
            Err(error @ ApiError::Refused { .. }) => match self.get(letter.sequence).await? {
                None => false,
                Some(_) => return Err(error.into_bus(DEAD_LETTER_STREAM)),
            },
            Err(error) => return Err(error.into_bus(DEAD_LETTER_STREAM)),
        };
        self.forget(letter).await?;
        Ok(removed)
    }

    /// Removes the dead letters of an org, or of one of its assets, and returns how many there were. Letters of one
    /// asset that nobody could read far enough to file them under it are found by a look into their data.
    ///
    /// # Errors
    /// [`BusError::Unavailable`]; doing it again is right.
    pub async fn remove_of(&self, org: &Org, asset_hash: Option<&str>) -> Result<u64, BusError> {
        let mut removed = self.purge(&Address::of(org, asset_hash)).await?;
        if let Some(hash) = asset_hash {
            removed += self.remove_unfiled(org, hash).await?;
        }
        Ok(removed)
    }

    /// Blobs first: they are found by the letters.
    async fn purge(&self, address: &Address) -> Result<u64, BusError> {
        let mut after = 0;
        loop {
            let page = self.page(address, after, Depth::Headers).await?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            for letter in &page {
                self.forget(letter).await?;
            }
        }
        if after == 0 {
            return Ok(0);
        }
        // Those that came since are another call's.
        let purged = self.link.purge(DEAD_LETTER_STREAM, &address.filter(), Some(after)).await;
        purged.map_err(|e| e.into_bus(DEAD_LETTER_STREAM))
    }

    async fn remove_unfiled(&self, org: &Org, asset_hash: &str) -> Result<u64, BusError> {
        let address = Address { stage: Some(StageName::Extractor), ..Address::of(org, Some("_")) };
        let (mut after, mut removed) = (0, 0);
        loop {
            let page = self.page(&address, after, Depth::Whole).await?;
            let Some(last) = page.last() else { return Ok(removed) };
            after = last.sequence;
            for letter in page {
                if self.is_about(&letter, asset_hash).await && self.remove(&letter).await? {
                    removed += 1;
                }
            }
        }
    }

    async fn is_about(&self, letter: &Letter, asset_hash: &str) -> bool {
        let Ok(message) = self.message(letter).await else { return false };
        let Ok(incoming) = message.decode(&letter.origin.subject, self.blobs.as_ref(), u64::MAX).await else {
            return false;
        };
        let named: Result<Names, _> = serde_json::from_slice(incoming.envelope.data());
        named.is_ok_and(|names| names.asset_id.hash() == asset_hash)
    }

    /// Removes what belongs to a letter outside of the stream.
    async fn forget(&self, letter: &Letter) -> Result<(), BusError> {
        let away = |reason: String| BusError::Unavailable { what: format!("dead letter {}", letter.sequence), reason };
        if let Some(blob) = letter.blob() {
            self.blobs.delete(Bucket::Work, &blob.name).await.map_err(|e| away(e.to_string()))?;
        }
        if let Some(key) = &letter.story
            && let Some((revision, _)) = self.ledger.get(key).await.map_err(|e| away(e.to_string()))?
        {
            self.ledger.delete(key, revision).await.map_err(|e| away(e.to_string()))?;
        }
        Ok(())
    }
}

#[async_trait]
impl DeadLetterBin for DeadLetters {
    async fn remove(&self, org: &Org, asset: Option<&AssetId>) -> Result<u64, DeadLettersUnavailable> {
        let hash = asset.map(AssetId::hash);
        self.remove_of(org, hash.as_deref()).await.map_err(|error| DeadLettersUnavailable(error.to_string()))
    }
}
