//! Pulling one message at a time: a slot asks for work only when it is free, so nothing waits in a buffer while its
//! lease runs out.

use std::time::Duration;

use async_nats::Subscriber;
use futures::StreamExt;
use heimdex_schemas::{Lane, StageName};
use serde::{Deserialize, Serialize};

use crate::delivery::{Delivery, Origin};
use crate::error::BusError;
use crate::link::{ApiError, Link};
use crate::topology;

/// How long to wait for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Only what is there.
    No,
    /// At most this long.
    For(Duration),
}

/// What one pull brought.
#[derive(Debug)]
pub enum Pulled {
    Message(Box<Delivery>),
    Empty,
    /// The consumer no longer exists. Somebody removed it: unhealthy, not finished.
    ConsumerGone,
    /// No answer; try again.
    Unavailable(String),
}

/// Extra time for an answer to travel, beyond what the broker was asked to wait.
const GRACE: Duration = Duration::from_secs(1);

/// Reads one consumer for one slot, one message in flight.
pub struct LanePuller {
    link: Link,
    stream: &'static str,
    consumer: String,
    origin: Origin,
    inbox: Option<(String, Subscriber)>,
}

#[derive(Deserialize)]
struct StreamInfo {
    created: String,
}

#[derive(Deserialize)]
struct ConsumerInfo {
    config: ConsumerConfig,
}

#[derive(Deserialize)]
struct ConsumerConfig {
    /// Nanoseconds.
    ack_wait: u64,
}

#[derive(Serialize)]
struct Ask {
    batch: u32,
    #[serde(skip_serializing_if = "is_zero")]
    expires: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_wait: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl LanePuller {
    pub(crate) async fn open(link: Link, stage: StageName, lane: Lane) -> Result<Self, BusError> {
        let stream = topology::input_stream(stage);
        let consumer = topology::consumer_name(stage, lane);
        let origin = origin(&link, stream, &consumer).await?;
        Ok(Self { link, stream, consumer, origin, inbox: None })
    }

    /// Asks for one message. Cancelling is not safe: use [`LanePuller::close`] to stop waiting.
    pub async fn pull(&mut self, wait: Wait) -> Pulled {
        let (ask, patience) = match wait {
            Wait::No => (Ask { batch: 1, expires: 0, no_wait: true }, GRACE),
            Wait::For(time) => {
                let expires = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                (Ask { batch: 1, expires, no_wait: false }, time + GRACE)
            }
        };
        if let Err(reason) = self.ask(&ask).await {
            return self.abandon(reason).await;
        }
        let Some((_, inbox)) = self.inbox.as_mut() else { return Pulled::Unavailable("no inbox".to_owned()) };
        match tokio::time::timeout(patience, inbox.next()).await {
            Ok(Some(message)) => self.read(message).await,
            Ok(None) => self.abandon("the connection closed".to_owned()).await,
            Err(_) => self.abandon("no answer to a pull".to_owned()).await,
        }
    }

    /// Stops asking. What the broker had already sent comes back, to be given back with a nak.
    pub async fn close(&mut self) -> Option<Box<Delivery>> {
        let (_, mut inbox) = self.inbox.take()?;
        if inbox.drain().await.is_err() {
            return None;
        }
        loop {
            let message = tokio::time::timeout(GRACE, inbox.next()).await.ok()??;
            if let Some(delivery) = self.delivery(message) {
                return Some(delivery);
            }
        }
    }

    async fn ask(&mut self, ask: &Ask) -> Result<(), String> {
        let inbox = match &self.inbox {
            Some((inbox, _)) => inbox.clone(),
            None => {
                let inbox = self.link.client.new_inbox();
                let subscriber = self.link.client.subscribe(inbox.clone()).await.map_err(|e| e.to_string())?;
                self.inbox = Some((inbox.clone(), subscriber));
                inbox
            }
        };
        let payload = serde_json::to_vec(ask).map_err(|e| e.to_string())?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream, self.consumer);
        self.link.client.publish_with_reply(subject, inbox, payload.into()).await.map_err(|e| e.to_string())
    }

    async fn read(&mut self, message: async_nats::Message) -> Pulled {
        match message.status.map(|status| status.as_u16()) {
            None => match self.delivery(message) {
                Some(delivery) => Pulled::Message(delivery),
                None => Pulled::Unavailable("an answer to a pull is not a message of a stream".to_owned()),
            },
            Some(404 | 408) => Pulled::Empty,
            Some(_) => {
                let reason = message.description.unwrap_or_else(|| "refused".to_owned());
                self.look(reason).await
            }
        }
    }

    fn delivery(&self, message: async_nats::Message) -> Option<Box<Delivery>> {
        if message.status.is_some() {
            return None;
        }
        Delivery::new(&self.link, message, &self.origin).map(Box::new)
    }

    /// Leaves the inbox, whose next message may answer an earlier question.
    async fn abandon(&mut self, reason: String) -> Pulled {
        match self.close().await {
            Some(delivery) => Pulled::Message(delivery),
            None => self.look(reason).await,
        }
    }

    /// Tells a missing consumer from a broker that is away. A stream made anew has a later epoch.
    async fn look(&mut self, reason: String) -> Pulled {
        match origin(&self.link, self.stream, &self.consumer).await {
            Ok(origin) => {
                self.origin = origin;
                Pulled::Unavailable(reason)
            }
            Err(BusError::Missing { .. }) => Pulled::ConsumerGone,
            Err(_) => Pulled::Unavailable(reason),
        }
    }
}

async fn origin(link: &Link, stream: &str, consumer: &str) -> Result<Origin, BusError> {
    let info: Result<StreamInfo, ApiError> = link.api(&format!("STREAM.INFO.{stream}"), &()).await;
    let created = info.map_err(|e| e.into_bus(format!("stream {stream}")))?.created;
    let created = chrono::DateTime::parse_from_rfc3339(&created)
        .map_err(|e| BusError::Malformed { what: format!("creation time of {stream}"), reason: e.to_string() })?;
    let info: Result<ConsumerInfo, ApiError> = link.api(&format!("CONSUMER.INFO.{stream}.{consumer}"), &()).await;
    let info = info.map_err(|e| e.into_bus(format!("consumer {consumer}")))?;
    let epoch = u64::try_from(created.timestamp()).unwrap_or_default();
    Ok(Origin { epoch, ack_wait: Duration::from_nanos(info.config.ack_wait) })
}
