//! Uploading, waiting for receipts and searching over request-reply, with nothing but the bus.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use heimdex_bus::{Bus, Options, PublishError, Published, ReceiptScope, ReceiptsFrom, RequestError};
use heimdex_schemas::{AssetId, AssetUploaded, Content, Envelope, Lane, Org, Receipt, UploadId};
use heimdex_stage::{Blobs as _, Bucket};
use serde_json::{Value, json};
use uuid::Uuid;

/// How long an upload may take from its event to its receipt on a busy machine.
const RECEIPT: Duration = Duration::from_secs(90);
/// How long a search may take.
const SEARCH: Duration = Duration::from_secs(30);
/// Time between two tries of a broker that is away.
const AGAIN: Duration = Duration::from_millis(100);
/// Larger content is put into the originals bucket first.
const INLINE_BYTES: usize = 40 * 1024;
/// The CloudEvents source of all uploads made here.
pub const SOURCE: &str = "/heimdex/scenarios";

/// One upload of one asset.
#[derive(Debug, Clone)]
pub struct Upload {
    pub org: Org,
    pub asset: AssetId,
    pub event_id: String,
    /// The uploader's own order.
    pub sequence: Option<u64>,
    pub bytes: Vec<u8>,
}

impl Upload {
    /// With a fresh event id; panics when a name is not valid.
    #[must_use]
    pub fn new(org: &str, asset: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let (org, asset) = (org.parse().expect("an org"), asset.parse().expect("an asset id"));
        Self { org, asset, event_id: Uuid::now_v7().to_string(), sequence: None, bytes: bytes.into() }
    }

    #[must_use]
    pub const fn sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    #[must_use]
    pub fn event_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.event_id);
        self
    }

    /// The job to wait for.
    #[must_use]
    pub fn job(&self) -> UploadId {
        UploadId::new(&self.org, SOURCE, &self.event_id)
    }
}

/// A user of a running Heimdex.
#[derive(Clone)]
pub struct Client {
    bus: Bus,
}

impl Client {
    /// Connects; panics when nobody is there.
    pub async fn connect(url: &str) -> Self {
        let options = Options { name: "scenario".to_owned(), ..Options::default() };
        Self { bus: Bus::connect(url, options).await.expect("the broker") }
    }

    #[must_use]
    pub const fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Publishes an upload; panics when it is not accepted.
    pub async fn upload(&self, upload: &Upload) -> UploadId {
        self.try_upload(upload).await.expect("the upload is accepted");
        upload.job()
    }

    /// Publishes an upload; `Ok` means that the broker has it on disk.
    ///
    /// # Errors
    /// As [`heimdex_bus::Publisher::publish_asset`].
    pub async fn try_upload(&self, upload: &Upload) -> Result<Published, PublishError> {
        let event = AssetUploaded {
            asset_id: upload.asset.clone(),
            content: self.content(upload).await?,
            org: None,
            title: None,
            source: None,
            model: None,
            password: None,
        };
        let mut envelope = Envelope::wrap(SOURCE, &upload.event_id, &event)?;
        if let Some(sequence) = upload.sequence {
            envelope = envelope.with_extension("sequence", &sequence.to_string());
        }
        self.bus.publisher().publish_asset(&upload.org, Lane::Interactive, envelope).await
    }

    async fn content(&self, upload: &Upload) -> Result<Content, PublishError> {
        if upload.bytes.len() <= INLINE_BYTES {
            return Ok(Content::Bytes(upload.bytes.clone()));
        }
        let prefix = format!("{}/{}/{}", upload.org, upload.asset.hash(), upload.job());
        let blob = self.bus.blobs().put(Bucket::Originals, &prefix, Bytes::from(upload.bytes.clone())).await?;
        Ok(Content::Blob { name: blob.name, sha256: blob.sha256, size: blob.size })
    }

    /// Waits for the receipt of a job; panics when none comes.
    pub async fn receipt(&self, org: &Org, job: UploadId) -> Receipt {
        let scope = ReceiptScope::Job(org.clone(), job);
        let waiting = async {
            let mut again = tokio::time::interval(AGAIN);
            loop {
                again.tick().await;
                // Refused while the broker is away.
                let Ok(mut updates) = self.bus.receipts().watch(&scope, ReceiptsFrom::Current).await else { continue };
                while let Some(update) = updates.next().await {
                    if let Ok(update) = update {
                        return update.receipt;
                    }
                }
            }
        };
        let receipt = tokio::time::timeout(RECEIPT, waiting).await;
        receipt.unwrap_or_else(|_| panic!("no receipt for {job} of {org} within {RECEIPT:?}"))
    }

    /// Uploads and waits for the receipt.
    pub async fn ingest(&self, upload: &Upload) -> Receipt {
        let job = self.upload(upload).await;
        self.receipt(&upload.org, job).await
    }

    /// Uploads all, then waits for each receipt, in the same order.
    pub async fn ingest_all(&self, uploads: &[Upload]) -> Vec<Receipt> {
        futures::future::join_all(uploads.iter().map(|upload| self.upload(upload))).await;
        futures::future::join_all(uploads.iter().map(|upload| self.receipt(&upload.org, upload.job()))).await
    }

    /// Searches with a request as a user would write it.
    ///
    /// # Errors
    /// As [`heimdex_bus::Requests::request`].
    pub async fn try_search(&self, org: &str, request: &Value) -> Result<Value, RequestError> {
        let payload = Bytes::from(serde_json::to_vec(request).expect("JSON"));
        let answer = self.bus.requests().request(&format!("heimdex.v1.search.{org}"), &[], payload, SEARCH).await?;
        Ok(serde_json::from_slice(&answer).expect("a search answers JSON"))
    }

    /// The assets of the hits, best first, each once; panics when the search fails.
    pub async fn found(&self, org: &str, mode: &str, query: &str) -> Vec<String> {
        let answer = self.try_search(org, &json!({"query": query, "mode": mode})).await;
        let answer = answer.unwrap_or_else(|error| panic!("{mode} search for {query:?}: {error}"));
        let mut assets = Vec::new();
        for hit in answer["hits"].as_array().expect("hits") {
            let asset = hit["asset_id"].as_str().expect("an asset").to_owned();
            if !assets.contains(&asset) {
                assets.push(asset);
            }
        }
        assets
    }
}
