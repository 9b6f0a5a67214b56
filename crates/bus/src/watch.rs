//! The ledger as it changes, for what a process wants to know without asking.

use std::pin::Pin;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures::{Stream, StreamExt};

use crate::connection::Bus;
use crate::error::BusError;
use crate::ledger::{self, Change};

/// Changes as they come. Ends when the broker gave up on it; watching again begins with what stands then.
pub type Changes = Pin<Box<dyn Stream<Item = Result<Change, BusError>> + Send>>;

impl Bus {
    /// What stands below `prefixes` in the ledger, then every change of it.
    ///
    /// # Errors
    /// [`BusError::Unavailable`]. An item is an error while the broker is away; the stream goes on after it.
    pub async fn watch_ledger(&self, prefixes: &[&str]) -> Result<Changes, BusError> {
        let stream = ledger::stream();
        let failed = {
            let what = format!("stream {stream}");
            move |reason: String| BusError::Unavailable { what: what.clone(), reason }
        };
        let config = pull::OrderedConfig {
            filter_subjects: prefixes.iter().map(|prefix| ledger::subject(&format!("{prefix}.>"))).collect(),
            deliver_policy: DeliverPolicy::LastPerSubject,
            ..pull::OrderedConfig::default()
        };
        let stream = self.link().jetstream.get_stream_no_info(&stream).await.map_err(|e| failed(e.to_string()))?;
        let consumer = stream.create_consumer(config).await.map_err(|e| failed(e.to_string()))?;
        let messages = consumer.messages().await.map_err(|e| failed(e.to_string()))?;
        Ok(Box::pin(messages.filter_map(move |message| {
            let change = message.map_err(|e| failed(e.to_string())).map(|message| ledger::changed(&message));
            async move { change.transpose() }
        })))
    }
}
