//! A broker, messages that die in it, and a stage that does with replayed ones what a test wants.
#![allow(dead_code, reason = "each test program uses a part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use heimdex_bus::{Bus, DeadLetter, Delivery, LanePuller, Letter, Options, Pulled, Verdict, Wait};
use heimdex_redrive::{Filter, Redrive, Replay};
use heimdex_schemas::{FailureClass, Lane, StageName};
use heimdex_testkit::NatsServer;
use heimdex_testkit::nats::NatsConfig;
use tokio::task::JoinHandle;

pub const SOON: Duration = Duration::from_secs(20);
pub const SUBJECT: &str = "heimdex.asset.uploaded.interactive.acme";

pub struct World {
    pub server: NatsServer,
    pub bus: Bus,
    pub redrive: Redrive,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    /// Not synced on every write: what is tested here is not whether the broker's disk is.
    pub async fn with(options: Options) -> Self {
        let server = NatsServer::with(&NatsConfig { sync_always: false, ..NatsConfig::default() });
        let bus = Bus::connect(&server.url(), options).await.unwrap();
        bus.ensure().await.unwrap();
        let redrive = Redrive::new(&bus, "tester@here", "all-minilm-l6-v2".parse().unwrap());
        Self { server, bus, redrive }
    }

    pub async fn puller(&self) -> LanePuller {
        self.bus.puller(StageName::Extractor, Lane::Interactive).await.unwrap()
    }

    /// Publishes a message that is no event and lets it die for `reason`; returns its letter.
    pub async fn die(&self, msg_id: &str, reason: &str) -> Letter {
        let headers = [("Nats-Msg-Id", msg_id), ("X-Own", "kept: as it was")];
        let payload = Bytes::from(format!("noise of {msg_id}"));
        self.bus.publish_raw(SUBJECT, &headers, payload).await.unwrap();
        let delivery = message(&mut self.puller().await).await;
        self.bury(&delivery, reason).await
    }

    /// Dead-letters a message in hand.
    pub async fn bury(&self, delivery: &Delivery, reason: &str) -> Letter {
        bury(&self.bus, delivery, reason).await;
        let last = self.redrive.letters().state().await.unwrap().last_sequence;
        self.redrive.letters().get(last).await.unwrap().unwrap()
    }

    pub async fn letters(&self) -> u64 {
        self.bus.stream_messages("HEIMDEX_DLQ").await.unwrap()
    }

    pub async fn queued(&self) -> u64 {
        self.bus.stream_messages("HEIMDEX_ASSETS").await.unwrap()
    }

    /// A stage that takes what is replayed: it buries everything while `is_broken`, for `reason`, and lets it go otherwise.
    pub fn stage(&self, reason: &'static str, is_broken: bool) -> Stage {
        let (bus, broken, seen) = (self.bus.clone(), Arc::new(AtomicBool::new(is_broken)), Arc::default());
        let (is_broken, count): (_, Arc<AtomicU64>) = (Arc::clone(&broken), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let mut puller = bus.puller(StageName::Extractor, Lane::Interactive).await.unwrap();
            loop {
                let Pulled::Message(delivery) = puller.pull(Wait::For(Duration::from_millis(200))).await else {
                    continue;
                };
                count.fetch_add(1, Ordering::SeqCst);
                if broken.load(Ordering::SeqCst) {
                    bury(&bus, &delivery, reason).await;
                } else {
                    delivery.ack().await.unwrap();
                }
            }
        });
        Stage { is_broken, seen, task }
    }
}

/// Ends with its test.
pub struct Stage {
    pub is_broken: Arc<AtomicBool>,
    pub seen: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn message(puller: &mut LanePuller) -> Box<Delivery> {
    match puller.pull(Wait::For(Duration::from_secs(5))).await {
        Pulled::Message(delivery) => delivery,
        other => panic!("no message but {other:?}"),
    }
}

async fn bury(bus: &Bus, delivery: &Delivery, reason: &str) {
    let verdict = Verdict {
        stage: StageName::Extractor,
        class: FailureClass::Rejected,
        code: "noise".to_owned(),
        message: reason.to_owned(),
        attempts: 1,
    };
    let incoming = delivery.decode(bus.blobs().as_ref(), u64::MAX).await.ok();
    let letter = DeadLetter { delivery, verdict: &verdict, incoming: incoming.as_ref() };
    bus.dead_letters().publish(letter).await.unwrap();
    delivery.term("dead").await.unwrap();
}

/// At full speed, without canaries.
pub fn at_once(filter: Filter) -> Replay {
    Replay { filter, canary: 0, rate: 0.0, ..Replay::default() }
}
