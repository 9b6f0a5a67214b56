//! Points that no search can see any more: replaced ones after a while, and staged ones that nothing will complete.

use chrono::Utc;
use heimdex_index::{Collection, OrgScoped, StagedUpload, State};
use heimdex_schemas::{ReceiptState, UploadId};

use crate::books::Standing;
use crate::error::KeeperError;
use crate::metrics::Kind;
use crate::service::Desk;

/// Organizations looked at in one round, and staged uploads of each.
const FACETS: u64 = 10_000;

/// What a round deleted, or in a dry run would have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub dead: u64,
    pub staged: u64,
}

/// One round over all collections.
///
/// # Errors
/// [`KeeperError`]; what was deleted until then stays deleted.
pub async fn round(desk: &Desk) -> Result<Swept, KeeperError> {
    let mut swept = Swept::default();
    for space in desk.index.spaces().await? {
        let collection = desk.index.collection(&space).await?;
        swept.dead += dead(desk, &collection, desk.settings.points_batch.saturating_sub(swept.dead)).await?;
        swept.staged += staged(desk, &collection).await?;
    }
    Ok(swept)
}

async fn dead(desk: &Desk, collection: &Collection, limit: u64) -> Result<u64, KeeperError> {
    let now = Utc::now();
    let before = now - desk.settings.keep_dead;
    let mut deleted = 0;
    for org in collection.orgs(State::Dead, FACETS).await?.into_keys() {
        desk.check()?;
        let points = collection.scoped(&org);
        let of_org = match desk.settings.dry_run {
            true => points.count_dead(before).await?,
            false => {
                points.mark_dead(now).await?;
                points.delete_dead(before, limit.saturating_sub(deleted)).await?
            }
        };
        desk.removed(Kind::DeadPoint, of_org, org.as_str());
        deleted += of_org;
    }
    Ok(deleted)
}

async fn staged(desk: &Desk, collection: &Collection) -> Result<u64, KeeperError> {
    let mut deleted = 0;
    for org in collection.orgs(State::Staged, FACETS).await?.into_keys() {
        let points = collection.scoped(&org);
        for upload in points.uploads_staged(FACETS).await? {
            desk.check()?;
            deleted += staged_of(desk, &points, upload).await?;
        }
    }
    Ok(deleted)
}

async fn staged_of(desk: &Desk, points: &OrgScoped, upload: UploadId) -> Result<u64, KeeperError> {
    let Some(found) = points.staged(upload).await? else { return Ok(0) };
    if !nothing_completes(desk, points, &found).await? {
        return Ok(0);
    }
    let deleted = if desk.settings.dry_run { found.points } else { points.delete_staged(upload).await? };
    desk.removed(Kind::StagedPoint, deleted, &upload.to_string());
    Ok(deleted)
}

/// Whether the staged points of an upload will never become searchable.
async fn nothing_completes(desk: &Desk, points: &OrgScoped, found: &StagedUpload) -> Result<bool, KeeperError> {
    let books = desk.books();
    let is_old = found.newest < Utc::now() - desk.settings.keep_staged;
    Ok(match books.standing_at(points.org(), &found.asset_id.hash(), found.upload).await? {
        Standing::Open(_) => false,
        Standing::Unknown => is_old,
        Standing::Ended(receipt) => match receipt.state {
            ReceiptState::Superseded | ReceiptState::Deleted => true,
            // Parts of it may be under way again: staged until the last of them is there.
            ReceiptState::Indexed | ReceiptState::Degraded => false,
            ReceiptState::Failed => {
                let model = points.collection().space().model.as_str();
                let parts = books.parts(found.upload, model).await?;
                is_old && !parts.iter().any(|(_, part)| part.is_written())
            }
        },
    })
}
