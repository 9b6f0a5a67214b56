//! `heimdex dlq expiring`.

use std::time::Duration;

use chrono::Utc;
use heimdex_redrive::expiry::{ExpiringGroup, ExpirySettings, expiring};

use super::list::cause;
use super::{failure, reader};
use crate::cli::DlqExpiring;
use crate::commands::search::shorten;
use crate::exit::Outcome;
use crate::output;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub async fn run(command: DlqExpiring) -> Outcome {
    let redrive = reader(&command.broker.nats).await?;
    let settings = ExpirySettings { announce_ahead: DAY * command.days, ..ExpirySettings::default() };
    let found = expiring(&redrive, &settings, Utc::now()).await.map_err(failure)?;
    if command.broker.json {
        return output::json(&found);
    }
    found.groups.iter().try_for_each(|group| output::text(row(group)))?;
    eprintln!("{} of {} dead letters expire within {} days", found.expiring, found.letters, command.days);
    Ok(())
}

fn row(group: &ExpiringGroup) -> String {
    let first = group.first_expires_at.format("%Y-%m-%d %H:%M");
    let cause = cause(group.stage, group.class, &group.code);
    format!("{:7}  from {first}  {}  {cause}: {}", group.count, group.fingerprint, shorten(&group.message))
}
