//! How much waits where: queues by stage and lane, uploads by org.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use heimdex_schemas::subject::Address;
use heimdex_schemas::{AssetUploaded, Event, Lane, Org, StageName};
use serde::Deserialize;

use crate::connection::Bus;
use crate::error::BusError;
use crate::link::{ApiError, Link};
use crate::topology;

/// How long a publisher goes by one look at an org's queue, counting on from it.
const FRESH: Duration = Duration::from_millis(500);
/// Orgs that a publisher remembers; beyond, it forgets them all and looks again.
const REMEMBERED: usize = 10_000;

/// What waits in one stage's queue, all lanes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Messages of the stage.
    pub messages: u64,
    /// Not delivered yet.
    pub pending: u64,
    /// Delivered, not acknowledged.
    pub ack_pending: u64,
}

impl QueueState {
    /// Messages that no consumer will ever deliver. Must stay 0; taken from several answers, so only a value that
    /// stays is meaningful.
    #[must_use]
    pub const fn orphans(self) -> u64 {
        self.messages.saturating_sub(self.pending.saturating_add(self.ack_pending))
    }
}

#[derive(Deserialize)]
struct StreamInfo {
    state: StreamState,
}

#[derive(Deserialize)]
struct StreamState {
    messages: u64,
}

#[derive(Deserialize)]
struct ConsumerInfo {
    num_pending: u64,
    num_ack_pending: u64,
}

impl Bus {
    /// Messages waiting in `stream`.
    ///
    /// # Errors
    /// [`BusError::Missing`] or [`BusError::Unavailable`].
    pub async fn stream_messages(&self, stream: &str) -> Result<u64, BusError> {
        let info: Result<StreamInfo, ApiError> = self.link().api(&format!("STREAM.INFO.{stream}"), &()).await;
        Ok(info.map_err(|e| e.into_bus(format!("stream {stream}")))?.state.messages)
    }

    /// What waits for `stage`.
    ///
    /// # Errors
    /// As [`Bus::stream_messages`].
    pub async fn queue_state(&self, stage: StageName) -> Result<QueueState, BusError> {
        let stream = topology::input_stream(stage);
        let before = self.stream_messages(stream).await?;
        let mut state = QueueState::default();
        let mut of_others = 0;
        for reader in topology::readers(stream) {
            for lane in Lane::ALL {
                let info = self.consumer(reader, *lane).await?;
                if reader == stage {
                    state.pending += info.num_pending;
                    state.ack_pending += info.num_ack_pending;
                } else {
                    of_others += info.num_pending + info.num_ack_pending;
                }
            }
        }
        // What was acknowledged or stored between the answers must not look like an orphan.
        let stored = before.min(self.stream_messages(stream).await?);
        state.messages = stored.saturating_sub(of_others);
        Ok(state)
    }

    /// Messages that `stage` has before it in one lane, those in hand included.
    ///
    /// # Errors
    /// As [`Bus::stream_messages`].
    pub async fn lane_depth(&self, stage: StageName, lane: Lane) -> Result<u64, BusError> {
        let info = self.consumer(stage, lane).await?;
        Ok(info.num_pending.saturating_add(info.num_ack_pending))
    }

    /// Messages stored for `stage` in one lane that its consumer has passed over: nothing is on its way to anybody and
    /// still they are there, because the broker lost the removal of what was acknowledged (its disk was full) or somebody
    /// made the consumer anew behind them. 0 while anything moves; only a value that stays is meaningful.
    ///
    /// # Errors
    /// As [`Bus::stream_messages`].
    pub async fn stranded(&self, stage: StageName, lane: Lane) -> Result<u64, BusError> {
        let info = self.consumer(stage, lane).await?;
        if info.num_pending + info.num_ack_pending > 0 {
            return Ok(0);
        }
        let stream = topology::input_stream(stage);
        let stored = self.link().subjects(stream, &topology::filter(stage, lane)).await;
        Ok(stored.map_err(|e| e.into_bus(format!("stream {stream}")))?.values().sum())
    }

    /// Uploads that wait at the first stage in one lane, by org; orgs without any are left out.
    ///
    /// # Errors
    /// As [`Bus::stream_messages`].
    pub async fn uploads_waiting(&self, lane: Lane) -> Result<HashMap<Org, u64>, BusError> {
        let filter = heimdex_schemas::subject::lane_filter(AssetUploaded::NAME, lane);
        let subjects = self.link().subjects(AssetUploaded::STREAM, &filter).await;
        let subjects = subjects.map_err(|e| e.into_bus(format!("stream {}", AssetUploaded::STREAM)))?;
        let by_org = |(subject, count): (String, u64)| Some((subject.parse::<Address>().ok()?.org, count));
        Ok(subjects.into_iter().filter_map(by_org).collect())
    }

    async fn consumer(&self, stage: StageName, lane: Lane) -> Result<ConsumerInfo, BusError> {
        let (stream, name) = (topology::input_stream(stage), topology::consumer_name(stage, lane));
        let info: Result<ConsumerInfo, ApiError> =
            self.link().api(&format!("CONSUMER.INFO.{stream}.{name}"), &()).await;
        info.map_err(|e| e.into_bus(format!("consumer {name}")))
    }
}

/// What a publisher knows of the interactive uploads that wait, by org.
#[derive(Default)]
pub(crate) struct Depths(Mutex<HashMap<Org, Depth>>);

#[derive(Clone, Copy)]
struct Depth {
    uploads: u64,
    looked_at: Instant,
}

impl Depths {
    /// Counts one upload that is about to be published; its lane is bulk when the org has more than enough waiting.
    pub async fn lane(&self, link: &Link, org: &Org, asked: Lane) -> Lane {
        if asked == Lane::Bulk {
            return asked;
        }
        let limit = link.options.org_interactive_depth;
        let uploads = match self.known(org) {
            Some(uploads) => uploads,
            None => self.look(link, org).await.unwrap_or(0),
        };
        if uploads >= limit {
            return Lane::Bulk;
        }
        self.with(|depths| {
            if let Some(depth) = depths.get_mut(org) {
                depth.uploads += 1;
            }
        });
        Lane::Interactive
    }

    fn known(&self, org: &Org) -> Option<u64> {
        self.with(|depths| depths.get(org).filter(|depth| depth.looked_at.elapsed() < FRESH).map(|depth| depth.uploads))
    }

    /// `None` when the broker does not say: then the upload goes where it was meant to.
    async fn look(&self, link: &Link, org: &Org) -> Option<u64> {
        let subject = Address::new(AssetUploaded::NAME, Lane::Interactive, org).subject();
        let found = link.subjects(AssetUploaded::STREAM, &subject).await.ok()?;
        let depth = Depth { uploads: found.values().sum(), looked_at: Instant::now() };
        self.with(|depths| {
            if depths.len() >= REMEMBERED {
                depths.clear();
            }
            depths.insert(org.clone(), depth);
        });
        Some(depth.uploads)
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Org, Depth>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
