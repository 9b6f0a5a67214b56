//! Small uploads and the moments at which their receipts come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use futures::stream;
use heimdex_bus::{Bus, Options, PublishError, ReceiptScope, ReceiptsFrom};
use heimdex_e2e::client::SOURCE;
use heimdex_schemas::{AssetUploaded, Content, Envelope, Lane, Org, ReceiptState, UploadId};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Publishes under way at once.
const PUBLISHERS: usize = 32;
/// How long one receipt may take.
const RECEIPT: Duration = Duration::from_secs(900);
/// Pause of an org that has too many uploads waiting.
const FULL_PAUSE: Duration = Duration::from_millis(200);
const SEARCH: Duration = Duration::from_secs(10);
/// Words of a document: one chunk.
const WORDS: usize = 60;
const VOCABULARY: [&str; 24] = [
    "harbour", "meeting", "invoice", "the", "of", "a", "morning", "bridge", "contract", "engine", "garden", "letter",
    "was", "and", "with", "signed", "repaired", "before", "winter", "station", "library", "quiet", "north", "budget",
];

/// One upload that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub job: UploadId,
    /// When its publishing began.
    pub at: Instant,
}

type Arrivals = Arc<Mutex<HashMap<UploadId, (Instant, ReceiptState)>>>;

/// A user of the cluster who uploads and waits.
pub struct Traffic {
    bus: Bus,
    arrivals: Arrivals,
    arrived: Arc<Notify>,
    listening: JoinHandle<()>,
}

impl Traffic {
    /// # Errors
    /// When there is no broker.
    pub async fn start(url: &str) -> anyhow::Result<Self> {
        let bus = Bus::connect(url, Options { name: "traffic".to_owned(), ..Options::default() }).await?;
        let mut receipts = bus.receipts().watch(&ReceiptScope::Everything, ReceiptsFrom::Now).await?;
        let (arrivals, arrived) = (Arrivals::default(), Arc::new(Notify::new()));
        let (known, bell) = (Arc::clone(&arrivals), Arc::clone(&arrived));
        let listening = tokio::spawn(async move {
            while let Some(update) = receipts.next().await {
                let Ok(update) = update else { continue };
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                known.entry(update.receipt.upload).or_insert((Instant::now(), update.receipt.state));
                drop(known);
                bell.notify_waiters();
            }
        });
        Ok(Self { bus, arrivals, arrived, listening })
    }

    #[must_use]
    pub const fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Uploads one small document, made from its number.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn upload(&self, org: &Org, asset: &str, lane: Lane) -> anyhow::Result<Sent> {
        let (at, id) = (Instant::now(), Uuid::now_v7().to_string());
        let content = Content::Text(text(asset));
        let event = AssetUploaded {
            asset_id: asset.parse()?,
            content,
            org: None,
            title: None,
            source: None,
            model: None,
            password: None,
        };
        let envelope = Envelope::wrap(SOURCE, &id, &event)?;
        loop {
            match self.bus.publisher().publish_asset(org, lane, envelope.clone()).await {
                Ok(_) => return Ok(Sent { job: UploadId::new(org, SOURCE, &id), at }),
                Err(PublishError::Full { .. }) => tokio::time::sleep(FULL_PAUSE).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Uploads `count` documents, many at once.
    ///
    /// # Errors
    /// As [`Traffic::upload`].
    pub async fn upload_all(&self, org: &Org, count: usize, lane: Lane) -> anyhow::Result<Vec<Sent>> {
        let names: Vec<String> = (0..count).map(|n| format!("document {n:06}")).collect();
        let sent = stream::iter(&names).map(|name| self.upload(org, name, lane)).buffered(PUBLISHERS);
        sent.collect::<Vec<_>>().await.into_iter().collect()
    }

    /// How long after its publishing began the receipt came.
    ///
    /// # Errors
    /// When it does not come, or says anything but indexed.
    pub async fn indexed(&self, sent: Sent) -> anyhow::Result<Duration> {
        match tokio::time::timeout(RECEIPT, self.arrival(sent.job)).await.context("no receipt")? {
            (at, ReceiptState::Indexed) => Ok(at.saturating_duration_since(sent.at)),
            (_, state) => bail!("{} ended {state:?}", sent.job),
        }
    }

    /// When the first receipt of a job came, and what it said.
    pub async fn arrival(&self, job: UploadId) -> (Instant, ReceiptState) {
        loop {
            let arrived = self.arrived.notified();
            if let Some(found) = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).get(&job) {
                return *found;
            }
            arrived.await;
        }
    }

    /// Whether a search finds the asset now.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn is_found(&self, org: &Org, asset: &str) -> anyhow::Result<bool> {
        let request = json!({"query": text(asset), "mode": "sparse", "limit": 5, "asset_ids": [asset]}).to_string();
        let subject = format!("heimdex.v1.search.{org}");
        let answer = self.bus.requests().request(&subject, &[], request.into(), SEARCH).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        Ok(answer["hits"].as_array().is_some_and(|hits| !hits.is_empty()))
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Words by the name, so that no two documents are alike.
fn text(asset: &str) -> String {
    let seed = asset.bytes().fold(7u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut random = StdRng::seed_from_u64(seed);
    let words = (0..WORDS).filter_map(|_| VOCABULARY.choose(&mut random).copied());
    format!("{asset}: {}.", words.collect::<Vec<_>>().join(" "))
}

/// The `q` quantile in milliseconds, by nearest rank; 0 of nothing.
#[must_use]
pub fn quantile(times: &[Duration], q: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank from 1 to the length")]
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let times: Vec<Duration> = (1..=20).rev().map(Duration::from_millis).collect();
        assert_eq!([0.0, 0.5, 0.95, 1.0].map(|q| quantile(&times, q).round() as i64), [1, 10, 19, 20]);
        assert_eq!(quantile(&[], 0.5).round() as i64, 0);
    }

    #[test]
    fn documents_are_told_apart_by_their_names_alone() {
        assert_eq!(text("a"), text("a"));
        assert_ne!(text("a"), text("b"));
    }
}
