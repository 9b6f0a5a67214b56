//! `heimdex delete ASSET…` and `heimdex purge`: deletions out, receipts in.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use heimdex_bus::jobs::{Advice, advice};
use heimdex_bus::{Bus, JobState, ReceiptScope, ReceiptUpdate, ReceiptsFrom};
use heimdex_schemas::{AssetDeleted, AssetId, Envelope, Event, Lane, Org, OrgPurged, UploadId};
use serde::Serialize;
use uuid::Uuid;

use crate::cli::{Delete, Purge};
use crate::exit::{Failure, Outcome};
use crate::{connect, output, receipt};

/// The CloudEvents source of deletions from the command line.
const SOURCE: &str = "/heimdex/cli";

/// One line of `--json`.
#[derive(Debug, Serialize)]
struct Line {
    /// Absent for a purge.
    #[serde(skip_serializing_if = "Option::is_none")]
    asset_id: Option<AssetId>,
    org: Org,
    job_id: String,
    state: &'static str,
    /// Points that were removed.
    removed: u64,
    /// Points that are still there, counted exactly: 0.
    remaining: u32,
    /// The receipt's sequence, for `min_seq` of a search.
    sequence: u64,
    /// What went wrong, and what to do about it.
    error: Option<Advice>,
}

pub async fn delete(command: Delete) -> Outcome {
    let bus = connect::bus(&command.connection.nats).await?;
    let Delete { assets, reason, .. } = command;
    let events = assets.into_iter().map(|asset_id| AssetDeleted { asset_id, org: None, reason: reason.clone() });
    let wait = Duration::from_secs(command.timeout);
    carry_out(&bus, &command.connection.org, events.collect(), wait, command.json).await
}

pub async fn purge(command: Purge) -> Outcome {
    let org = &command.connection.org;
    if !command.yes {
        let reason = format!("this deletes everything that org {org} has; --yes says that you mean it");
        return Err(Failure::input(anyhow::anyhow!(reason)));
    }
    let bus = connect::bus(&command.connection.nats).await?;
    let event = OrgPurged { org: None, reason: command.reason.clone() };
    carry_out(&bus, org, vec![event], Duration::from_secs(command.timeout), command.json).await
}

/// Publishes the deletions and tells of each as its receipt comes.
async fn carry_out<E: Event>(bus: &Bus, org: &Org, events: Vec<E>, patience: Duration, as_json: bool) -> Outcome {
    let mut receipts = bus.receipts().watch(&ReceiptScope::Org(org.clone()), ReceiptsFrom::Now).await?;
    let mut waiting = HashSet::new();
    for event in &events {
        let id = Uuid::now_v7().to_string();
        let envelope = Envelope::wrap(SOURCE, &id, event)?;
        bus.publisher().publish_wish::<E>(org, Lane::Interactive, envelope).await.map_err(Failure::unreachable)?;
        waiting.insert(UploadId::new(org, SOURCE, &id));
    }
    let mut failed = 0_usize;
    while !waiting.is_empty() {
        let update = tokio::time::timeout(patience, receipts.next()).await;
        let told = || format!("no receipt for {} s; {} deletions still wait", patience.as_secs(), waiting.len());
        let update = update.with_context(told)?.context("the receipts stopped")?;
        let update = match update {
            Ok(update) => update,
            Err(error) => {
                tracing::warn!(%error, "a receipt could not be read");
                continue;
            }
        };
        if waiting.remove(&update.receipt.upload) {
            failed += usize::from(JobState::from(update.receipt.state) == JobState::Failed);
            report(update, as_json)?;
        }
    }
    match failed {
        0 => Ok(()),
        n => Err(Failure::some_failed(format_args!("{n} deletions failed"))),
    }
}

fn report(update: ReceiptUpdate, as_json: bool) -> Outcome {
    let ReceiptUpdate { sequence, receipt } = update;
    let line = Line {
        org: receipt.org.clone(),
        job_id: receipt.upload.to_string(),
        state: JobState::from(receipt.state).as_str(),
        removed: receipt.removed,
        remaining: receipt.chunks,
        sequence,
        error: advice(&receipt).into_iter().next(),
        asset_id: receipt.asset_id,
    };
    if as_json {
        return output::json(&line);
    }
    let what = line.asset_id.as_ref().map_or_else(|| format!("all of org {}", line.org), ToString::to_string);
    eprintln!("{:9} {what}: {} points removed", line.state, line.removed);
    if let Some(error) = &line.error {
        eprintln!("          {}", receipt::trouble(error));
    }
    Ok(())
}
