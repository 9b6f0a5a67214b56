//! Dead letters expire: somebody is told before, and a record stays after. What is said and kept is the redrive crate's.

use chrono::Utc;
use heimdex_redrive::expiry;

use crate::error::KeeperError;
use crate::service::Desk;

/// One announcement.
///
/// # Errors
/// [`KeeperError`].
pub async fn round(desk: &Desk) -> Result<(), KeeperError> {
    if desk.settings.dry_run {
        expiry::expiring(&desk.redrive, &desk.settings.expiry, Utc::now()).await?;
        return Ok(());
    }
    let announcement = expiry::announce(&desk.redrive, &desk.settings.expiry, Utc::now()).await?;
    desk.expiry.set(&announcement);
    Ok(())
}
