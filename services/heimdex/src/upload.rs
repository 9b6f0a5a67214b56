//! Uploading many assets and waiting for their receipts: what `ingest`, `demo` and `eval` share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use heimdex_bus::{Bus, PublishError, ReceiptScope, ReceiptUpdate, ReceiptsFrom};
use heimdex_schemas::{AssetId, AssetUploaded, Content, Envelope, Lane, Org, UploadId};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

/// Publishes under way at once.
const PUBLISHERS: usize = 8;
/// Pause after "this org has too many uploads waiting".
const FULL_PAUSE: Duration = Duration::from_millis(500);
/// The CloudEvents source of uploads from the command line.
const SOURCE: &str = "/heimdex/cli";

/// Where an asset's bytes are now.
#[derive(Debug, Clone)]
pub enum Body {
    File(PathBuf),
    Text(String),
    Bytes(&'static [u8]),
}

/// One asset to upload.
#[derive(Debug, Clone)]
pub struct Upload {
    pub asset_id: AssetId,
    pub title: Option<String>,
    /// Shown with hits: a path or URL.
    pub source: Option<String>,
    pub body: Body,
}

/// How one upload ended.
#[derive(Debug)]
pub struct Ended {
    /// Position in the list that was uploaded.
    pub index: usize,
    pub job: UploadId,
    pub receipt: anyhow::Result<ReceiptUpdate>,
}

/// Whose uploads, how urgent, and how patient.
#[derive(Debug, Clone)]
pub struct Plan {
    pub org: Org,
    pub lane: Lane,
    /// Uploads without a receipt at once.
    pub in_flight: usize,
    /// Longest wait since the last receipt.
    pub patience: Duration,
}

/// Uploads all and calls `on_end` once for each, as receipts come.
///
/// # Errors
/// When the broker cannot be reached, or no receipt came for `plan.patience`.
pub async fn upload_all(
    bus: &Bus,
    plan: &Plan,
    uploads: Vec<Upload>,
    mut on_end: impl FnMut(Ended),
) -> anyhow::Result<()> {
    let mut receipts = bus.receipts().watch(&ReceiptScope::Org(plan.org.clone()), ReceiptsFrom::Now).await?;
    let ids: Vec<String> = uploads.iter().map(|_| Uuid::now_v7().to_string()).collect();
    let jobs = ids.iter().enumerate().map(|(index, id)| (UploadId::new(&plan.org, SOURCE, id), index));
    let mut waiting: HashMap<UploadId, usize> = jobs.collect();
    let permits = Semaphore::new(plan.in_flight);
    let publishing =
        stream::iter(uploads.into_iter().zip(ids)).map(|(upload, id)| publish(bus, plan, upload, id, &permits));
    let mut publishing = std::pin::pin!(publishing.buffer_unordered(PUBLISHERS));
    let mut all_published = false;
    let mut last = Instant::now();
    while !waiting.is_empty() {
        let ended = tokio::select! {
            published = publishing.next(), if !all_published => match published {
                Some((job, Err(error))) => Some((job, Err(error))),
                Some((_, Ok(()))) => None,
                None => { all_published = true; None }
            },
            update = receipts.next() => match update.context("the receipts stopped")? {
                Ok(update) => Some((update.receipt.upload, Ok(update))),
                Err(error) => { tracing::warn!(%error, "a receipt could not be read"); None }
            },
            () = tokio::time::sleep_until(last + plan.patience) => {
                anyhow::bail!("no receipt for {} s; {} uploads still wait", plan.patience.as_secs(), waiting.len());
            }
        };
        let Some((job, receipt)) = ended else { continue };
        if let Some(index) = waiting.remove(&job) {
            last = Instant::now();
            permits.add_permits(1);
            on_end(Ended { index, job, receipt });
        }
    }
    Ok(())
}

async fn publish(
    bus: &Bus,
    plan: &Plan,
    upload: Upload,
    id: String,
    permits: &Semaphore,
) -> (UploadId, anyhow::Result<()>) {
    let job = UploadId::new(&plan.org, SOURCE, &id);
    if let Ok(permit) = permits.acquire().await {
        permit.forget();
    }
    let published = async {
        let envelope = Envelope::wrap(SOURCE, &id, &event(bus, plan, upload, job).await?)?;
        publish_when_there_is_room(bus, plan, &envelope).await
    };
    (job, published.await)
}

async fn publish_when_there_is_room(bus: &Bus, plan: &Plan, envelope: &Envelope) -> anyhow::Result<()> {
    loop {
        match bus.publisher().publish_asset(&plan.org, plan.lane, envelope.clone()).await {
            Ok(_) => return Ok(()),
            Err(PublishError::Full { .. }) => tokio::time::sleep(FULL_PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn event(bus: &Bus, plan: &Plan, upload: Upload, job: UploadId) -> anyhow::Result<AssetUploaded> {
    let content = match upload.body {
        Body::Text(text) => Content::Text(text),
        Body::Bytes(bytes) => Content::Bytes(bytes.to_vec()),
        Body::File(path) => {
            let bytes = tokio::fs::read(&path).await.with_context(|| format!("cannot read {}", path.display()))?;
            bus.content(&plan.org, &upload.asset_id, job, Bytes::from(bytes)).await?
        }
    };
    let (asset_id, title, source) = (upload.asset_id, upload.title, upload.source);
    Ok(AssetUploaded { asset_id, content, org: None, title, source, model: None, password: None })
}
