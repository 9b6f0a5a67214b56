//! What an operator's tools and strangers' clients can do behind our back, for drills and tests of how we cope.

use async_nats::HeaderMap;
use bytes::Bytes;
use heimdex_schemas::{Lane, StageName};
use serde::Deserialize;

use crate::connection::Bus;
use crate::error::BusError;
use crate::link::ApiError;
use crate::topology;

#[derive(Deserialize)]
struct Deleted {
    success: bool,
}

impl Bus {
    /// Publishes any bytes on any subject of a stream, unchecked, as a stranger's client would. Returns the sequence.
    ///
    /// # Errors
    /// [`BusError::Refused`] when no stream stored it.
    pub async fn publish_raw(&self, subject: &str, headers: &[(&str, &str)], payload: Bytes) -> Result<u64, BusError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, *value);
        }
        let refused = |reason: String| BusError::Refused { what: subject.to_owned(), reason };
        let sent = self.link().jetstream.publish_with_headers(subject.to_owned(), map, payload).await;
        let ack = sent.map_err(|e| refused(e.to_string()))?.await.map_err(|e| refused(e.to_string()))?;
        Ok(ack.sequence)
    }

    /// Deletes a stage's consumer, which a running stage reports as unhealthy and [`Bus::ensure`] makes anew.
    ///
    /// # Errors
    /// [`BusError::Missing`] when there is none.
    pub async fn delete_consumer(&self, stage: StageName, lane: Lane) -> Result<(), BusError> {
        let name = topology::consumer_name(stage, lane);
        let call = format!("CONSUMER.DELETE.{}.{name}", topology::input_stream(stage));
        let deleted: Result<Deleted, ApiError> = self.link().api(&call, &()).await;
        match deleted.map_err(|e| e.into_bus(format!("consumer {name}")))? {
            Deleted { success: true } => Ok(()),
            Deleted { success: false } => {
                Err(BusError::Refused { what: format!("consumer {name}"), reason: "not deleted".to_owned() })
            }
        }
    }
    /// Empties a stream, as an operator may by mistake. Returns how many messages are lost.
    ///
    /// # Errors
    /// [`BusError::Missing`] when there is no such stream.
    pub async fn purge_stream(&self, stream: &str) -> Result<u64, BusError> {
        self.link().purge(stream, ">", None).await.map_err(|e| e.into_bus(format!("stream {stream}")))
    }
}
